internal import Posix
internal import Postgres

/// What a relation has beside its rows and columns, to be held against its siblings.
struct SiblingFacts: Sendable {
  let oid: String
  let parent: String?
  let schema: String
  let name: String
  let isLeaf: Bool
  /// Each aspect as text; equal where the aspect is.
  let aspects: [(name: String, value: String)]
  let invalidIndexes: [String]
  /// Foreign keys of other tables that point at it, as `name of table`.
  let foreignKeys: [String]

  /// The aspects in which it differs from `other`, and both values.
  func differences(from other: SiblingFacts) -> [(name: String, own: String, other: String)] {
    zip(aspects, other.aspects).compactMap { own, other in
      own.value == other.value ? nil : (own.name, own.value, other.value)
    }
  }

  /// The facts of all relations at and below `roots`, which are OIDs; by the root.
  static func read(
    below roots: [String], on connection: borrowing Connection
  ) throws -> [String: [SiblingFacts]] {
    if roots.isEmpty { return [:] }
    let rows = try connection.query(query, [Quoting.array(roots)])
    var found: [String: [SiblingFacts]] = [:]
    for row in 0..<rows.count {
      let names = ["owner", "privileges", "storage", "replica identity", "publications", "indexes"]
      let facts = SiblingFacts(
        oid: rows.text(row, 1), parent: rows.string(row, 2), schema: rows.text(row, 3),
        name: rows.text(row, 4), isLeaf: rows.boolean(row, 5),
        aspects: names.enumerated().map { ($1, rows.text(row, 6 + $0)) },
        invalidIndexes: lines(rows.string(row, 12)), foreignKeys: lines(rows.string(row, 13)))
      found[rows.text(row, 0), default: []].append(facts)
    }
    return found
  }

  private static func lines(_ text: String?) -> [String] {
    text?.split(separator: "\n").map(String.init) ?? []
  }

  /// An index is told by what it is made of, not by its name.
  ///
  /// Line feeds separate what is listed.
  private static var query: String {
    """
    WITH RECURSIVE tree AS (
      SELECT o AS root, o AS oid, NULL::oid AS parent FROM pg_catalog.unnest($1::oid[]) AS o
      UNION ALL
      SELECT t.root, i.inhrelid, i.inhparent FROM tree t
      JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid),
    key AS (
      SELECT x.indrelid, n.relname, x.indisvalid AND x.indisready AS is_valid, x.indisreplident,
        CASE WHEN x.indisunique THEN 'unique ' ELSE '' END || a.amname || ' ('
          || (SELECT pg_catalog.string_agg(pg_catalog.pg_get_indexdef(x.indexrelid, k::int, true),
              ', ' ORDER BY k) FROM pg_catalog.generate_series(1, x.indnatts) AS k) || ')'
          || coalesce(' where ' || pg_catalog.pg_get_expr(x.indpred, x.indrelid), '') AS made_of
      FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class n ON n.oid = x.indexrelid
      JOIN pg_catalog.pg_am a ON a.oid = n.relam
      WHERE x.indrelid IN (SELECT t.oid FROM tree t)),
    keys AS (
      SELECT indrelid, pg_catalog.string_agg(made_of, '; ' ORDER BY made_of COLLATE "C") AS made_of,
        pg_catalog.string_agg(made_of, '') FILTER (WHERE indisreplident) AS identity,
        pg_catalog.string_agg(relname, E'\\n' ORDER BY relname COLLATE "C")
          FILTER (WHERE NOT is_valid) AS invalid
      FROM key GROUP BY indrelid),
    pointers AS (
      SELECT f.confrelid, pg_catalog.string_agg(
          pg_catalog.format('%I of %s', f.conname, f.conrelid::pg_catalog.regclass), E'\\n'
          ORDER BY f.conname COLLATE "C") AS names
      FROM pg_catalog.pg_constraint f WHERE f.contype = 'f' AND f.conparentid = 0
      GROUP BY f.confrelid),
    published AS (
      SELECT r.prrelid, pg_catalog.string_agg(b.pubname, ', ' ORDER BY b.pubname COLLATE "C") AS names
      FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication b ON b.oid = r.prpubid
      GROUP BY r.prrelid)
    SELECT t.root, t.oid, t.parent, s.nspname, c.relname, c.relkind <> 'p',
      pg_catalog.pg_get_userbyid(c.relowner),
      (SELECT pg_catalog.string_agg(a::text, ', ' ORDER BY a::text COLLATE "C")
        FROM pg_catalog.unnest(coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))) AS a),
      pg_catalog.concat_ws(', ', m.amname, p.spcname,
        CASE c.relpersistence WHEN 'u' THEN 'unlogged' END,
        CASE WHEN c.reloptions IS NOT NULL THEN
          (SELECT pg_catalog.string_agg(o, ', ' ORDER BY o COLLATE "C")
            FROM pg_catalog.unnest(c.reloptions) AS o) END),
      c.relreplident::text || CASE WHEN c.relreplident = 'i' THEN coalesce(': ' || k.identity, '')
        ELSE '' END,
      u.names, k.made_of, k.invalid, f.names
    FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.oid
    JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
    LEFT JOIN keys k ON k.indrelid = c.oid
    LEFT JOIN pointers f ON f.confrelid = c.oid
    LEFT JOIN published u ON u.prrelid = c.oid
    LEFT JOIN pg_catalog.pg_am m ON m.oid = c.relam
    LEFT JOIN pg_catalog.pg_tablespace p ON p.oid = c.reltablespace
    ORDER BY s.nspname COLLATE "C", c.relname COLLATE "C"
    """
  }
}
