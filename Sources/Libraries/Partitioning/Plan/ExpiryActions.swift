internal import JSON
internal import Postgres

/// The actions that retire one partition.
struct ExpiryActions {
  let expiry: Expiry
  let table: CatalogTable
  let database: String
  let retirement: RetentionRule.Retirement
  /// 150004 is 15.4.
  let serverVersion: Int
  /// By OID, as are the records for archiving.
  let physical: [String: PhysicalFacts]
  let listed: [String: Record]

  var actions: [Action] {
    guard expiry.isDue else { return [action(.detach, detach)] }
    switch retirement {
    case .detach: return [action(.detach, detach)]
    // One action, so that whoever is asked before it decides on both.
    case .drop: return [action(.drop, detach + [drop])]
    case .move(let schema):
      let move = "ALTER TABLE \(expiry.node.sqlName) SET SCHEMA \(Quoting.identifier(schema))"
      var moving = action(.move, detach + [move])
      moving.record.set("to_schema", schema)
      return [moving]
    case .archiveThenDrop:
      var dropping = action(.drop, detach + [drop])
      dropping.record.set("needs_proof", true)
      return table.leaves(of: expiry.node, below: expiry.parent).map(archiving) + [dropping]
    }
  }

  private var drop: String { "DROP TABLE \(expiry.node.sqlName)" }

  /// What is finished, and what a default partition forbids, is not done concurrently.
  private var detach: [String] {
    if expiry.node.isOrphan { return [] }
    let isPlain = expiry.isBesideDefault || serverVersion < 140_000
    let how = expiry.node.isDetachPending ? " FINALIZE" : isPlain ? "" : " CONCURRENTLY"
    return ["ALTER TABLE \(expiry.parent.sqlName) DETACH PARTITION \(expiry.node.sqlName)\(how)"]
  }

  private func action(_ kind: Action.Kind, _ sql: [String]) -> Action {
    action(kind, sql, expiry.node, below: expiry.parent, from: expiry.from, to: expiry.to)
  }

  /// Each relation with rows is archived by itself; its record can be archived once it is retyped.
  private func archiving(_ parent: CatalogNode, _ leaf: CatalogNode) -> Action {
    let record = listed[leaf.oid]
    let isWhole = leaf.oid == expiry.node.oid
    var archiving = action(
      .archive, [], leaf, below: parent, from: isWhole ? expiry.from : record?.string("from"),
      to: isWhole ? expiry.to : record?.string("to"))
    for name in record?.names ?? [] where archiving.record.json(name) == nil {
      archiving.record.set(name, json: record?.json(name) ?? [])
    }
    return archiving
  }

  private func action(
    _ kind: Action.Kind, _ sql: [String], _ node: CatalogNode, below parent: CatalogNode,
    from: String?, to: String?
  ) -> Action {
    let place = ActionPlace(
      database: database, table: table.root, parent: parent, schema: node.schema, name: node.name,
      from: from, to: to, bound: node.boundText)
    return Action(
      kind,
      place.record(kind, sql: sql, reason: expiry.reason) { facts in
        facts.field("oid", node.oid)
        facts.field("bound", node.boundText)
        facts.field("rows_estimate", physical[node.oid]?.rowsEstimate)
        facts.field("bytes", physical[node.oid]?.bytes)
        facts.field("fingerprint", physical[node.oid]?.fingerprint)
        if node.isDetachPending { facts.field("finalize", true) }
      })
  }
}
