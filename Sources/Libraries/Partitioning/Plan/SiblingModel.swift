internal import JSON
internal import Posix
internal import Postgres

/// What a new partition has that PostgreSQL does not copy: how its newest sibling is stored and who
/// may use it.
struct SiblingModel: Sendable {
  struct Grant: Equatable, Sendable {
    /// Nil is PUBLIC.
    let role: String?
    let privileges: [String]
    let isGrantable: Bool
  }

  let owner: String
  let isUnlogged: Bool
  let tablespace: String?
  /// Nil for the one that every server has.
  let accessMethod: String?
  /// `fillfactor=70` and the like; those of out-of-line values begin with `toast.`.
  let storage: [(name: String, value: String)]
  let grants: [Grant]
  /// `d` default, `n` nothing, `f` full, `i` an index.
  let replicaIdentity: String
  /// Of the index that is the replica identity.
  let identityColumns: [String]
  let publications: [String]
  /// Publications that take only some of its rows or columns.
  let filteredPublications: [String]

  /// The models of relations by their OIDs.
  static func read(
    _ oids: [String], on connection: borrowing Connection
  ) throws -> [String: SiblingModel] {
    let rows = try connection.query(query, [Quoting.array(oids)])
    var models: [String: SiblingModel] = [:]
    for row in 0..<rows.count {
      models[rows.text(row, 0)] = SiblingModel(
        owner: rows.text(row, 1), isUnlogged: rows.text(row, 2) == "u",
        tablespace: rows.string(row, 3), accessMethod: rows.string(row, 4),
        storage: strings(rows.string(row, 5)).map(option), grants: grants(rows.string(row, 6)),
        replicaIdentity: rows.text(row, 7), identityColumns: strings(rows.string(row, 8)),
        publications: strings(rows.string(row, 9)),
        filteredPublications: strings(rows.string(row, 10)))
    }
    return models
  }

  private static func strings(_ json: String?) -> [String] {
    let list = json.flatMap { try? JSONValue(parsing: $0.utf8.span).array } ?? []
    return list.compactMap(\.string)
  }

  private static func option(_ text: String) -> (name: String, value: String) {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
  }

  private static func grants(_ json: String?) -> [Grant] {
    let list = json.flatMap { try? JSONValue(parsing: $0.utf8.span).array } ?? []
    return list.map { item in
      Grant(
        role: item["role"]?.string,
        privileges: (item["privileges"]?.array ?? []).compactMap(\.string),
        isGrantable: item["grantable"]?.boolean ?? false)
    }
  }

  private static var query: String {
    """
    SELECT c.oid, pg_catalog.pg_get_userbyid(c.relowner), c.relpersistence, s.spcname,
      (SELECT a.amname FROM pg_catalog.pg_am a WHERE a.oid = c.relam AND a.amname <> 'heap'),
      (SELECT pg_catalog.json_agg(o)::text FROM (
        SELECT pg_catalog.unnest(c.reloptions) AS o
        UNION ALL SELECT 'toast.' || pg_catalog.unnest(t.reloptions)
          FROM pg_catalog.pg_class t WHERE t.oid = c.reltoastrelid) AS u),
      (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('role', g.role,
          'privileges', g.privileges, 'grantable', g.is_grantable))::text
        FROM (SELECT CASE WHEN a.grantee <> 0 THEN pg_catalog.pg_get_userbyid(a.grantee) END
              AS role, a.is_grantable,
            pg_catalog.json_agg(a.privilege_type ORDER BY a.privilege_type) AS privileges
          FROM pg_catalog.aclexplode(c.relacl) AS a WHERE a.grantee <> c.relowner
          GROUP BY 1, 2 ORDER BY 1, 2) AS g),
      c.relreplident,
      (SELECT pg_catalog.json_agg(a.attname ORDER BY k.o)::text FROM pg_catalog.pg_index i,
          pg_catalog.unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (n, o)
        JOIN pg_catalog.pg_attribute a ON a.attnum = k.n
        WHERE i.indrelid = c.oid AND i.indisreplident AND a.attrelid = c.oid
          AND k.o <= i.indnkeyatts),
      \(publications("IS NULL")), \(publications("IS NOT NULL"))
    FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = c.reltablespace
    WHERE c.oid = ANY ($1::oid[])
    """
  }

  /// Before version 15 a publication took whole tables only, and had no such columns.
  private static func publications(_ filter: String) -> String {
    """
    (SELECT pg_catalog.json_agg(p.pubname ORDER BY p.pubname)::text
      FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
      WHERE r.prrelid = c.oid AND coalesce(pg_catalog.to_jsonb(r) ->> 'prqual',
        pg_catalog.to_jsonb(r) ->> 'prattrs') \(filter))
    """
  }
}
