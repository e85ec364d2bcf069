internal import Filter
internal import Posix
internal import Postgres

/// A session in which actions are carried out.
///
/// A class, because a session that was lost is replaced while others hold on to none of it.
final class ApplySession {
  let connection: Connection
  /// 150004 is 15.4.
  let version: Int
  let isReplica: Bool
  /// The table whose advisory lock is ours.
  private var lockedTable: (name: QualifiedName, oid: String)?
  /// The statements that the server has a plan of.
  private var prepared: Set<String> = []

  init(_ options: ConnectionOptions, applicationName: String) throws {
    let connection = try Connection(options, applicationName: applicationName)
    let rows = try connection.query(
      """
      SELECT pg_catalog.current_setting('server_version_num'), pg_catalog.pg_is_in_recovery(),
        CASE WHEN pg_catalog.current_setting('client_connection_check_interval', true) IS NOT NULL
          THEN pg_catalog.set_config('client_connection_check_interval', '1s', false) END,
        pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', false)
      """)
    (version, isReplica) = (rows.integer(0, 0) ?? 0, rows.boolean(0, 1))
    self.connection = connection
  }

  /// True where a partition can be detached without keeping anybody waiting.
  var detachesConcurrently: Bool { version >= 140_000 }

  func query(_ sql: String, _ parameters: [String?] = []) throws -> Rows {
    try connection.query(sql, parameters)
  }

  /// Runs a query that is asked for each action, and planned only once.
  func ask(_ name: String, _ sql: String, _ parameters: [String]) throws -> Rows {
    if !prepared.contains(name) {
      try run("PREPARE sluice_\(name) AS \(sql)")
      prepared.insert(name)
    }
    let values = parameters.map(Quoting.literal).joined(separator: ", ")
    return try query("EXECUTE sluice_\(name) (\(values))")
  }

  /// Runs one statement: a text can never make two of it.
  func run(_ sql: String) throws { _ = try connection.query(sql) }

  /// Runs `body` in a transaction whose statements wait at most `lockTimeout` milliseconds for a
  /// lock.
  func transaction<T>(lockTimeout: Int, _ body: () throws -> T) throws -> T {
    // What is read behind a lock must be what is there then.
    try connection.execute(
      "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = \(lockTimeout)"
    )
    do {
      let value = try body()
      try run("COMMIT")
      return value
    } catch {
      try? connection.execute("ROLLBACK")
      throw error
    }
  }

  /// Runs `body` in a transaction that reads one moment of the catalog, whose definitions name everything with its
  /// schema.
  func reading<T>(_ body: (borrowing Connection) throws -> T) throws -> T {
    try connection.execute(
      "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = ''")
    defer { try? connection.execute("ROLLBACK") }
    return try body(connection)
  }

  /// Runs a statement that no transaction may hold.
  func runAlone(_ sql: String, lockTimeout: Int) throws {
    try connection.execute("SET lock_timeout = \(lockTimeout)")
    defer { try? connection.execute("SET lock_timeout = 0") }
    try run(sql)
  }

  /// Has the table to ourselves among those who maintain partitions; false when another has it, nil
  /// when it is gone.
  ///
  /// One table at a time is held; the session's end frees it.
  func hold(_ table: QualifiedName) throws -> Bool? {
    if lockedTable?.name == table { return true }
    try release()
    guard let found = try RelationState.find(table, in: self) else { return nil }
    let rows = try query("SELECT pg_catalog.pg_try_advisory_lock(\(Self.key))", [found.oid])
    guard rows.boolean(0, 0) else { return false }
    lockedTable = (table, found.oid)
    return true
  }

  func release() throws {
    guard let oid = lockedTable?.oid else { return }
    lockedTable = nil
    _ = try query("SELECT pg_catalog.pg_advisory_unlock(\(Self.key))", [oid])
  }

  /// Our number in the upper half, the table's OID in the lower.
  private static var key: String { "(1936487529::bigint << 32) | $1::oid::bigint" }
}
