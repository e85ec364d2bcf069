internal import JSON

/// The action that makes one partition, or moves a default partition's rows into it.
struct CreationAction {
  let action: Action

  /// `rows` of the default partition are in its range.
  init(
    _ creation: Creation, _ sql: CreationSQL, _ table: CatalogNode, _ database: String, _ rows: Int
  ) {
    let partition = creation.partition
    let place = ActionPlace(
      database: database, table: table, parent: creation.parent, schema: partition.schema,
      name: partition.name, from: partition.from, to: partition.to,
      bound: partition.bound.text(types: creation.parent.key.map(\.type)))
    let kind = rows > 0 ? Action.Kind.drain : .create
    let reason =
      rows > 0 ? "\(partition.reason); rows are in the default partition" : partition.reason
    action = Action(
      kind,
      place.record(kind, sql: sql.statements, reason: reason) { facts in
        facts.field("parent_oid", creation.parent.oid)
        facts.field("default_oid", creation.beside?.oid)
        guard rows > 0 else { return }
        facts.field("default_schema", creation.beside?.schema)
        facts.field("default", creation.beside?.name)
        facts.field("rows", rows)
      })
  }
}
