internal import Filter
internal import JSON
internal import Posix

/// Row counts of closed partitions, kept in a file between runs.
///
/// A count holds until its time is over or the fingerprint changes, whichever comes first. The
/// file is NDJSON and is replaced whole; a damaged one is reported, never taken for an empty one.
public struct CountCache: Sendable {
  private struct Entry: Sendable {
    let rows: Int
    let fingerprint: String
    /// Microseconds since 1970.
    let countedAt: Int64
  }

  private let path: String
  /// Microseconds.
  private let timeToLive: Int64
  private var entries: [String: Entry] = [:]

  /// Reads the file at `path`; one that does not exist yet is empty.
  public init(path: String, timeToLiveMilliseconds: Int) throws {
    self.path = path
    timeToLive = Int64(timeToLiveMilliseconds) * 1000
    guard try FileFacts.of(path) != nil else { return }
    let file = try File(reading: path)
    var reader = RecordReader(from: file.descriptor, name: path)
    while let record = try reader.next() {
      guard let key = record.string("partition"), let rows = record.integer("rows"),
        let fingerprint = record.string("fingerprint"),
        let at = record.string("counted_at").flatMap(Timestamp.microseconds)
      else { throw Failure(.badInput, "\(path) is not a cache of counts") }
      entries[key] = Entry(rows: rows, fingerprint: fingerprint, countedAt: at)
    }
  }

  /// The count of a partition, if it still holds.
  func rows(of partition: Partition) -> Int? {
    guard partition.isClosed, let entry = entries[partition.cacheKey],
      entry.fingerprint == partition.physical?.fingerprint,
      Clock.now() - entry.countedAt < timeToLive
    else { return nil }
    return entry.rows
  }

  mutating func remember(_ rows: Int, of partition: Partition) {
    guard partition.isClosed, let fingerprint = partition.physical?.fingerprint else { return }
    entries[partition.cacheKey] = Entry(
      rows: rows, fingerprint: fingerprint, countedAt: Clock.now())
  }

  /// Replaces the file; counts whose time is over are left out.
  public func save() throws {
    let file = try DurableFile(path)
    var writer = RecordWriter(to: file.descriptor)
    for (key, entry) in entries.sorted(by: { $0.key < $1.key })
    where Clock.now() - entry.countedAt < timeToLive {
      var record = Record(type: "count")
      record.set("partition", key)
      record.set("rows", entry.rows)
      record.set("fingerprint", entry.fingerprint)
      record.set("counted_at", Timestamp.text(microseconds: entry.countedAt))
      try writer.write(record)
    }
    try writer.finish()
    try file.publish()
  }
}

extension Partition {
  fileprivate var cacheKey: String { database + "." + shownName }
}
