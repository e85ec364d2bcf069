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
  public var connection = ConnectionOptions()

  public init() {}
}
