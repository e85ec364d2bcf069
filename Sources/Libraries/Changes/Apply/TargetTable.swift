internal import Bytes
internal import Posix
internal import Postgres

/// A table of the target that a table of the source is written to.
struct TargetTable {
  struct Column: Equatable {
    let name: String
    /// The type below all domains and without a length, to which an explicit cast would cut the value;
    /// the assignment checks it.
    let cast: String
    /// GENERATED ALWAYS AS IDENTITY, which takes a value only when a row is inserted.
    var isAlwaysIdentity = false
    /// The server computes it.
    var isGenerated = false
    /// The type has no equality that an index knows; the texts are compared.
    var comparesText = false
    /// In events the value is JSON text.
    var isJSON = false
    /// Of the column's own type; 0 where it was not asked for.
    var typeOID = 0

    /// Nil where only the text of a value can be sent.
    var binaryForm: BinaryForm? { BinaryForm(typeOID: typeOID) }
  }

  /// How the row of an update or a delete is found.
  enum Match: Equatable {
    /// By these columns, whose values name at most one row.
    case key([Int])
    /// By all of these columns, of which there may be several equal rows.
    case row([Int])
    /// It cannot be.
    case nothing
  }

  let sqlName: String
  let columns: [Column]
  let match: Match
  var isPartitioned = false
  /// Triggers fire even for replicated rows, and so see the order of changes.
  var hasAlwaysTriggers = false
  /// An index leads to the key.
  var hasIndex = true

  /// Chooses how rows are found: by the source's key, or by the primary key where whole rows come.
  static func match(_ source: SourceRelation, _ columns: [Column], primaryKey: [Int]) -> Match {
    func places(_ list: [SourceRelation.Column]) -> [Int] {
      list.compactMap { column in columns.firstIndex { $0.name == column.name } }
        .filter { !columns[$0].isGenerated }
    }
    switch source.identity {
    case .nothing: return .nothing
    case .default, .index:
      let key = places(source.columns.filter(\.isKey))
      return key.isEmpty ? .nothing : .key(key)
    case .full:
      let all = places(source.columns)
      if !primaryKey.isEmpty, primaryKey.allSatisfy(all.contains) { return .key(primaryKey) }
      return all.isEmpty ? .nothing : .row(all)
    }
  }
}

extension TargetTable {
  /// Looks the table up.
  ///
  /// Throws a `Failure` (65) that names the table or the column of the source that the target lacks.
  init(_ source: SourceRelation, _ relation: Relation, on connection: borrowing Connection) throws {
    sqlName = relation.sqlName
    isPartitioned = relation.kind == "p"
    let rows = try connection.query(Self.query, [sqlName])
    var (columns, primaryKey): ([Column], [Int]) = ([], [])
    for row in 0..<rows.count {
      let name = rows.text(row, 0)
      if rows.boolean(row, 5) { primaryKey.append(row) }
      columns.append(
        Column(
          name: name, cast: rows.text(row, 1), isAlwaysIdentity: rows.boolean(row, 2),
          isGenerated: rows.boolean(row, 3), comparesText: !rows.boolean(row, 4),
          isJSON: source.columns.first { $0.name == name }?.isJSON ?? false,
          typeOID: rows.integer(row, 6) ?? 0))
    }
    for column in source.columns where !columns.contains(where: { $0.name == column.name }) {
      throw Failure(
        .badInput, "the target's table \(sqlName) has no column \(Quoting.identifier(column.name))")
    }
    self.columns = columns
    match = Self.match(source, columns, primaryKey: primaryKey)
    hasAlwaysTriggers = try connection.query(Self.triggerQuery, [sqlName]).boolean(0, 0)
    if case .key(let key) = match {
      let names = key.map { columns[$0].name }
      hasIndex = try connection.query(Self.indexQuery, [sqlName, Quoting.array(names)]).boolean(
        0, 0)
    }
  }

  /// True if the columns have the names and types with which they were looked up.
  ///
  /// They keep their types until the transaction ends.
  func isUnchanged(on connection: borrowing Connection) throws -> Bool {
    try connection.lockForInsert(sqlName)
    let query = """
      SELECT pg_catalog.string_agg(a.attname || ' ' || a.atttypid, ',' ORDER BY a.attnum)
      FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped
      """
    let now = try connection.query(query, [sqlName]).text(0, 0)
    return now == columns.map { "\($0.name) \($0.typeOID)" }.joined(separator: ",")
  }

  /// An index whose first columns are among the key's.
  private static var indexQuery: String {
    """
    SELECT EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a
      ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
      WHERE i.indrelid = $1::regclass AND i.indisvalid AND i.indpred IS NULL
        AND a.attname = ANY ($2::text[]))
    """
  }

  private static var query: String {
    """
    WITH RECURSIVE base AS (
      SELECT a.attnum, t.oid, t.typtype, t.typbasetype, t.typelem, t.typlen
      FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
      WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped
      UNION ALL
      SELECT b.attnum, t.oid, t.typtype, t.typbasetype, t.typelem, t.typlen FROM base b
      JOIN pg_catalog.pg_type t ON b.typtype = 'd' AND t.oid = b.typbasetype
        OR b.typtype = 'b' AND b.typlen = -1 AND b.typelem <> 0 AND t.oid = b.typelem)
    , domains AS (
      SELECT a.attnum, t.oid, t.typtype, t.typbasetype
      FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
      WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped
      UNION ALL
      SELECT d.attnum, t.oid, t.typtype, t.typbasetype FROM domains d
      JOIN pg_catalog.pg_type t ON d.typtype = 'd' AND t.oid = d.typbasetype)
    SELECT a.attname,
      (SELECT pg_catalog.format_type(d.oid, -1) FROM domains d
        WHERE d.attnum = a.attnum AND d.typtype <> 'd'), a.attidentity = 'a',
      a.attgenerated <> '',
      (SELECT pg_catalog.bool_and(b.typtype IN ('d', 'e', 'r', 'm') OR b.typelem <> 0 AND b.typlen = -1
        OR EXISTS (SELECT FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod
          WHERE m.amname = 'btree' AND o.opcdefault AND (o.opcintype = b.oid
            OR EXISTS (SELECT FROM pg_catalog.pg_cast c WHERE c.castsource = b.oid
              AND c.casttarget = o.opcintype AND c.castmethod = 'b' AND c.castcontext = 'i'))))
        FROM base b WHERE b.attnum = a.attnum),
      coalesce(a.attnum = ANY (i.indkey::int2[]), false), a.atttypid
    FROM pg_catalog.pg_attribute a
    LEFT JOIN pg_catalog.pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
      AND i.indimmediate AND i.indisvalid
    WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
    """
  }

  private static var triggerQuery: String {
    """
    SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger
      WHERE tgrelid = $1::regclass AND NOT tgisinternal AND tgenabled IN ('A', 'R'))
    """
  }
}
