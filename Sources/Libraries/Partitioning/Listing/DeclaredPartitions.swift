internal import Posix
internal import Postgres

/// The partitions that the catalog declares, at any depth.
enum DeclaredPartitions {
  static func of(_ table: TableName, on connection: borrowing Connection) throws -> [Partition] {
    let tree = try PartitionTree(table, on: connection)
    guard tree.root.kind == "p" || tree.root.bound != nil else {
      throw Failure(
        .badInput, "table \(table.text) is not partitioned",
        hint: "Use --slice-by COLUMN --every STEP, or --by-name.")
    }
    let database = connection.database
    return try tree.leaves.map { leaf in
      var partition = Partition(
        database: database, table: tree.root, leaf: leaf, parent: tree.node(leaf.parent))
      partition.bounds = try timeBounds(of: tree.chain(of: leaf))
      return partition
    }
  }

  /// The bounds of the lowest level that is cut by time; nil when none is.
  ///
  /// A default partition below such a level holds what its siblings do not: any time at all.
  static func timeBounds(of chain: [TreeNode]) throws -> TimeBounds? {
    for node in chain {
      guard let bound = node.bound, let kind = node.keyType.flatMap(TimeKind.init) else { continue }
      switch try PartitionBound(parsing: bound) {
      case .range(let from, let to):
        return TimeBounds(
          kind: kind, from: from.first?.value, to: to.first?.value,
          includesEnd: to.first?.value != nil
            && to.dropFirst().first.map { $0 != .minimum } ?? false)
      case .default: return TimeBounds(kind: kind, from: nil, to: nil)
      default: continue
      }
    }
    return nil
  }
}

/// Tables without declared bounds, dated by their names.
enum NamedPartitions {
  static func of(_ table: TableName, on connection: borrowing Connection) throws -> [Partition] {
    let rows = try connection.query(
      """
      SELECT c.oid, n.nspname, c.relname, c.relkind,
        pg_catalog.has_schema_privilege(n.oid, 'USAGE')
          AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE pg_catalog.starts_with(c.relname, $2 || '_') AND c.relkind IN ('r', 'f', 'm')
        AND CASE WHEN $1::text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid)
          ELSE n.nspname = $1 END
      """, [table.schema, table.name])
    var found: [Partition] = []
    for row in 0..<rows.count {
      guard let span = NamePattern.span(of: rows.text(row, 2), base: table.name) else { continue }
      let leaf = TreeNode(
        oid: rows.text(row, 0), parent: nil, schema: rows.text(row, 1), name: rows.text(row, 2),
        kind: rows.text(row, 3), bound: nil, constraint: nil, keyType: nil,
        isReadable: rows.boolean(row, 4))
      let base = TreeNode(
        oid: leaf.oid, parent: nil, schema: leaf.schema, name: table.name, kind: "r", bound: nil,
        constraint: nil, keyType: nil, isReadable: true)
      var partition = Partition(
        database: connection.database, table: base, leaf: leaf, parent: nil)
      partition.bounds = TimeBounds(kind: .date, from: span.from, to: span.to)
      found.append(partition)
    }
    guard !found.isEmpty else {
      throw Failure(.badInput, "no table is named \(table.text) with a date behind it")
    }
    return found
  }
}
