internal import Postgres

/// What the server knows of a relation without reading it.
struct PhysicalFacts: Sendable {
  /// Of the table with its out-of-line values, without indexes.
  let bytes: Int
  /// Rows at the last VACUUM or ANALYZE; nil when there was none.
  let rowsEstimate: Int?
  /// Changes whenever rows may have changed; see `query`.
  let fingerprint: String

  /// The facts of the relations that `partitions` lie in, by OID.
  ///
  /// A window over a partitioned table has the facts of all its partitions together.
  static func read(
    of partitions: [Partition], on connection: borrowing Connection
  ) throws -> [String: PhysicalFacts] {
    let oids = Array(Set(partitions.map(\.leaf.oid)))
    let rows = try connection.query(query, [Quoting.array(oids)])
    return Dictionary(
      uniqueKeysWithValues: (0..<rows.count).map { row in
        (
          rows.text(row, 0),
          PhysicalFacts(
            bytes: rows.integer(row, 1) ?? 0, rowsEstimate: rows.integer(row, 2),
            fingerprint: rows.text(row, 3))
        )
      })
  }

  /// The fingerprint of one relation, by its OID, as it is now; nil when it is gone.
  static func fingerprint(of oid: String, on connection: borrowing Connection) throws -> String? {
    let rows = try connection.query(query, [Quoting.array([oid])])
    return rows.count > 0 ? rows.string(0, 3) : nil
  }

  /// The fingerprint is made of the file node (TRUNCATE, rewrites), the size, the counters of rows
  /// inserted, updated and deleted, and the columns.
  ///
  /// The counters start anew after a crash or a reset of the statistics, so the moments of the
  /// last resets are part of it: every partition then counts as changed, and is read again. Where
  /// there are no counters (a standby, `track_counts` off, a foreign table), the position in the
  /// WAL, or the time, stands in for them, and every run reads.
  private static var query: String {
    """
    WITH RECURSIVE tree AS (
      SELECT o AS root, o AS oid FROM pg_catalog.unnest($1::oid[]) AS o
      UNION ALL
      SELECT t.root, i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid),
    epoch AS (
      SELECT pg_catalog.concat_ws(',', pg_catalog.pg_stat_get_db_stat_reset_time(d.oid),
          pg_catalog.pg_stat_get_bgwriter_stat_reset_time()) AS resets,
        CASE WHEN pg_catalog.pg_is_in_recovery()
            THEN pg_catalog.pg_last_wal_replay_lsn()
          WHEN NOT pg_catalog.current_setting('track_counts')::boolean
            THEN pg_catalog.pg_current_wal_insert_lsn() END AS uncounted
      FROM pg_catalog.pg_database d
      WHERE d.datname = pg_catalog.current_database())
    SELECT t.root, pg_catalog.sum(pg_catalog.pg_table_size(c.oid))::bigint,
      CASE WHEN pg_catalog.min(c.reltuples) >= 0
        THEN pg_catalog.sum(c.reltuples)::bigint END,
      pg_catalog.md5(pg_catalog.string_agg(pg_catalog.concat_ws('/',
        c.oid, pg_catalog.pg_relation_filenode(c.oid), pg_catalog.pg_relation_size(c.oid),
        pg_catalog.pg_stat_get_tuples_inserted(c.oid),
        pg_catalog.pg_stat_get_tuples_updated(c.oid),
        pg_catalog.pg_stat_get_tuples_deleted(c.oid), e.resets, e.uncounted,
        CASE WHEN c.relkind NOT IN ('r', 'm', 'p') THEN pg_catalog.clock_timestamp() END,
        (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', a.attnum, a.attname, a.atttypid,
            a.atttypmod), ',' ORDER BY a.attnum)
          FROM pg_catalog.pg_attribute a
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)),
        ';' ORDER BY c.oid))
    FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.oid, epoch e
    GROUP BY t.root
    """
  }
}
