public import Filter
internal import Posix
internal import Postgres

/// One relation of a partitioned table's tree, as the catalog has it.
struct TreeNode: Sendable {
  let oid: String
  /// Nil for the root.
  let parent: String?
  let schema: String
  let name: String
  /// `p` partitioned, `r` table, `f` foreign table.
  let kind: String
  /// What `pg_get_expr` says of its bound; nil where it is no partition.
  let bound: String?
  /// The condition its rows fulfil, those of the levels above included; nil without a bound.
  var constraint: String?
  /// The type that the first key of the table above is compared as, for example `date`.
  let keyType: String?
  let isReadable: Bool
}

/// A table's name as a user wrote it.
public struct TableName: Equatable, Sendable {
  /// As it was written.
  public let text: String
  let schema: String?
  let name: String

  /// True if both name the same, however that is quoted.
  public static func == (a: TableName, b: TableName) -> Bool {
    a.schema == b.schema && a.name == b.name
  }

  /// Parses `[SCHEMA.]NAME`, written as in SQL.
  public init(parsing text: String) throws(UsageError) {
    let parts = try Quoting.qualifiedName(text)
    (self.text, schema, name) = (text, parts.schema, parts.name)
  }

  init(_ name: QualifiedName) { (text, schema, self.name) = (name.sql, name.schema, name.name) }
}

/// A table with all that lies below it.
struct PartitionTree: Sendable {
  let root: TreeNode
  private let nodes: [String: TreeNode]
  /// The relations that hold rows, in the order of their names.
  let leaves: [TreeNode]

  /// Reads the tree of `table`.
  ///
  /// Names are looked up in the catalog, which everybody may read, so that a table in a schema
  /// without USAGE is told from one that does not exist.
  init(_ table: TableName, on connection: borrowing Connection) throws {
    let found = try connection.query(Self.query, [table.schema, table.name])
    let all = (0..<found.count).map { Self.node(found, $0) }
    guard let root = all.first else {
      throw Failure(.badInput, "table \(table.text) does not exist")
    }
    self.root = root
    nodes = Dictionary(all.map { ($0.oid, $0) }) { first, _ in first }
    leaves = all.filter { $0.kind != "p" }
  }

  /// The nodes from `leaf` up to the root.
  func chain(of leaf: TreeNode) -> [TreeNode] {
    var chain = [leaf]
    while let parent = chain[chain.count - 1].parent, let node = nodes[parent] {
      chain.append(node)
    }
    return chain
  }

  func node(_ oid: String?) -> TreeNode? { oid.flatMap { nodes[$0] } }

  private static func node(_ rows: borrowing Rows, _ row: Int) -> TreeNode {
    TreeNode(
      oid: rows.text(row, 0), parent: rows.string(row, 1), schema: rows.text(row, 2),
      name: rows.text(row, 3), kind: rows.text(row, 4), bound: rows.string(row, 5),
      constraint: rows.string(row, 6), keyType: rows.string(row, 7),
      isReadable: rows.boolean(row, 8))
  }

  private static var query: String {
    """
    WITH RECURSIVE root AS (
      SELECT c.oid FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relname = $2 AND c.relkind IN ('r', 'p', 'f', 'm', 'v')
        AND CASE WHEN $1::text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid)
          ELSE n.nspname = $1 END),
    tree AS (
      SELECT oid, NULL::oid AS parent, 0 AS depth FROM root
      UNION ALL
      SELECT i.inhrelid, i.inhparent, t.depth + 1 FROM tree t
      JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid
      JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition)
    SELECT t.oid, t.parent, n.nspname, c.relname, c.relkind,
      pg_catalog.pg_get_expr(c.relpartbound, c.oid),
      CASE WHEN c.relispartition THEN pg_catalog.pg_get_partition_constraintdef(c.oid) END,
      (SELECT k.typname FROM pg_catalog.pg_inherits i
        JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = i.inhparent
        -- What bounds are compared as, whether the key is a column, of a domain perhaps, or an expression.
        JOIN pg_catalog.pg_opclass o ON o.oid = p.partclass[0]
        JOIN pg_catalog.pg_type k ON k.oid = o.opcintype
        WHERE i.inhrelid = c.oid AND p.partstrat = 'r'),
      pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
    FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    ORDER BY t.depth, n.nspname COLLATE "C", c.relname COLLATE "C"
    """
  }
}
