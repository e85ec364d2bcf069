internal import Bytes
internal import Posix

/// Reads PostgreSQL's CopyData messages as they come from the wire or from a capture.
///
///     d  length (4), which counts itself and what follows  payload…
struct FrameReader: ~Copyable {
  /// What PostgreSQL sends in one message at most.
  private static var maxPayloadBytes: Int { 1 << 30 }
  private static var chunkBytes: Int { 256 << 10 }
  private static var headBytes: Int { 5 }
  private static var idleMilliseconds: Int32 { 500 }

  private let input: Descriptor
  private var buffer = ByteBuffer(capacity: FrameReader.chunkBytes * 2)
  /// Where the next frame begins in `buffer`.
  private var start = 0
  private var current = 0..<0
  /// Of the first byte of `buffer` in the input.
  private var base = 0
  private var isAtEnd = false

  init(from input: Descriptor) { self.input = input }

  /// What the frame last read carries.
  var payload: Span<UInt8> {
    @_lifetime(borrow self)
    get { buffer.span.extracting(current) }
  }

  /// Where that lies in the input.
  var payloadOffset: Int { base + current.lowerBound }

  /// The bytes read so far, those of frames not yet returned left out.
  var byteCount: Int { base + start }

  /// Reads the next frame; false at the end of the input.
  ///
  /// `whenIdle` is called before it waits, and now and then while it does.
  /// Throws a `FrameError` for bytes that are no frame, and for one that is cut off.
  mutating func next(whenIdle: () throws -> Void) throws -> Bool {
    while true {
      if try takeFrame() { return true }
      if isAtEnd {
        guard start == buffer.count else {
          throw FrameError(offset: base + buffer.count, problem: "the input is cut off here")
        }
        return false
      }
      try wait(whenIdle)
      try fill()
    }
  }

  private func wait(_ whenIdle: () throws -> Void) throws {
    var milliseconds: Int32 = 0
    while try !input.waitReadable(milliseconds: milliseconds) {
      try whenIdle()
      milliseconds = Self.idleMilliseconds
    }
  }

  private mutating func takeFrame() throws(FrameError) -> Bool {
    guard start < buffer.count else { return false }
    guard buffer.span[start] == UInt8(ascii: "d") else {
      throw FrameError(offset: base + start, problem: "no CopyData message begins here")
    }
    guard buffer.count - start >= Self.headBytes else { return false }
    let length = Int(buffer.span.bigEndian(UInt32.self, at: start + 1))
    guard length >= 4, length <= Self.maxPayloadBytes else {
      throw FrameError(offset: base + start + 1, problem: "a message cannot have \(length) bytes")
    }
    guard buffer.count - start > length else { return false }
    current = start + Self.headBytes..<start + 1 + length
    start += 1 + length
    return true
  }

  private mutating func fill() throws(SystemError) {
    if start > 0 {
      buffer.removeFirst(start)
      base += start
      (start, current) = (0, 0..<0)
    }
    let count = unsafe try input.read(
      into: buffer.reserve(Self.chunkBytes), capacity: Self.chunkBytes)
    unsafe buffer.advance(by: count)
    isAtEnd = count == 0
  }
}

/// Bytes that are no frame, or no message that a server sends.
struct FrameError: Error, Equatable {
  /// Of the input, from 0.
  let offset: Int
  let problem: String
}
