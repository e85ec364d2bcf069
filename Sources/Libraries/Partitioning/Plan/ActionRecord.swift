internal import Bytes
internal import JSON
internal import Posix
internal import Postgres

extension Record {
  /// Adds a member that is a list of strings.
  mutating func set(_ name: String, strings: [String]) {
    var buffer = ByteBuffer()
    buffer.append(UInt8(ascii: "["))
    for (index, text) in strings.enumerated() {
      if index > 0 { buffer.append(UInt8(ascii: ",")) }
      JSONText.appendString(text, to: &buffer)
    }
    buffer.append(UInt8(ascii: "]"))
    set(name, json: [UInt8](copying: buffer.span))
  }
}

/// Which partition of which table an action is about.
struct ActionPlace {
  let database: String
  let table: CatalogNode
  let parent: CatalogNode
  let schema: String
  let name: String
  /// As records show them; nil is unbounded.
  let from: String?
  let to: String?
  let bound: String?

  /// The action's record as far as all kinds have the same members, in the documented order.
  func record(
    _ kind: Action.Kind, sql: [String], reason: String, facts: (inout JSONWriter) -> Void
  ) -> Record {
    var record = Record(type: "action")
    record.set("action", kind.rawValue)
    record.set("database", database)
    record.set("schema", table.schema)
    record.set("table", table.name)
    record.set("parent_schema", parent.schema)
    record.set("parent", parent.name)
    record.set("partition_schema", schema)
    record.set("partition", name)
    record.set("from", from)
    record.set("to", to)
    record.set("bound", bound)
    record.set("sql", strings: sql)
    record.set("reason", reason)
    record.set("facts", object: facts)
    return record
  }
}
