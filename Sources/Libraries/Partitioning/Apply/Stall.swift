internal import Posix
internal import Postgres

/// The time within a transaction in which others may have to wait for us.
///
/// It begins with the first lock that is asked for. From then on each lock may take only what is
/// left of `--lock-timeout`, and all of it together not much more: who comes meanwhile waits that
/// long at most.
struct Stall {
  private let session: ApplySession
  /// Milliseconds; 0 is no limit.
  private let lockTimeout: Int
  private let start = Clock.monotonic()
  /// What the work under the locks may take beyond the time for the locks, in milliseconds.
  private static var workMilliseconds: Int { 30 }

  init(_ session: ApplySession, lockTimeout: Int) {
    (self.session, self.lockTimeout) = (session, lockTimeout)
  }

  /// Runs a statement within what is left, and returns how many rows it changed.
  ///
  /// Throws a `StallError` where nothing is left.
  @discardableResult
  func run(_ sql: String) throws -> Int {
    if let limits = try limits() { try session.connection.execute(limits) }
    return try session.query(sql).affected ?? 0
  }

  /// Locks a table within what is left, in one round trip.
  func lock(_ table: String, _ mode: String) throws {
    try session.connection.execute("\(try limits() ?? "") LOCK TABLE \(table) IN \(mode) MODE")
  }

  private func limits() throws -> String? {
    guard lockTimeout > 0 else { return nil }
    let elapsed = Int((Clock.monotonic() - start) / 1_000_000)
    let left = lockTimeout + Self.workMilliseconds - elapsed
    guard left > 0 else { throw StallError() }
    return """
      SET LOCAL lock_timeout = \(max(1, lockTimeout - elapsed));
      SET LOCAL statement_timeout = \(left);
      """
  }
}
