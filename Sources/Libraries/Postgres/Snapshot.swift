public import Filter

/// A moment at which several sessions read the same rows.
public struct Snapshot: Sendable {
  /// What `pg_export_snapshot` returned, for example `00000003-0000001B-1`.
  public let id: String

  /// Takes an ID from outside; it must look like one, because it goes into SQL.
  public init(id: String) throws(UsageError) {
    guard !id.isEmpty, id.utf8.allSatisfy({ Self.allowed.contains($0) }) else {
      throw UsageError("\"\(id)\" is not the ID of a snapshot")
    }
    self.id = id
  }

  private static var allowed: [UInt8] { Array("0123456789ABCDEFabcdef-".utf8) }
}

extension Connection {
  /// Begins a transaction that only reads and sees one moment: `snapshot`'s, or now.
  public borrowing func beginReading(at snapshot: Snapshot?) throws {
    try execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    guard let snapshot else { return }
    try execute("SET TRANSACTION SNAPSHOT \(Quoting.literal(snapshot.id))")
  }

  /// Lets other sessions read what this transaction sees, for as long as it is open.
  public borrowing func exportSnapshot() throws -> Snapshot {
    try Snapshot(id: query("SELECT pg_catalog.pg_export_snapshot()").text(0, 0))
  }

  /// Milliseconds after which the server gives up a statement; 0 is never.
  public borrowing func limitStatements(to milliseconds: Int) throws {
    try execute("SET statement_timeout = \(milliseconds)")
  }
}
