internal import Bytes
internal import Posix

/// Reads a descriptor on a thread that gets no signals, and stops soon when nobody wants more.
struct InterruptibleReader {
  private static var pollMilliseconds: Int32 { 200 }

  let input: Descriptor
  let isCancelled: () -> Bool

  /// Appends what is there, at most `limit` bytes; 0 means end of input.
  func read(into buffer: inout ByteBuffer, atMost limit: Int) throws(SystemError) -> Int {
    while !(try input.waitReadable(milliseconds: Self.pollMilliseconds)) {
      if isCancelled() { throw .interrupted }
    }
    let count = unsafe try input.read(into: buffer.reserve(limit), capacity: limit)
    unsafe buffer.advance(by: count)
    return count
  }
}
