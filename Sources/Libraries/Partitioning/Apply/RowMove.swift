internal import Posix
internal import Postgres

/// The rows of one table that meet a condition, on their way to another.
///
/// A class, because what was moved so far counts however a try ends.
final class RowMove {
  private let source: String
  private let target: String
  private let condition: String
  private let columns: String
  private let session: ApplySession
  private let request: ApplyRequest
  /// Rows moved so far, those of the last try included.
  var count: Int { batches + rest }
  private var batches = 0
  private var rest = 0
  /// Pages of the table that are looked at in one transaction.
  private static var chunkPages: Int { 64 }

  init(
    from source: QualifiedName, to target: QualifiedName, condition: String,
    _ session: ApplySession, _ request: ApplyRequest
  ) throws {
    (self.source, self.target, self.condition) = (source.sql, target.sql, condition)
    (self.session, self.request) = (session, request)
    // What is generated is generated anew.
    let rows = try session.query(
      """
      SELECT a.attname FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = $1::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attgenerated = '' ORDER BY a.attnum
      """, [target.sql])
    columns = (0..<rows.count).map { Quoting.identifier(rows.text($0, 0)) }.joined(separator: ", ")
  }

  /// Moves rows in small transactions until no more are left than one of them could take.
  func thin(_ attempts: inout Attempts) throws {
    let before = batches
    while try isMoreThanABatch() {
      let moved = try pass(&attempts)
      if moved == 0, try isKept() {
        throw ActionResult.refused(
          "rows of \(source) are not deleted, as by a trigger that keeps them")
      }
      // All that are left are locked by others.
      if moved == 0, try !attempts.pause() { throw StallError() }
    }
    // Without the dead rows the table is soon looked through. Where it is not ours to do, it just
    // takes longer.
    if batches > before {
      try? session.runAlone("VACUUM \(source)", lockTimeout: request.lockTimeout)
    }
  }

  /// True where a row that we have locked is not deleted.
  private func isKept() throws -> Bool {
    try session.transaction(lockTimeout: request.lockTimeout) {
      try session.query(
        """
        WITH locked AS (SELECT ctid AS place FROM ONLY \(source) WHERE \(condition) LIMIT 1
            FOR UPDATE SKIP LOCKED),
          moved AS (DELETE FROM ONLY \(source) WHERE ctid = ANY (ARRAY(SELECT place FROM locked))
            RETURNING \(columns)),
          given AS (INSERT INTO \(target) (\(columns)) OVERRIDING SYSTEM VALUE
            SELECT \(columns) FROM moved)
        SELECT (SELECT count(*) FROM locked) > (SELECT count(*) FROM moved)
        """
      ).boolean(0, 0)
    }
  }

  private func isMoreThanABatch() throws -> Bool {
    let limit = request.batchRows
    let rows = try session.query(
      """
      SELECT pg_catalog.count(*) FROM
        (SELECT FROM ONLY \(source) WHERE \(condition) LIMIT \(limit + 1)) AS r
      """)
    return (rows.integer(0, 0) ?? 0) > limit
  }

  /// Goes through the table once, from its first page to the one that is its last now.
  private func pass(_ attempts: inout Attempts) throws -> Int {
    let pages =
      try session.query(
        """
        SELECT pg_catalog.pg_relation_size($1::pg_catalog.regclass)
          / pg_catalog.current_setting('block_size')::bigint
        """, [source]
      ).integer(0, 0) ?? 0
    var total = 0
    for start in stride(from: 0, to: pages, by: Self.chunkPages) {
      var moved = request.batchRows
      while moved >= request.batchRows {
        moved = try attempts.run { try batch(start, start + Self.chunkPages) }
        total += moved
        batches += moved
        if moved > 0 { attempts.restart() }
      }
    }
    return total
  }

  /// Moves rows of some pages; those that others have locked are passed over.
  private func batch(_ first: Int, _ end: Int) throws -> Int {
    try session.transaction(lockTimeout: request.lockTimeout) {
      try session.query(
        """
        WITH moved AS (DELETE FROM ONLY \(source) WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM ONLY \(source)
            WHERE ctid >= '(\(first),0)' AND ctid < '(\(end),0)' AND (\(condition))
            LIMIT \(request.batchRows) FOR UPDATE SKIP LOCKED)) RETURNING \(columns))
        INSERT INTO \(target) (\(columns)) OVERRIDING SYSTEM VALUE SELECT \(columns) FROM moved
        """
      ).affected ?? 0
    }
  }

  /// Moves all that is left; the table is locked.
  func moveRest(_ stall: Stall) throws { try moveRest(to: target, stall) }

  /// A table of this transaction that holds rows until they can go to their own.
  func makeHold() throws {
    try session.run("CREATE TEMP TABLE sluice_hold (LIKE \(target)) ON COMMIT DROP")
  }

  func takeRest(_ stall: Stall) throws { try moveRest(to: "pg_temp.sluice_hold", stall) }

  func giveRest(_ stall: Stall) throws {
    try stall.run(
      """
      INSERT INTO \(target) (\(columns)) OVERRIDING SYSTEM VALUE
      SELECT \(columns) FROM pg_temp.sluice_hold
      """)
  }

  private func moveRest(to target: String, _ stall: Stall) throws {
    rest = try stall.run(
      """
      WITH moved AS (DELETE FROM ONLY \(source) WHERE \(condition) RETURNING \(columns))
      INSERT INTO \(target) (\(columns)) OVERRIDING SYSTEM VALUE SELECT \(columns) FROM moved
      """)
  }
}
