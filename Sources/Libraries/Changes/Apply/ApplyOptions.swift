public import Postgres

/// How change events are applied, and to what.
public struct ApplyOptions: Sendable {
  /// The target.
  public var connection = ConnectionOptions()
  /// The name of the stream, by which the target knows how far it came.
  public var source = "default"
  /// The name of the replication origin that knows it instead; nil for the table of positions.
  public var origin: String?
  /// The name that no other stream into the database may have.
  var stream: String { origin ?? source }
  /// So many changes make a transaction of the target, or so much time.
  public var batchChanges = 10_000
  public var batchMilliseconds = 200
  public var firesTriggers = false
  public var onConflict = ConflictAction.error
  public var createsTables = false
  /// A directory for the changes that the target refuses; nil refuses the stream.
  public var park: String?

  public init() {}
}
