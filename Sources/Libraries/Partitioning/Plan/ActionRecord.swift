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

/// The actions that retire one partition.
struct ExpiryActions {
  let expiry: Expiry
  let place: ActionPlace
  let retirement: RetentionRule.Retirement
  let serverVersion: Int
  let physical: PhysicalFacts?
  /// The record of its archiving; nil where it is not to be archived.
  let listed: Record?

  init(
    _ expiry: Expiry, of table: CatalogNode, in database: String,
    _ retirement: RetentionRule.Retirement, serverVersion: Int, physical: PhysicalFacts?,
    listed: Record?
  ) {
    let node = expiry.node
    (self.expiry, self.retirement, self.serverVersion) = (expiry, retirement, serverVersion)
    (self.physical, self.listed) = (physical, listed)
    place = ActionPlace(
      database: database, table: table, parent: expiry.parent, schema: node.schema,
      name: node.name, from: expiry.from, to: expiry.to, bound: node.boundText)
  }

  var actions: [Action] {
    guard expiry.isDue else { return [action(.detach, [detach])] }
    switch retirement {
    case .detach: return [action(.detach, [detach])]
    case .drop: return [action(.detach, [detach]), action(.drop, [drop])]
    case .move(let schema):
      let move = "ALTER TABLE \(expiry.node.sqlName) SET SCHEMA \(Quoting.identifier(schema))"
      var moving = action(.move, [detach, move])
      moving.record.set("to_schema", schema)
      return [moving]
    case .archiveThenDrop:
      var archiving = action(.archive, [])
      for name in listed?.names ?? [] where archiving.record.json(name) == nil {
        archiving.record.set(name, json: listed?.json(name) ?? [])
      }
      var dropping = action(.drop, [detach, drop])
      dropping.record.set("needs_proof", true)
      return [archiving, dropping]
    }
  }

  private var drop: String { "DROP TABLE \(expiry.node.sqlName)" }

  private var detach: String {
    let how =
      expiry.node.isDetachPending
      ? " FINALIZE" : expiry.isBesideDefault || serverVersion < 140_000 ? "" : " CONCURRENTLY"
    return "ALTER TABLE \(expiry.parent.sqlName) DETACH PARTITION \(expiry.node.sqlName)\(how)"
  }

  private func action(_ kind: Action.Kind, _ sql: [String]) -> Action {
    Action(
      kind,
      place.record(kind, sql: sql, reason: expiry.reason) { facts in
        facts.field("oid", expiry.node.oid)
        facts.field("bound", expiry.node.boundText)
        facts.field("rows_estimate", physical?.rowsEstimate)
        facts.field("bytes", physical?.bytes)
        facts.field("fingerprint", physical?.fingerprint)
        if expiry.node.isDetachPending { facts.field("finalize", true) }
      })
  }
}
