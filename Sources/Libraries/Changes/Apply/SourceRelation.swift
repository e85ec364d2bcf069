internal import Bytes
internal import JSON
internal import Posix
internal import Postgres

/// A table of the source, as a `relation` event describes it.
struct SourceRelation: Equatable {
  /// What the old row of an update or a delete holds.
  enum Identity: String { case `default`, nothing, index, full }

  struct Column: Equatable {
    let name: String
    let type: String
    let isKey: Bool
    /// Only told where the events are made for another format: the type is the one below the domain.
    let isDomain: Bool

    /// True where the value in an event is JSON text, and not text within JSON.
    var isJSON: Bool { type == "json" || type == "jsonb" }
  }

  let schema: String
  let name: String
  let identity: Identity
  let columns: [Column]

  /// Throws a `Failure` (65) for a record that describes no table.
  init(_ record: Record) throws(Failure) {
    guard let schema = record.string("schema"), let name = record.string("table"),
      let identity = Identity(rawValue: record.string("identity") ?? "default"),
      let list = record["columns"]?.array
    else { throw Failure(.badInput, "a relation event lacks schema, table, identity or columns") }
    (self.schema, self.name, self.identity) = (schema, name, identity)
    var columns: [Column] = []
    for item in list {
      guard let column = item["name"]?.string, let type = item["type"]?.string else {
        throw Failure(.badInput, "a column of the relation event of \(name) lacks name or type")
      }
      columns.append(
        Column(
          name: column, type: type, isKey: item["key"]?.boolean ?? false,
          isDomain: item["domain"]?.boolean ?? false))
    }
    self.columns = columns
  }
}

extension SourceRelation {
  /// Makes a table like it: names, types, and the key as primary key.
  var createStatement: String {
    var items = columns.map { "\(Quoting.identifier($0.name)) \($0.type)" }
    // With the identity full every column counts as key.
    let key = identity == .full ? [] : columns.filter(\.isKey)
    if !key.isEmpty {
      let names = key.map { Quoting.identifier($0.name) }.joined(separator: ", ")
      items.append("PRIMARY KEY (\(names))")
    }
    let list = items.joined(separator: ", ")
    return "CREATE TABLE \(Quoting.qualified(schema, name)) (\(list))"
  }
}
