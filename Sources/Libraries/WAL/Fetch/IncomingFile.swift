internal import Bytes
internal import Posix
internal import Postgres

/// A WAL file on its way to its place: checked as it comes in, and there whole or not at all.
struct IncomingFile: ~Copyable {
  /// More than any history file or backup label has.
  private static var maxTextBytes: Int { 1 << 20 }

  private let file: DurableFile
  private let check: FileCheck
  /// What came first: the header, or the whole text.
  private var head: [UInt8] = []
  private var count = 0
  private var header: SegmentHeader?

  /// `path` is where it is to appear.
  init(_ check: FileCheck, path: String) throws(SystemError) {
    file = try DurableFile(path)
    self.check = check
  }

  /// Takes the next bytes; throws as soon as they are not those of the file that is wanted.
  mutating func write(_ bytes: Span<UInt8>) throws {
    let headBytes = check.name.isSegment ? SegmentHeader.bytes : Self.maxTextBytes
    if head.count < headBytes {
      head += [UInt8](copying: bytes.extracting(first: min(bytes.count, headBytes - head.count)))
      if check.name.isSegment, head.count == headBytes { header = try check.header(head.span) }
    }
    count += bytes.count
    let limit = header?.segmentSize.bytes ?? headBytes
    guard count <= limit else { throw check.failure("it has more than \(limit) bytes") }
    try file.descriptor.writeAll(bytes)
  }

  /// Gives it its name, if it is whole; returns the size of a segment, nil for other files.
  consuming func publish() throws -> SegmentSize? {
    try check.whole(count: count, header: header, text: head.span)
    let size = header?.segmentSize
    try file.publish()
    return size
  }
}

/// What must be true of a file before it is handed to a server.
struct FileCheck {
  let name: WALFileName
  let systemIdentifier: UInt64
  /// Where it comes from, for messages.
  let source: String

  func failure(_ detail: String) -> Failure {
    Failure(.badInput, "\"\(source)\" is not what it should be", detail: detail)
  }

  /// Reads the header of a segment and compares it with its name.
  func header(_ bytes: Span<UInt8>) throws -> SegmentHeader {
    let header: SegmentHeader
    do throws(DecodeError) { header = try SegmentHeader(parsing: bytes) } catch {
      throw failure("its header is wrong: \(error)")
    }
    guard let digits = name.segmentName, let segment = Segment(digits, size: header.segmentSize)
    else { throw failure("no segment of \(header.segmentSize.bytes) bytes has such a name") }
    if let detail = header.contradiction(to: segment, systemIdentifier: systemIdentifier) {
      throw failure(detail)
    }
    return header
  }

  /// Throws unless all of it came.
  func whole(count: Int, header: SegmentHeader?, text: Span<UInt8>) throws {
    switch name {
    case .segment, .partial:
      guard let header else { throw failure("it has only \(count) bytes") }
      guard count == header.segmentSize.bytes else {
        throw failure("it should have \(header.segmentSize.bytes) bytes, but has \(count)")
      }
    case .history(let timeline):
      let history: TimelineHistory
      do throws(DecodeError) { history = try TimelineHistory(parsing: text, of: timeline) } catch {
        throw failure("\(error)")
      }
      guard text.count == count, !history.ancestors.isEmpty else {
        throw failure("it names no timeline that led to timeline \(timeline)")
      }
    case .backupLabel:
      guard text.count == count, String(utf8: text).hasPrefix("START WAL LOCATION: ") else {
        throw failure("it is no backup label")
      }
    }
  }

  /// Checks a file that is there; returns the size of a segment, nil for other files.
  func existing(_ path: String) throws -> SegmentSize? {
    let file = try File(reading: path)
    let size = Int(try file.facts().size)
    let bytes = name.isSegment ? SegmentHeader.bytes : min(size, 1 << 20)
    let head = try file.descriptor.read(count: bytes, at: 0)
    let header = name.isSegment ? try header(head.span) : nil
    try whole(count: size, header: header, text: head.span)
    return header?.segmentSize
  }
}

extension WALFileName {
  /// The digits of a segment, complete or not; nil for other files.
  var segmentName: SegmentName? {
    switch self {
    case .segment(let name), .partial(let name): name
    case .history, .backupLabel: nil
    }
  }
}
