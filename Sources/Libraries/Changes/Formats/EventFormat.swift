/// How changes are written.
public enum EventFormat: String, CaseIterable, Sendable {
  /// Change events as conventions and man5 describe them.
  case events
  /// The values of Debezium's change events, without schemas.
  case debezium
  /// What the output plugin wal2json writes as its format version 2.
  case wal2json
}

/// What a stream of changes does not know of its source, and Debezium's events name.
public struct SourceNames: Sendable {
  /// Debezium's logical name, the prefix of its topics.
  public var name = "sluice"
  public var database = ""

  public init() {}
}
