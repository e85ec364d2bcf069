internal import Posix

extension Relation {
  /// Keeps others from rewriting it until the transaction ends, and sees that nobody did.
  ///
  /// To a snapshot that is older than a TRUNCATE or a rewrite a table looks empty, because its rows
  /// went with its old file: the file that the snapshot's catalog names must be the present one.
  /// Partitions are read as they are attached now, without one whose detach is pending: they must be those that the
  /// snapshot's catalog has.
  /// Throws a `Failure` (75): with a snapshot of its own the next attempt succeeds.
  public func holdStill(on connection: borrowing Connection) throws {
    guard "rpm".contains(kind) else { return }
    // Takes a reader's locks, for which the right to read one column is enough.
    try connection.execute("SELECT FROM \(sqlName) LIMIT 0")
    let rows = try connection.query(
      """
      WITH RECURSIVE tree AS (
        SELECT $1::pg_catalog.regclass::oid AS oid
        UNION ALL
        SELECT i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid
        -- Servers before 14 have no such column.
        WHERE pg_catalog.to_jsonb(i) ->> 'inhdetachpending' IS DISTINCT FROM 'true'),
      attached AS (
        SELECT relid::oid AS oid FROM pg_catalog.pg_partition_tree($1::pg_catalog.regclass))
      SELECT EXISTS (
          SELECT FROM tree t LEFT JOIN pg_catalog.pg_class c ON c.oid = t.oid WHERE c.oid IS NULL
          OR c.relfilenode <> 0 AND c.relfilenode <> pg_catalog.pg_relation_filenode(c.oid)),
        $2::boolean AND EXISTS (
          (TABLE tree EXCEPT TABLE attached) UNION ALL (TABLE attached EXCEPT TABLE tree))
      """, [sqlName, kind == "p" ? "t" : "f"])
    let change =
      rows.boolean(0, 0)
      ? "\(sqlName) was truncated or rewritten"
      : rows.boolean(0, 1) ? "partitions of \(sqlName) were attached or detached" : nil
    guard let change else { return }
    throw Failure(
      .temporary, "\(change) after the snapshot was taken",
      hint: "Run it again, with a newer snapshot.")
  }
}

extension Connection {
  /// Keeps the columns of a table as they are until the transaction ends: what is looked up afterwards stays true.
  ///
  /// `table` is its name as SQL writes it. A statement that is only parsed takes the lock of an insert; it evaluates no
  /// default, and needs no privilege. The transaction must be READ COMMITTED, to see what was changed before the lock.
  public borrowing func lockForInsert(_ table: String) throws {
    try execute(
      "PREPARE sluice_lock AS INSERT INTO \(table) DEFAULT VALUES; DEALLOCATE sluice_lock")
  }
}
