internal import Bytes
internal import JSON
internal import Posix
internal import Postgres

/// A table of a publication, as its changes are sent.
struct PublishedTable: Sendable {
  let schema: String
  let name: String
  let columns: [Column]
  /// A condition that rows must meet; nil for all.
  let filter: String?
  /// Names of the identity's columns.
  let key: Set<String>
  let identity: ReplicaIdentity
  /// The tables that hold its rows: itself, or the partitions below it.
  let leaves: [Relation]

  /// All tables of the publications, in order of their names.
  ///
  /// Throws a `Failure` (78) for a publication that does not exist.
  static func list(
    of publications: [String], on connection: borrowing Connection
  ) throws -> [PublishedTable] {
    try check(publications, on: connection)
    let rows = try connection.query(query(connection.serverVersion), [Quoting.array(publications)])
    var tables: [PublishedTable] = []
    for row in 0..<rows.count {
      tables.append(try PublishedTable(rows, row, on: connection))
    }
    return tables
  }

  private static func check(
    _ publications: [String], on connection: borrowing Connection
  ) throws {
    let rows = try connection.query(
      """
      SELECT name FROM pg_catalog.unnest($1::text[]) AS name
      WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = name)
      """, [Quoting.array(publications)])
    guard rows.count == 0 else {
      throw Failure(
        .configuration, "there is no publication \(Quoting.identifier(rows.text(0, 0)))",
        hint: "Make it before the slot: CREATE PUBLICATION … FOR TABLE ….")
    }
  }

  /// A row that one of several publications lets through is let through.
  ///
  /// Before 15 none has a filter or a list of columns.
  private static func query(_ version: Int) -> String {
    let (columns, filter, isTorn) =
      version >= 150_000
      ? (
        "pg_catalog.to_json((pg_catalog.array_agg(to_jsonb(p.attnames)))[1])",
        """
        CASE WHEN pg_catalog.bool_and(p.rowfilter IS NOT NULL)
          THEN pg_catalog.string_agg(DISTINCT '(' || p.rowfilter || ')', ' OR ') END
        """, "pg_catalog.count(DISTINCT p.attnames::text) > 1"
      ) : ("NULL", "NULL", "false")
    return """
      SELECT p.schemaname, p.tablename, \(filter), c.relreplident, c.relkind,
        pg_catalog.json_build_object('columns', \(columns), 'key',
          (SELECT pg_catalog.json_agg(a.attname) FROM pg_catalog.pg_index x
           JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = ANY (x.indkey)
           WHERE x.indrelid = c.oid AND CASE c.relreplident
             WHEN 'd' THEN x.indisprimary WHEN 'i' THEN x.indisreplident END)),
        \(isTorn)
      FROM pg_catalog.pg_publication_tables p
      JOIN pg_catalog.pg_namespace n ON n.nspname = p.schemaname
      JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
      WHERE p.pubname = ANY ($1::text[]) AND NOT (\(isBelowRoot(version)))
      GROUP BY p.schemaname, p.tablename, c.oid, c.relreplident, c.relkind ORDER BY 1, 2
      """
  }

  /// A table above `c` that is published with all below it: the stream has these rows as that table's.
  private static func isBelowRoot(_ version: Int) -> String {
    guard version >= 130_000 else { return "false" }
    return """
      c.relispartition
      AND EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubviaroot AND pubname = ANY ($1::text[]))
      AND EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(c.oid) a
        JOIN pg_catalog.pg_class r ON r.oid = a.relid AND r.oid <> c.oid
        JOIN pg_catalog.pg_namespace s ON s.oid = r.relnamespace
        JOIN pg_catalog.pg_publication_tables q ON q.schemaname = s.nspname
          AND q.tablename = r.relname AND q.pubname = ANY ($1::text[])
        JOIN pg_catalog.pg_publication u ON u.pubname = q.pubname AND u.pubviaroot)
      """
  }

  private init(
    _ rows: borrowing Rows, _ row: Int, on connection: borrowing Connection
  ) throws {
    (schema, name) = (rows.text(row, 0), rows.text(row, 1))
    guard !rows.boolean(row, 6) else {
      throw Failure(
        .configuration,
        "the publications have different columns of \(Quoting.qualified(schema, name))",
        hint: "The server sends such a table to nobody: give it the same list in each of them.")
    }
    let relation = try Relation(schema: schema, name: name, on: connection)
    let lists = try Record(parsing: rows.text(row, 5))
    let published = lists["columns"]?.array?.compactMap(\.string)
    columns = relation.columns.filter { column in
      !column.isGenerated && (published?.contains(column.name) ?? true)
    }
    filter = rows.string(row, 2)
    identity = ReplicaIdentity(rawValue: rows.text(row, 3).utf8.first ?? 0) ?? .default
    let key = lists["key"]?.array?.compactMap(\.string) ?? []
    self.key = Set(identity == .full ? columns.map(\.name) : key)
    leaves =
      rows.text(row, 4) == "p" ? try Self.partitions(of: relation, on: connection) : [relation]
  }

  private static func partitions(
    of relation: Relation, on connection: borrowing Connection
  ) throws -> [Relation] {
    let rows = try connection.query(
      """
      SELECT n.nspname, c.relname FROM pg_catalog.pg_partition_tree($1::regclass) t
      JOIN pg_catalog.pg_class c ON c.oid = t.relid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE t.isleaf ORDER BY 1, 2
      """, [relation.sqlName])
    return try (0..<rows.count).map { row in
      try Relation(schema: rows.text(row, 0), name: rows.text(row, 1), on: connection)
    }
  }

  /// True where its updates and deletes name a key, by which a target can have each row once.
  var isKeyed: Bool {
    (identity == .default || identity == .index) && !key.isEmpty
      && leaves.allSatisfy { $0.kind == "r" }
  }

  /// What of its rows is sent, and what tells them apart, as a text that changes where that does.
  var facts: String {
    let columns = columns.map { ($0.name, key.contains($0.name)) }.sorted { $0.0 < $1.0 }
    let names = columns.map { "\(Quoting.identifier($0.0))\($0.1 ? " key" : "")" }
    return "(\(names.joined(separator: ", ")))\(filter.map { " where \($0)" } ?? "")"
  }

  /// How the rows of one leaf are read; those that meet `condition` too, where there is one.
  func extraction(
    of leaf: Relation, quoteNumbers: Bool, condition: String? = nil
  ) -> Extraction {
    // A partition may have its columns in another order, or computed otherwise, but not by other names.
    let columns = leaf.columns.filter { column in
      self.columns.contains { $0.name == column.name }
    }
    var plan = ExtractPlan(textOf: leaf, columns: columns)
    let conditions = [filter.map { "(\($0)\n)" }, condition].compactMap { $0 }
    plan.filter = conditions.isEmpty ? nil : conditions.joined(separator: " AND ")
    var head = ByteBuffer()
    head.append(#"{"type":"read","schema":"#)
    JSONText.appendString(schema, to: &head)
    head.append(#","table":"#)
    JSONText.appendString(name, to: &head)
    head.append(#","new":"#)
    return Extraction(
      plan, quoteNumbers: quoteNumbers, head: [UInt8](copying: head.span),
      tail: [UInt8(ascii: "}")])
  }
}
