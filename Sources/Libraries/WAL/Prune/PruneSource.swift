internal import Bytes
internal import Filter
public import JSON
public import ObjectStore
internal import Posix
internal import Postgres

/// Where the WAL to be pruned lies.
public enum PruneSource: Sendable {
  /// An archive, whose root is a URL with or without its last slash.
  case archive(root: String)
  /// A directory as a receiver fills it, of one cluster.
  case directory(String)

  /// A file of WAL, and the record that names it for who removes it.
  public struct Entry {
    public let name: WALFileName
    /// Microseconds since 1970; nil when unknown.
    public let arrival: Int64?
    fileprivate let record: Record

    /// The record with what the segment is.
    public func record(of segment: Segment) -> Record {
      var record = record
      record.set("timeline", segment.timeline)
      record.set("segment", name.text)
      record.set("start_lsn", segment.start.description)
      record.set("end_lsn", segment.end.description)
      return record
    }
  }

  /// Calls `body` with each file of the cluster, in the order of their names.
  public func visit(
    system: String, size: SegmentSize, store: S3Options, _ body: (Entry) throws -> Void
  ) throws {
    switch self {
    case .archive(let root):
      let folder = try Root(parsing: ArchiveReader.folder(root) + "\(system)/")
      try Listing(folder, store: store).visit { object in
        guard let (layout, name) = ArchiveLayout.parse(object.url),
          layout.systemIdentifier == system
        else { return }
        let arrival = object.modifiedAt.flatMap { Timestamp.microseconds(of: $0) }
        try body(Entry(name: name, arrival: arrival, record: object.record))
      }
    case .directory(let path):
      for file in try Directory.names(in: path) {
        guard let name = WALFileName(file), let facts = try FileFacts.of("\(path)/\(file)"),
          facts.isRegular
        else { continue }
        // The open one is its receiver's.
        if case .partial = name { continue }
        if case .segment(let digits) = name {
          let segment = Segment(digits, size: size)
          let isOurs = try Self.belongs("\(path)/\(file)", as: segment, to: system, size)
          // One that is not whole is no link of a chain.
          guard isOurs, Int(facts.size) == size.bytes else { continue }
        }
        var record = Record(type: "segment")
        record.set("path", "\(path)/\(file)")
        record.set("bytes", facts.size)
        try body(Entry(name: name, arrival: facts.modified / 1000, record: record))
      }
    }
  }

  /// True if the file begins as the segment does, or, where that is nil, as any of the cluster's.
  ///
  /// Throws a `Failure` (78) where it is another cluster's.
  private static func belongs(
    _ path: String, as segment: Segment?, to system: String, _ size: SegmentSize
  ) throws -> Bool {
    let file = try File(reading: path)
    let start = try file.descriptor.read(count: SegmentHeader.bytes, at: 0)
    guard let header = try? SegmentHeader(parsing: start.span) else { return false }
    if String(header.systemIdentifier) != system {
      throw Failure(
        .configuration,
        "\"\(path)\" is of the system \(header.systemIdentifier), the backups are of \(system)")
    }
    if header.segmentSize != size {
      throw Failure(
        .configuration,
        "\"\(path)\" is of a cluster with segments of \(header.segmentSize.bytes) bytes, "
          + "the backups are of one with \(size.bytes)")
    }
    return segment.map { header.fault(as: $0, systemIdentifier: nil) == nil } ?? true
  }

  /// Reads how a timeline came to be.
  func history(
    of timeline: UInt32, system: String, _ options: PruneOptions
  ) throws -> TimelineHistory {
    let name = WALFileName.history(timeline: timeline)
    var text: [UInt8] = []
    switch self {
    case .archive(let root):
      text = try Self.read(name, root: root, system: system, options)
    case .directory(let path):
      let file = try File(reading: "\(path)/\(name.text)")
      text = try file.descriptor.read(count: Self.maxHistoryBytes, at: 0)
    }
    do { return try TimelineHistory(parsing: text.span, of: timeline) } catch {
      throw Failure(.badInput, "\"\(name.text)\" is damaged", detail: "\(error)")
    }
  }

  /// No history is longer.
  private static var maxHistoryBytes: Int { 1 << 20 }

  private static func read(
    _ name: WALFileName, root: String, system: String, _ options: PruneOptions
  ) throws -> [UInt8] {
    var fetch = FetchOptions()
    (fetch.archive, fetch.decrypt, fetch.store) = (root, options.decrypt, options.store)
    let reader = try ArchiveReader(fetch, systemIdentifier: system)
    let text = Monitor([UInt8]())
    let isThere = try reader.read(name) { piece in
      let isTooLong = text.update { (bytes) -> Bool in
        bytes += [UInt8](copying: piece)
        return bytes.count > maxHistoryBytes
      }
      if isTooLong { throw Failure(.badInput, "\"\(reader.url(of: name))\" is no history") }
    }
    guard isThere else {
      throw Failure(.negative, "nothing is pruned: \"\(reader.url(of: name))\" is gone")
    }
    return text.read { $0 }
  }
}
