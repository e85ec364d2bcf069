internal import Posix
internal import Postgres

/// How far a stream was applied, kept by the target itself: in a table of positions, or as the progress
/// of a replication origin.
struct AppliedPosition {
  private let source: String
  private let origin: String?

  /// Takes the stream for this session alone, and makes ready to keep its position.
  ///
  /// Throws a `Failure` (75) when another session has it.
  init(_ options: ApplyOptions, on connection: borrowing Connection) throws {
    (source, origin) = (options.stream, options.origin)
    guard try SessionLock.take(source, on: connection) else {
      throw Failure(.temporary, "another applier has the source \"\(source)\"")
    }
    if let origin {
      try Self.setUp(origin, on: connection)
    } else {
      try Self.makeTable(on: connection)
    }
  }

  private static func makeTable(on connection: borrowing Connection) throws {
    if try isTrue("to_regclass('sluice.progress') IS NOT NULL", on: connection) { return }
    // Even with IF NOT EXISTS this takes the right to make a schema.
    if try !isTrue("to_regnamespace('sluice') IS NOT NULL", on: connection) {
      try connection.execute("CREATE SCHEMA IF NOT EXISTS sluice")
    }
    try connection.execute(
      """
      CREATE TABLE IF NOT EXISTS sluice.progress (
        source text PRIMARY KEY, lsn pg_lsn NOT NULL, updated_at timestamptz)
      """)
  }

  private static func isTrue(_ sql: String, on connection: borrowing Connection) throws -> Bool {
    try connection.query("SELECT \(sql)").boolean(0, 0)
  }

  private static func setUp(_ origin: String, on connection: borrowing Connection) throws {
    let isKnown = try connection.query(
      "SELECT EXISTS (SELECT FROM pg_catalog.pg_replication_origin WHERE roname = $1)", [origin])
    if !isKnown.boolean(0, 0) {
      _ = try connection.query("SELECT pg_catalog.pg_replication_origin_create($1)", [origin])
    }
    _ = try connection.query("SELECT pg_catalog.pg_replication_origin_session_setup($1)", [origin])
  }

  /// What was applied so far; 0/0 when nothing was.
  func read(on connection: borrowing Connection) throws -> LSN {
    guard let origin else { return try position(of: source, on: connection) }
    let rows = try connection.query(
      "SELECT pg_catalog.pg_replication_origin_progress($1, true)", [origin])
    return rows.string(0, 0).flatMap { LSN($0) } ?? .invalid
  }

  private func position(of name: String, on connection: borrowing Connection) throws -> LSN {
    let rows = try connection.query(
      "SELECT lsn FROM sluice.progress WHERE source = $1", [name])
    guard rows.count == 1 else { return .invalid }
    return rows.string(0, 0).flatMap { LSN($0) } ?? .invalid
  }

  /// Notes, in a transaction of its own, that a prepared transaction is being ended.
  func note(_ prepared: String, _ end: LSN, on connection: borrowing Connection) throws {
    try makeNotes(on: connection)
    _ = try connection.query(
      """
      INSERT INTO sluice.progress (source, lsn, updated_at) VALUES ($1, $2, now())
      ON CONFLICT (source) DO NOTHING
      """, [prepared, end.description])
  }

  /// An origin has no room for what is noted beside the position.
  private func makeNotes(on connection: borrowing Connection) throws {
    if origin != nil { try Self.makeTable(on: connection) }
  }

  /// True where the end of a prepared transaction was noted.
  func hasNoted(_ prepared: String, on connection: borrowing Connection) throws -> Bool {
    try makeNotes(on: connection)
    return try connection.query(
      "SELECT EXISTS (SELECT FROM sluice.progress WHERE source = $1)", [prepared]
    ).boolean(0, 0)
  }

  /// The last part that was applied of a snapshot, by the name under which that is kept; 0/0 when none was.
  func part(of name: String, on connection: borrowing Connection) throws -> LSN {
    try makeNotes(on: connection)
    return try position(of: name, on: connection)
  }

  /// Has the open transaction say that a snapshot is applied up to `part`.
  func write(part: LSN, of name: String, on connection: borrowing Connection) throws {
    try set(name, part, on: connection)
  }

  /// Drops what was noted by that name.
  func forget(_ name: String, on connection: borrowing Connection) throws {
    try makeNotes(on: connection)
    _ = try connection.query("DELETE FROM sluice.progress WHERE source = $1", [name])
  }

  /// Has the open transaction say that all up to `position` is applied.
  func write(_ position: LSN, committedAt: String?, on connection: borrowing Connection) throws {
    guard origin == nil else {
      // No progress is kept of a transaction that wrote nothing, as where all was set aside.
      _ = try connection.query(
        """
        SELECT pg_catalog.pg_replication_origin_xact_setup($1, coalesce($2, now()::text)::timestamptz),
          CASE WHEN pg_catalog.pg_current_xact_id_if_assigned() IS NULL
            THEN pg_catalog.pg_logical_emit_message(true, 'sluice', '') END
        """, [position.description, committedAt])
      return
    }
    try set(source, position, on: connection)
  }

  private func set(_ name: String, _ position: LSN, on connection: borrowing Connection) throws {
    _ = try connection.query(
      """
      INSERT INTO sluice.progress (source, lsn, updated_at) VALUES ($1, $2, now())
      ON CONFLICT (source) DO UPDATE SET lsn = excluded.lsn, updated_at = excluded.updated_at
      """, [name, position.description])
  }
}
