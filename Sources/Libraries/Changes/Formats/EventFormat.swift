/// How changes are written.
public enum EventFormat: String, CaseIterable, Sendable {
  /// Change events as conventions and man5 describe them.
  case events
  /// What the output plugin wal2json writes as its format version 2.
  case wal2json
}
