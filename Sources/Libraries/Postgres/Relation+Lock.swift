internal import Posix

extension Relation {
  /// Keeps others from rewriting it until the transaction ends, and sees that nobody did.
  ///
  /// To a snapshot that is older than a TRUNCATE or a rewrite a table looks empty, because its rows
  /// went with its old file. The file that the snapshot's catalog names must be the present one.
  /// Throws a `Failure` (75): with a snapshot of its own the next attempt succeeds.
  public func holdStill(on connection: borrowing Connection) throws {
    guard kind == "r" || kind == "p" else { return }
    try connection.execute("LOCK TABLE \(sqlName) IN ACCESS SHARE MODE")
    let rows = try connection.query(
      """
      WITH RECURSIVE tree AS (
        SELECT $1::pg_catalog.regclass::oid AS oid
        UNION ALL
        SELECT i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid)
      SELECT pg_catalog.count(*) FROM tree t LEFT JOIN pg_catalog.pg_class c ON c.oid = t.oid
      WHERE c.oid IS NULL
        OR c.relfilenode <> 0 AND c.relfilenode <> pg_catalog.pg_relation_filenode(c.oid)
      """, [sqlName])
    guard rows.integer(0, 0) == 0 else {
      throw Failure(
        .temporary, "\(sqlName) was truncated or rewritten after the snapshot was taken",
        hint: "Run it again, with a newer snapshot.")
    }
  }
}
