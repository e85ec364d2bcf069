internal import JSON
internal import Posix
internal import Postgres

/// What is looked up only once something is to be done.
enum PlanFacts {
  /// The relations that have one of these names, by schema and name.
  static func taken(
    _ names: [(schema: String, name: String)], on connection: borrowing Connection
  ) throws -> Set<String> {
    if names.isEmpty { return [] }
    let rows = try connection.query(
      """
      SELECT pg_catalog.quote_ident(s.nspname), s.nspname, c.relname
      FROM unnest($1::text[], $2::text[]) AS w (s, t)
      JOIN pg_catalog.pg_namespace s ON s.nspname = w.s
      JOIN pg_catalog.pg_class c ON c.relnamespace = s.oid AND c.relname = w.t
      """, [Quoting.array(names.map(\.schema)), Quoting.array(names.map(\.name))])
    return Set((0..<rows.count).map { Quoting.qualified(rows.text($0, 1), rows.text($0, 2)) })
  }

  /// For each condition the rows of the default partition that fulfil it.
  static func rows(
    in table: CatalogNode, _ conditions: [String], on connection: borrowing Connection
  ) throws -> [Int] {
    // A result has at most 1664 columns.
    var counts: [Int] = []
    for start in stride(from: 0, to: conditions.count, by: 1000) {
      let part = conditions[start..<min(start + 1000, conditions.count)]
      let columns = part.map { "count(*) FILTER (WHERE \($0))" }
      let rows = try connection.query(
        "SELECT \(columns.joined(separator: ", ")) FROM \(table.sqlName)")
      counts += part.indices.map { rows.integer(0, $0 - start) ?? 0 }
    }
    return counts
  }

  /// The records that partitions are archived by, as pg-partitions lists them, by OID.
  static func listed(
    _ expiries: [(table: CatalogTable, expiry: Expiry)], on connection: borrowing Connection
  ) throws -> (records: [String: Record], physical: [String: PhysicalFacts]) {
    if expiries.isEmpty { return ([:], [:]) }
    let oids = expiries.map(\.expiry.node.oid)
    let constraints = try constraints(of: oids, on: connection)
    let database = connection.database
    var partitions = try expiries.map { table, expiry in
      let root = Self.node(table.root, nil, nil)
      let leaf = Self.node(
        expiry.node, expiry.parent.key.first?.type, constraints[expiry.node.oid])
      let parent = Self.node(expiry.parent, nil, nil)
      var partition = Partition(database: database, table: root, leaf: leaf, parent: parent)
      partition.bounds = try DeclaredPartitions.timeBounds(of: [leaf])
      return partition
    }
    let dated = partitions.indices.filter { partitions[$0].bounds != nil }
    let calendar = ServerCalendar(timeZone: "UTC", firstDay: nil, lastDay: nil)
    let facts = try calendar.facts(of: dated.compactMap { partitions[$0].bounds }, on: connection)
    for (index, fact) in zip(dated, facts) { partitions[index].facts = fact }
    let physical = try PhysicalFacts.read(of: partitions, on: connection)
    let columns = try Relation.columns(ofAll: oids, on: connection)
    var records: [String: Record] = [:]
    for (index, oid) in oids.enumerated() {
      partitions[index].physical = physical[oid]
      partitions[index].rowsEstimate = physical[oid]?.rowsEstimate
      partitions[index].columns = columns[oid] ?? []
      partitions[index].key = try PartitionListing.key(of: partitions[index], nil)
      records[oid] = partitions[index].record
    }
    return (records, physical)
  }

  private static func constraints(
    of oids: [String], on connection: borrowing Connection
  ) throws -> [String: String] {
    let rows = try connection.query(
      """
      SELECT o, pg_catalog.pg_get_partition_constraintdef(o)
      FROM pg_catalog.unnest($1::oid[]) AS o
      """, [Quoting.array(oids)])
    var found: [String: String] = [:]
    for row in 0..<rows.count { found[rows.text(row, 0)] = rows.string(row, 1) }
    return found
  }

  private static func node(
    _ node: CatalogNode, _ keyType: String?, _ constraint: String?
  ) -> TreeNode {
    TreeNode(
      oid: node.oid, parent: node.parent, schema: node.schema, name: node.name, kind: node.kind,
      bound: node.boundText, constraint: constraint, keyType: keyType, isReadable: true)
  }
}
