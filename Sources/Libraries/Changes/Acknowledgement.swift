internal import Filter
public import JSON
public import Posix
public import Postgres

/// Says that everything up to a commit's end is durable at the sink.
///
///     {"type":"ack","lsn":"0/1A2B400"}
///     {"type":"ack","lsn":"0/0","part":"1/7"}
public struct Acknowledgement: Equatable, Sendable {
  /// Behind the last byte of the commit's record.
  public let position: LSN
  /// Of a snapshot that comes in parts, the last one that is durable too: its run and its number in it.
  public let part: LSN?

  public init(_ position: LSN, part: LSN? = nil) { (self.position, self.part) = (position, part) }

  /// Throws a `Failure` (65) for a record that is no acknowledgement.
  public init(_ record: Record) throws(Failure) {
    guard record.string("type") == "ack", let position = record.string("lsn").flatMap({ LSN($0) })
    else { throw Failure(.badInput, "a record is no acknowledgement", detail: record.text) }
    self.init(position, part: record.string("part").flatMap { LSN($0) })
  }

  public var record: Record {
    var record = Record(type: "ack")
    record.set("lsn", position.description)
    if let part { record.set("part", part.description) }
    return record
  }
}
