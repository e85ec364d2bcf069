public import Filter
internal import Posix

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
    do { try execute("SET TRANSACTION SNAPSHOT \(Quoting.literal(snapshot.id))") } catch {
      // The server knows those only whose transactions are open. Since 18 they have a code of their own.
      guard let error = error as? PostgresError, ["22023", "42704"].contains(error.sqlState) else {
        throw error
      }
      throw Failure(
        .unavailable, "the snapshot \(snapshot.id) is gone: \(error.message)",
        hint: "The session that exported it has to stay in its transaction.")
    }
  }

  /// Has names of tables and types that are values (`regclass` and the like) carry their schemas, so that
  /// they mean the same wherever they are read.
  ///
  /// SQL of the user's own, which may count on a search path, must have none of its names left to find.
  public borrowing func qualifyNames() throws { try execute("SET search_path = ''") }

  /// Has the server send rows in the order of the table, the same whenever it is asked.
  ///
  /// The workers of a parallel plan would race each other. With `byPages` it is also kept from an index, which would
  /// have to be read whole for each range of pages.
  public borrowing func keepTableOrder(byPages: Bool = false) throws {
    let onlyPages = """
      ; SET enable_tidscan = on; SET enable_indexscan = off; SET enable_indexonlyscan = off;
      SET enable_bitmapscan = off
      """
    try execute("SET max_parallel_workers_per_gather = 0" + (byPages ? onlyPages : ""))
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
