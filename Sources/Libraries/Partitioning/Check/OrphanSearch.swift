internal import Postgres

/// Tables that look like partitions of a table and are none.
enum OrphanSearch {
  struct Orphan: Sendable {
    let schema: String
    let name: String
    /// True where a mark of ours is left on it, so that it was a partition, or was to be one.
    let isMarked: Bool
    /// True where its mark says that something with rows of this table was begun and not ended.
    let isUnfinished: Bool
  }

  /// The orphans of each of `roots`, which are OIDs.
  ///
  /// A table counts that lies in a schema of the table or of its partitions, has the same columns, and either a name
  /// that goes on from the table's with a number, or our constraint or comment.
  static func orphans(
    of roots: [String], on connection: borrowing Connection
  ) throws -> [String: [Orphan]] {
    if roots.isEmpty { return [:] }
    let rows = try connection.query(query, [Quoting.array(roots)])
    var found: [String: [Orphan]] = [:]
    for row in 0..<rows.count {
      found[rows.text(row, 0), default: []].append(
        Orphan(
          schema: rows.text(row, 1), name: rows.text(row, 2), isMarked: rows.boolean(row, 3),
          isUnfinished: rows.boolean(row, 4)))
    }
    return found
  }

  private static func columns(of oid: String) -> String {
    """
    (SELECT pg_catalog.array_agg(a.attname || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod)
        ORDER BY a.attname)
      FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = \(oid) AND a.attnum > 0 AND NOT a.attisdropped)
    """
  }

  private static var query: String {
    """
    WITH RECURSIVE tree AS (
      SELECT o AS root, o AS oid FROM pg_catalog.unnest($1::oid[]) AS o
      UNION ALL
      SELECT t.root, i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid),
    place AS (
      SELECT DISTINCT t.root, r.relname, c.relnamespace
      FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.oid
      JOIN pg_catalog.pg_class r ON r.oid = t.root),
    candidate AS (
      SELECT p.root, c.oid, c.relname, c.relnamespace,
        EXISTS (SELECT FROM pg_catalog.pg_constraint k
          WHERE k.conrelid = c.oid AND k.conname = 'sluice_bound')
        OR coalesce(pg_catalog.obj_description(c.oid, 'pg_class') LIKE 'sluice%', false) AS marked,
        pg_catalog.starts_with(c.relname, p.relname || '_')
          AND pg_catalog.substr(c.relname, pg_catalog.length(p.relname) + 1) ~ '^_p?[0-9][0-9_]*$'
          AS named,
        coalesce(pg_catalog.obj_description(c.oid, 'pg_class')
          ~ ('^sluice: .* (from|of) ' || p.root || ' '), false) AS unfinished
      FROM place p JOIN pg_catalog.pg_class c ON c.relnamespace = p.relnamespace
      WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND NOT EXISTS (SELECT FROM tree t WHERE t.oid = c.oid)
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid))
    SELECT c.root, s.nspname, c.relname, c.marked, c.unfinished
    FROM candidate c JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
    WHERE (c.marked OR c.named) AND \(columns(of: "c.oid")) = \(columns(of: "c.root"))
    ORDER BY s.nspname COLLATE "C", c.relname COLLATE "C"
    """
  }
}
