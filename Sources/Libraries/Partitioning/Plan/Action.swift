public import JSON
public import Posix

/// A step of a plan: what is to be done to one partition, why, and on what grounds.
///
/// The record of type `action` has its members in this order: `action`, `database`, `schema`,
/// `table`, `parent_schema`, `parent`, `partition_schema`, `partition`, `from`, `to`, `bound`,
/// `sql`, `reason`, `facts`, and for some kinds others behind them.
public struct Action: Sendable {
  /// What is to be done, in the order in which a plan has them.
  public enum Kind: String, CaseIterable, Sendable {
    /// A new partition, or a default partition.
    case create
    /// Rows of the default partition go into a partition of their own, which is made for them.
    case drain
    case detach
    /// Detached, and then set into another schema.
    case move
    /// A copy with proof in the archive.
    case archive
    case drop
  }

  public let kind: Kind
  /// The record it was read from, or is written as.
  public var record: Record

  public init(_ kind: Kind, _ record: Record) { (self.kind, self.record) = (kind, record) }

  /// Reads a record; throws a `Failure` (65) for one that is no action.
  public init(_ record: Record) throws(Failure) {
    guard record.type == "action", let word = record.string("action"),
      let kind = Kind(rawValue: word)
    else { throw Failure(.badInput, "the record is no action") }
    self.init(kind, record)
  }
}
