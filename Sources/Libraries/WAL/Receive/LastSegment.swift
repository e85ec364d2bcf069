internal import Bytes
internal import JSON
internal import Posix
internal import Postgres

/// What a receiver remembers of the last segment that it finished, which may have been moved away.
///
/// An empty partial segment says where the directory ends, but not of whose WAL. One line of JSON in
/// a file of its own says so, whose name no other tool looks at.
struct LastSegment: Equatable {
  static let fileName = ".walrecv.last"

  let systemIdentifier: String
  /// Nil as long as none was finished.
  var finished: Finished?

  struct Finished: Equatable {
    let segment: Segment
    /// The CRC-32C of all of its bytes.
    let checksum: UInt32
  }

  /// Nil when it makes no sense.
  init?(parsing text: Span<UInt8>) {
    guard let record = try? Record(parsing: text), record.type == "last_segment",
      let system = record.string("system_identifier")
    else { return nil }
    systemIdentifier = system
    guard let name = record.string("segment") else { return }
    guard let size = record.integer("bytes").flatMap({ SegmentSize(bytes: $0) }),
      let segment = SegmentName(name).flatMap({ Segment($0, size: size) }),
      let checksum = record.integer("crc32c").flatMap({ UInt32(exactly: $0) })
    else { return nil }
    finished = Finished(segment: segment, checksum: checksum)
  }

  init(of systemIdentifier: String, _ finished: Finished? = nil) {
    (self.systemIdentifier, self.finished) = (systemIdentifier, finished)
  }

  var record: Record {
    var record = Record(type: "last_segment")
    record.set("system_identifier", systemIdentifier)
    guard let finished else { return record }
    record.set("segment", finished.segment.name)
    record.set("end_lsn", "\(finished.segment.end)")
    record.set("bytes", finished.segment.size.bytes)
    record.set("crc32c", finished.checksum)
    return record
  }
}

extension WALDirectory {
  /// Nil when nothing is remembered, or nothing that makes sense.
  func lastSegment() throws -> LastSegment? {
    let path = path(of: LastSegment.fileName)
    guard try FileFacts.of(path) != nil else { return nil }
    let file = try File(reading: path)
    let bytes = try file.descriptor.read(count: 4096, at: 0)
    let line = bytes.prefix { $0 != UInt8(ascii: "\n") }
    return LastSegment(parsing: Array(line).span)
  }

  /// Writes it down whole; durable once the directory is synced.
  func remember(_ last: LastSegment) throws(SystemError) {
    // There is no second receiver who could write under this name.
    let (name, new) = (LastSegment.fileName, LastSegment.fileName + ".new")
    let file = try file(writing: new)
    try file.descriptor.writeAll((last.record.text + "\n").utf8.span)
    try file.sync()
    try rename(new, to: name)
  }

  /// Has what is remembered be of the system, and of the newest complete segment that is here,
  /// before anybody may move that away.
  func rememberNewest(_ content: Content, of systemIdentifier: String) throws {
    var last = LastSegment(of: systemIdentifier)
    if let known = try lastSegment(), known.systemIdentifier == systemIdentifier { last = known }
    let finished = last.finished?.segment
    if let newest = content.complete.last, finished.map({ Self.precedes($0, newest) }) ?? true {
      last.finished = .init(segment: newest, checksum: try checksum(of: newest))
    }
    if try last == lastSegment() { return }
    try remember(last)
    try sync()
  }

  private func checksum(of segment: Segment) throws -> UInt32 {
    var sum = CRC32C()
    try visit(segment.name) { sum.update($0) }
    return sum.value
  }
}
