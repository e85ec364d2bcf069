internal import JSON
internal import Posix
internal import Postgres

/// The way back from a partitioned table to the plain one that it was.
struct AdoptReversal {
  private let catalog: CatalogTable

  init(of catalog: CatalogTable) { self.catalog = catalog }

  /// The step, while nothing but the old partition has rows; needs an empty search path, so that definitions name
  /// everything with its schema.
  ///
  /// Throws a `Failure` (65) where there is no way back.
  func step(on connection: borrowing Connection) throws -> Action {
    let node = catalog.root
    if node.kind == "r" { return try stepFromCheck(on: connection) }
    let table = QualifiedName(schema: node.schema, name: node.name)
    let history = try history()
    try AdoptBlockers.refuse(table, try AdoptBlockers.ofUndoing(node.oid, on: connection))
    let sql = UndoSQL(
      table: table, history: QualifiedName(schema: history.schema, name: history.name),
      others: try others(than: history, on: connection),
      facts: try AdoptFacts(node.oid, table: table, on: connection),
      indexes: try Self.indexes(of: history.oid, on: connection))
    let place = ActionPlace(
      database: connection.database, table: node, parent: node, schema: history.schema,
      name: history.name, from: nil, to: nil, bound: history.boundText)
    let record = place.record(
      .adoptUndo, sql: sql.statements, reason: "the old rows become the table again"
    ) { facts in
      facts.field("parent_oid", node.oid)
      facts.field("oid", history.oid)
    }
    return Action(.adoptUndo, record)
  }

  /// The partition that the old rows are in.
  private func history() throws(Failure) -> CatalogNode {
    let found = catalog.children(of: catalog.root).first { child in
      guard child.kind == "r", case .range([.minimum], _)? = child.bound else { return false }
      return !child.isDetachPending
    }
    guard catalog.root.kind == "p", let found else {
      throw Failure(.badInput, "\(catalog.root.sqlName) has no partition of old rows")
    }
    return found
  }

  /// The partitions beside it, none of which has a row.
  private func others(
    than history: CatalogNode, on connection: borrowing Connection
  ) throws -> [QualifiedName] {
    let others = catalog.children(of: catalog.root).filter { $0.oid != history.oid }
      .flatMap { catalog.leaves(of: $0, below: catalog.root).map(\.leaf) }
    for other in others {
      let rows = try connection.query("SELECT EXISTS (SELECT FROM \(other.sqlName))")
      guard !rows.boolean(0, 0) else {
        throw Failure(
          .badInput, "partition \(other.sqlName) has rows",
          hint: "Only while all rows are in \(history.sqlName) there is a way back.")
      }
    }
    return others.map { QualifiedName(schema: $0.schema, name: $0.name) }
  }

  /// Where the table is plain still, only the constraint of the first step has to go.
  private func stepFromCheck(on connection: borrowing Connection) throws -> Action {
    let node = catalog.root
    let rows = try connection.query(
      "SELECT FROM pg_catalog.pg_constraint WHERE conrelid = $1::oid AND conname = $2",
      [node.oid, AdoptSQL.constraint])
    guard rows.count > 0 else { throw Failure(.badInput, "\(node.sqlName) is not partitioned") }
    let place = ActionPlace(
      database: connection.database, table: node, parent: node, schema: node.schema,
      name: node.name, from: nil, to: nil, bound: nil)
    let sql = ["ALTER TABLE \(node.sqlName) DROP CONSTRAINT \(AdoptSQL.constraint)"]
    let record = place.record(
      .adoptUndo, sql: sql, reason: "the table stays plain"
    ) { $0.field("oid", node.oid) }
    return Action(.adoptUndo, record)
  }

  /// Each of the old table's indexes with the one of the partitioned table above it.
  private static func indexes(
    of oid: String, on connection: borrowing Connection
  ) throws -> [(own: String, shared: String)] {
    let rows = try connection.query(
      """
      SELECT c.relname, p.relname FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_inherits h ON h.inhrelid = i.indexrelid
      JOIN pg_catalog.pg_class c ON c.oid = h.inhrelid
      JOIN pg_catalog.pg_class p ON p.oid = h.inhparent
      WHERE i.indrelid = $1::oid AND c.relname <> p.relname ORDER BY c.relname
      """, [oid])
    return (0..<rows.count).map { (rows.text($0, 0), rows.text($0, 1)) }
  }
}
