public import Postgres

/// What the command line says of a snapshot.
public struct SnapshotOptions: Sendable {
  public var publications: [String] = []
  /// The slot to make, whose stream goes on where the snapshot ends.
  public var slot: String?
  /// Connections that read at once.
  public var jobs = 1
  public var quoteNumbers = false
  /// With the slot: prepared transactions are sent when they are prepared.
  public var isTwoPhase = false
  public var isFailover = false
  /// The file of a snapshot that can be resumed; nil for one that cannot.
  public var state: String?
  /// Where acknowledgements of its parts come from: a FIFO, a file that grows, or `-`.
  public var acknowledgements: String?
  public var connection = ConnectionOptions()

  public init() {}
}
