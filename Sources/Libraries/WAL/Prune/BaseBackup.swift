internal import Filter
public import JSON
public import Posix
public import Postgres

/// A base backup, as the record of base-backup tells of it.
public struct BaseBackup: Sendable {
  public let label: String
  public let systemIdentifier: String
  /// The timeline that it ended on.
  public let timeline: UInt32
  /// Where replay has to begin.
  public let start: LSN
  /// Where replay makes it consistent.
  public let stop: LSN
  public let segmentSize: SegmentSize
  /// Microseconds since 1970.
  public let finishedAt: Int64
  public let record: Record

  /// Tells it from every other backup of its cluster.
  var id: String { "\(label) \(start)" }

  /// Throws a `Failure` (65) that names the member that is missing or makes no sense.
  public init(_ record: Record) throws(Failure) {
    guard record.type == "backup" else {
      throw Failure(.badInput, "expected a record of type \"backup\", not \"\(record.type)\"")
    }
    func member<T>(_ name: String, _ value: T?) throws(Failure) -> T {
      guard let value else {
        throw Failure(
          .badInput, "a record of a backup has no sound member \"\(name)\"", detail: record.text)
      }
      return value
    }
    func text(_ name: String) -> String? {
      record.string(name).flatMap { $0.isEmpty ? nil : $0 }
    }
    label = try member("backup", text("backup"))
    systemIdentifier = try member("system_identifier", text("system_identifier"))
    timeline = try member(
      "timeline",
      record.integer("timeline").flatMap { UInt32(exactly: $0) }.flatMap { $0 > 0 ? $0 : nil })
    start = try member("start_lsn", text("start_lsn").flatMap { LSN($0) })
    let stop = text("stop_lsn").flatMap { LSN($0) }
    let start = start
    self.stop = try member("stop_lsn", stop.flatMap { $0 > start ? $0 : nil })
    segmentSize = try member(
      "segment_size", record.integer("segment_size").flatMap { SegmentSize(bytes: $0) })
    finishedAt = try member(
      "finished_at", text("finished_at").flatMap { Timestamp.microseconds(of: $0) })
    self.record = record
  }
}
