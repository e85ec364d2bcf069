internal import Bytes
internal import Filter
internal import JSON
internal import Posix
internal import Postgres

/// Reads acknowledgements as they come, from a FIFO, or from a file that grows; never waits for them.
struct AcknowledgementFollower: ~Copyable {
  /// A line that is longer is none.
  private static var maxLineBytes: Int { 64 << 10 }
  private static var chunkBytes: Int { 64 << 10 }

  /// What is open for it; nil: standard input.
  private let file: File?
  private let descriptor: Descriptor
  /// Where the next bytes of a file are; nil for what is no file.
  private var offset: Int64?
  private var isAtEnd = false
  /// The line that has not ended yet.
  private var rest: [UInt8] = []

  /// `-` is standard input; a file that is missing is made.
  init(_ path: String) throws {
    guard path != "-" else {
      file = nil
      descriptor = .standardInput
      return
    }
    // For writing too: then a FIFO needs no writer to be opened, and one that goes may come back.
    let file: File
    do throws(SystemError) { file = try File(updating: path) } catch {
      guard error.isRefusal else { throw error }
      file = try File(reading: path)
    }
    if try file.facts().isRegular { offset = 0 }
    descriptor = file.descriptor
    self.file = consume file
  }

  /// True where no more can come, as from standard input at its end.
  var hasEnded: Bool { isAtEnd }

  /// Passes over what a file holds already, which was said of something else.
  mutating func skipWhatIsThere() throws {
    guard offset != nil else { return }
    while try read() != nil {}
  }

  /// Waits at most `milliseconds` for more, where that can be waited for; false at once elsewhere.
  func waits(milliseconds: Int32) -> Bool {
    guard offset == nil, !isAtEnd else { return false }
    _ = descriptor.isReadable(within: milliseconds)
    return true
  }

  /// The furthest position that was acknowledged since the last call; nil when none was.
  ///
  /// Throws a `Failure` (65) for a line that is no acknowledgement.
  mutating func next() throws -> LSN? {
    var last: LSN?
    try take { last = max(last ?? $0.position, $0.position) }
    return last
  }

  /// Hands out all that was acknowledged since the last call.
  mutating func take(_ body: (Acknowledgement) throws -> Void) throws {
    while let bytes = try read() {
      rest += bytes
      var start = 0
      while let end = rest.span.firstIndex(of: UInt8(ascii: "\n"), from: start) {
        if let found = try Self.acknowledgement(in: rest.span.extracting(start..<end)) {
          try body(found)
        }
        start = end + 1
      }
      rest.removeSubrange(..<start)
      guard rest.count <= Self.maxLineBytes else {
        throw Failure(
          .badInput, "malformed acknowledgement",
          detail: "a line is longer than \(Self.maxLineBytes) bytes")
      }
    }
  }

  /// Nil for an empty line.
  private static func acknowledgement(in line: Span<UInt8>) throws -> Acknowledgement? {
    if line.isEmpty { return nil }
    do { return try Acknowledgement(Record(parsing: line)) } catch let error as JSONError {
      throw Failure(.badInput, "malformed acknowledgement", detail: "\(error)")
    }
  }

  /// What is there; nil when nothing is.
  private mutating func read() throws(SystemError) -> [UInt8]? {
    if let offset {
      let bytes = try descriptor.read(count: Self.chunkBytes, at: offset)
      self.offset = offset + Int64(bytes.count)
      return bytes.isEmpty ? nil : bytes
    }
    guard !isAtEnd, let bytes = try descriptor.readAvailable(count: Self.chunkBytes) else {
      return nil
    }
    isAtEnd = bytes.isEmpty
    return bytes.isEmpty ? nil : bytes
  }
}
