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

  /// What is known of partitions whose time is over, and the records that they are archived by, as
  /// pg-partitions lists them, by OID.
  static func listed(
    _ expiries: [(table: CatalogTable, expiry: Expiry)], on connection: borrowing Connection
  ) throws -> (records: [String: Record], physical: [String: PhysicalFacts]) {
    if expiries.isEmpty { return ([:], [:]) }
    var partitions: [Partition] = []
    let database = connection.database
    for (table, expiry) in expiries {
      let top = node(expiry.node, expiry.parent)
      for (parent, leaf) in table.leaves(of: expiry.node, below: expiry.parent) {
        var partition = Partition(
          database: database, table: node(table.root, nil), leaf: node(leaf, parent),
          parent: node(parent, nil))
        partition.bounds = try DeclaredPartitions.timeBounds(of: [partition.leaf, top])
        partitions.append(partition)
      }
    }
    try describe(&partitions, on: connection)
    // A partition that is partitioned in turn has the facts of all its leaves together.
    let tops = expiries.map { table, expiry in
      Partition(
        database: database, table: node(table.root, nil), leaf: node(expiry.node, nil), parent: nil)
    }
    let physical = try PhysicalFacts.read(of: partitions + tops, on: connection)
    var records: [String: Record] = [:]
    for index in partitions.indices {
      let oid = partitions[index].leaf.oid
      partitions[index].physical = physical[oid]
      partitions[index].rowsEstimate = physical[oid]?.rowsEstimate
      partitions[index].key = try PartitionListing.key(
        of: partitions[index], try keyTemplate(of: partitions[index]))
      records[oid] = partitions[index].record
    }
    return (records, physical)
  }

  /// Nobody names the keys of a plan, so that hours, and the parts of one day, must have keys of their own by themselves.
  private static func keyTemplate(of partition: Partition) throws -> KeyTemplate? {
    guard let facts = partition.facts, !facts.parts.isEmpty,
      facts.isPartOfDay || partition.parent?.oid != partition.table.oid
    else { return nil }
    return try KeyTemplate(parsing: KeyTemplate.inDay)
  }

  /// Adds what the calendar and the catalog say of partitions.
  private static func describe(
    _ partitions: inout [Partition], on connection: borrowing Connection
  ) throws {
    let oids = partitions.map(\.leaf.oid)
    let columns = try Relation.columns(ofAll: oids, on: connection)
    let constraints = try constraints(of: oids, on: connection)
    let calendar = ServerCalendar(timeZone: "UTC", firstDay: nil, lastDay: nil)
    let dated = partitions.indices.filter { partitions[$0].bounds != nil }
    let facts = try calendar.facts(of: dated.compactMap { partitions[$0].bounds }, on: connection)
    for (index, fact) in zip(dated, facts) { partitions[index].facts = fact }
    for index in partitions.indices {
      let oid = partitions[index].leaf.oid
      partitions[index].columns = columns[oid] ?? []
      partitions[index].leaf.constraint = constraints[oid]
    }
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

  private static func node(_ node: CatalogNode, _ above: CatalogNode?) -> TreeNode {
    TreeNode(
      oid: node.oid, parent: node.parent, schema: node.schema, name: node.name, kind: node.kind,
      bound: node.boundText, constraint: nil,
      keyType: above?.strategy == "r" ? above?.key.first?.type : nil, isReadable: true)
  }
}
