internal import JSON

extension JSONWriter {
  /// Writes the event that tells of a table, as the stream and a snapshot announce it.
  mutating func relation(
    _ schema: String, _ table: String, _ identity: ReplicaIdentity,
    _ columns: [(name: String, type: String, isKey: Bool, isDomain: Bool)]
  ) {
    object { line in
      line.field("type", "relation")
      line.field("schema", schema)
      line.field("table", table)
      line.field("identity", "\(identity)")
      line.array("columns") { list in
        for column in columns {
          list.element { item in
            item.field("name", column.name)
            item.field("type", column.type)
            item.field("key", column.isKey)
            if column.isDomain { item.field("domain", true) }
          }
        }
      }
    }
  }
}
