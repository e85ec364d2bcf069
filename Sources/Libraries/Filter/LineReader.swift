internal import Bytes
public import Posix

/// A line that cannot be one.
public struct LineError: Error, Equatable, CustomStringConvertible {
  /// Counted from 1.
  public let line: Int
  public let problem: String
  public var description: String { "line \(line): \(problem)" }
}

/// Reads lines without copying them.
public struct LineReader: ~Copyable {
  private let input: Descriptor
  private let maxLineBytes: Int
  private let chunkBytes: Int
  private var buffer: ByteBuffer
  /// Where the line last read lies in `buffer`.
  private var current = 0..<0
  /// Where the next line starts in `buffer`.
  private var start = 0
  /// Up to where `buffer` was searched for a line feed.
  private var searched = 0
  private var atEnd = false
  /// The number of the line last returned, from 1.
  public private(set) var number = 0
  /// Bytes read so far, those of lines not yet returned included.
  public private(set) var bytesRead = 0

  public init(from input: Descriptor, maxLineBytes: Int, chunkBytes: Int = 256 << 10) {
    self.input = input
    self.maxLineBytes = maxLineBytes
    self.chunkBytes = chunkBytes
    buffer = ByteBuffer(capacity: chunkBytes * 2)
  }

  /// The line last read, without its line feed.
  public var line: Span<UInt8> {
    @_lifetime(borrow self)
    get { buffer.span.extracting(current) }
  }

  /// True where the next line, or the end, has to be waited for: what was read has no whole line more.
  public var isDrained: Bool {
    !atEnd && buffer.span.firstIndex(of: UInt8(ascii: "\n"), from: searched) == nil
  }

  /// Reads the next line; false at the end.
  ///
  /// Throws `LineError` for one that is too long or has no line feed, or `SystemError`.
  public mutating func next() throws -> Bool {
    while true {
      if let end = buffer.span.firstIndex(of: UInt8(ascii: "\n"), from: searched) {
        current = start..<end
        (start, searched) = (end + 1, end + 1)
        number += 1
        return true
      }
      searched = buffer.count
      guard buffer.count - start <= maxLineBytes else {
        throw LineError(line: number + 1, problem: "longer than \(maxLineBytes) bytes")
      }
      if atEnd {
        guard start == buffer.count else {
          throw LineError(line: number + 1, problem: "cut off: it has no line feed")
        }
        return false
      }
      try fill()
    }
  }

  private mutating func fill() throws(SystemError) {
    if start > 0 {
      buffer.removeFirst(start)
      (start, searched) = (0, searched - start)
    }
    let count = unsafe try input.read(into: buffer.reserve(chunkBytes), capacity: chunkBytes)
    unsafe buffer.advance(by: count)
    bytesRead += count
    atEnd = count == 0
  }
}
