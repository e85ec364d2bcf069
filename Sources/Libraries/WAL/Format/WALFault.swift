public import Postgres

/// What is wrong with the write-ahead log, and where.
public struct WALFault: Error, Equatable, Sendable, CustomStringConvertible {
  public enum Kind: String, Sendable {
    /// A page does not begin with the header that belongs there.
    case header
    /// A record cannot be one, or its checksum differs.
    case record
    /// A record does not name the one before it.
    case prev
    /// A segment is another cluster's.
    case system = "other-system"
  }

  public let kind: Kind
  /// Where the page or the record begins.
  public let position: LSN
  public let detail: String
  /// From where on there must be zeros, up to the segment's end, for the bytes to be unwritten.
  ///
  /// Then the log ended here, and nothing was damaged. Nil when that cannot be.
  let zerosFrom: LSN?

  init(_ kind: Kind, at position: LSN, _ detail: String, zerosFrom: LSN? = nil) {
    (self.kind, self.position, self.detail) = (kind, position, detail)
    self.zerosFrom = zerosFrom
  }

  public var description: String { "\(position): \(detail)" }
}
