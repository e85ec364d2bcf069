internal import Bytes
public import JSON
public import Posix

/// Writes NDJSON records, many lines a system call.
///
/// A record has reached the kernel once `flush` or `finish` has returned.
public struct RecordWriter: ~Copyable {
  private let output: Descriptor
  private var buffer: ByteBuffer
  /// The number of bytes written or held so far.
  public private(set) var byteCount = 0

  public init(to output: Descriptor = .standardOutput) {
    self.output = output
    buffer = ByteBuffer(capacity: 68 << 10)
  }

  public mutating func write(_ record: Record) throws(SystemError) {
    let before = buffer.count
    record.append(to: &buffer)
    byteCount += buffer.count - before
    if buffer.count >= 64 << 10 { try flush() }
  }

  /// Hands everything held to the kernel.
  public mutating func flush() throws(SystemError) {
    try output.writeAll(buffer.span)
    buffer.removeAll()
  }

  public consuming func finish() throws(SystemError) { try flush() }
}
