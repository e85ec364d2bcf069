internal import Posix
internal import Postgres

/// A lock that a session of a server has until it ends.
enum SessionLock {
  private static var attempts: Int { 20 }
  private static var pauseMilliseconds: Int64 { 100 }

  /// Takes the lock of that name; false where another session has it.
  ///
  /// The server notices a moment late that a killed process is gone: hence the patience.
  static func take(_ name: String, on connection: borrowing Connection) throws -> Bool {
    let statement =
      "SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended('sluice ' || $1, 0))"
    for attempt in 1...attempts {
      if try connection.query(statement, [name]).boolean(0, 0) { return true }
      if attempt < attempts { try Clock.sleep(milliseconds: pauseMilliseconds) }
    }
    return false
  }
}
