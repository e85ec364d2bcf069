internal import JSON
internal import Posix
internal import Postgres

/// One relation of a partitioned table's tree, as a plan looks at it.
struct CatalogNode: Sendable {
  let oid: String
  /// Nil for the table itself.
  let parent: String?
  let schema: String
  let name: String
  /// `p` partitioned, `r` table, `f` foreign table.
  let kind: String
  /// As `pg_get_expr` prints it; nil for the table itself.
  let boundText: String?
  /// Nil for the table itself, and for a bound that was not understood.
  let bound: PartitionBound?
  /// True where a DETACH CONCURRENTLY was cut off.
  let isDetachPending: Bool
  /// True for what was detached to be retired further, which was not done; the bound is the one that it had.
  var isOrphan = false
  /// `r` range, `l` list, `h` hash; nil where it is not partitioned.
  var strategy: String?
  /// Names and types of the key's columns; '' stands for an expression.
  var key: [(name: String, type: String)] = []

  var sqlName: String { Quoting.qualified(schema, name) }
  var isDefault: Bool { bound == .default }
}

/// A partitioned table with all that lies below it.
struct CatalogTable: Sendable {
  let root: CatalogNode
  /// Of the root, in their order.
  var columns: [(name: String, type: String)]
  /// What was detached from the root and is still to be retired.
  let orphans: [CatalogNode]
  private var below: [String: [CatalogNode]]

  init(
    root: CatalogNode, columns: [(name: String, type: String)], nodes: [CatalogNode]
  ) {
    (self.root, self.columns) = (root, columns)
    orphans = nodes.filter(\.isOrphan)
    below = Dictionary(grouping: nodes.filter { !$0.isOrphan }) { $0.parent ?? "" }
  }

  func children(of node: CatalogNode) -> [CatalogNode] { below[node.oid] ?? [] }

  /// The default partition directly below; nil where there is none.
  func defaultPartition(of node: CatalogNode) -> CatalogNode? {
    children(of: node).first(where: \.isDefault)
  }

  /// The relations with rows of their own at or below `node`, each with the one directly above it.
  func leaves(
    of node: CatalogNode, below parent: CatalogNode
  ) -> [(parent: CatalogNode, leaf: CatalogNode)] {
    if node.kind != "p" { return [(parent, node)] }
    return children(of: node).flatMap { leaves(of: $0, below: node) }
  }

  /// The first relation with rows of its own at or below `node`; nil where there is none.
  func firstLeaf(of node: CatalogNode) -> CatalogNode? {
    if node.kind != "p" { return node }
    for child in children(of: node) {
      if let leaf = firstLeaf(of: child) { return leaf }
    }
    return nil
  }
}

/// What one query tells of the server and of all tables of the policies.
struct PlanCatalog: Sendable {
  let isInRecovery: Bool
  /// Microseconds since 1970.
  let now: Int64
  /// 150004 is 15.4.
  let serverVersion: Int
  /// In the order of the names that were asked for; nil where there is no such table.
  let tables: [CatalogTable?]

  init(_ names: [TableName], on connection: borrowing Connection) throws {
    let rows = try connection.query(
      Self.query, [Quoting.array(names.map(\.schema)), Quoting.array(names.map(\.name))])
    guard rows.count > 0 else { throw Failure(.bug, "the catalog said nothing") }
    isInRecovery = rows.boolean(0, 6)
    now = Int64(rows.text(0, 0)) ?? 0
    serverVersion = rows.integer(0, 7) ?? 0
    var found = [[CatalogNode]](repeating: [], count: names.count)
    var columns = [[(name: String, type: String)]](repeating: [], count: names.count)
    for row in 1..<max(1, rows.count) {
      guard let index = rows.integer(row, 7) else { continue }
      let node = Self.node(rows, row)
      if node.parent == nil { columns[index - 1] = Self.columns(rows.string(row, 9)) }
      found[index - 1].append(node)
    }
    tables = zip(found, columns).map { nodes, columns in
      nodes.first.map { CatalogTable(root: $0, columns: columns, nodes: Array(nodes.dropFirst())) }
    }
  }

  private static func node(_ rows: borrowing Rows, _ row: Int) -> CatalogNode {
    let text = rows.string(row, 5)
    var node = CatalogNode(
      oid: rows.text(row, 0), parent: rows.string(row, 1), schema: rows.text(row, 2),
      name: rows.text(row, 3), kind: rows.text(row, 4), boundText: text,
      bound: text.flatMap { try? PartitionBound(parsing: $0) },
      isDetachPending: rows.boolean(row, 6))
    node.isOrphan = rows.boolean(row, 10)
    if let key = rows.string(row, 8) {
      let columns = Self.columns(key)
      node.strategy = columns.first?.name
      node.key = Array(columns.dropFirst())
    }
    return node
  }

  /// Reads `[["name", "type"], …]`.
  private static func columns(_ json: String?) -> [(name: String, type: String)] {
    guard let json, let list = try? JSONValue(parsing: json.utf8.span).array else { return [] }
    return list.map { pair in
      (pair.array?.first?.string ?? "", pair.array?.last?.string ?? "")
    }
  }

  /// The type below a domain, for the type `t` that is joined as it is.
  private static var typeName: String {
    """
    (SELECT b.typname FROM pg_catalog.pg_type b
      WHERE b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END)
    """
  }

  /// A first row with the server's facts, then a row for each relation, those above first.
  ///
  /// A bound names no columns, and its text is had much sooner without the relation's OID, which
  /// would be looked up.
  private static var query: String {
    """
    WITH RECURSIVE named AS (
      SELECT w.n, c.oid FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (s, t, n)
      JOIN pg_catalog.pg_class c ON c.relname = w.t AND c.relkind IN ('r', 'p', 'f', 'm', 'v')
      JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
      WHERE CASE WHEN w.s IS NULL THEN pg_catalog.pg_table_is_visible(c.oid)
        ELSE s.nspname = w.s END),
    tree AS (
      SELECT n, oid, NULL::oid AS parent, 0 AS depth, false AS is_pending, NULL::text AS left_bound
      FROM named
      UNION ALL
      SELECT n.n, m.oid, n.oid, 1, false, m.bound
      FROM (\(RetirementMark.query)) AS m JOIN named n ON n.oid::text = m.parent
      UNION ALL
      SELECT p.n, i.inhrelid, i.inhparent, p.depth + 1, i.inhdetachpending, NULL
      FROM tree p JOIN pg_catalog.pg_inherits i ON i.inhparent = p.oid)
    SELECT (extract(epoch FROM now()) * 1000000)::bigint::text, NULL, NULL, NULL, NULL, NULL,
      pg_catalog.pg_is_in_recovery(),
      pg_catalog.current_setting('server_version_num')::bigint, NULL, NULL, false, 0 AS depth,
      0 AS place
    UNION ALL
    SELECT p.oid::text, p.parent::text, s.nspname, c.relname, c.relkind::text,
      coalesce(p.left_bound, pg_catalog.pg_get_expr(c.relpartbound, 0)), p.is_pending, p.n,
      CASE WHEN c.relkind = 'p' THEN
        (SELECT (pg_catalog.jsonb_build_array(
            pg_catalog.jsonb_build_array(min(k.partstrat::text), ''))
          || pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(
            coalesce(a.attname, ''), coalesce(\(typeName), '')) ORDER BY u.o))::text
        FROM pg_catalog.pg_partitioned_table k,
          pg_catalog.unnest(k.partattrs::smallint[]) WITH ORDINALITY AS u (n, o)
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = p.oid AND a.attnum = u.n AND u.n > 0
        LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        WHERE k.partrelid = p.oid) END,
      CASE WHEN p.depth = 0 THEN
        (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(a.attname, \(typeName))
          ORDER BY a.attnum)::text
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = p.oid AND a.attnum > 0 AND NOT a.attisdropped) END,
      p.left_bound IS NOT NULL, p.depth, 1
    FROM tree p JOIN pg_catalog.pg_class c ON c.oid = p.oid
    JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
    ORDER BY place, depth
    """
  }
}
