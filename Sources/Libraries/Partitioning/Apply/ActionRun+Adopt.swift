internal import Posix
internal import Postgres

extension ActionRun {
  /// One step on the way from a plain table to a partitioned one, or back: its statements in one transaction.
  mutating func adopt() throws -> ActionResult {
    guard let oid = target.oid, let found = try RelationState.find(oid: oid, in: session) else {
      throw ActionResult.refused("\(target.table.sql) is not the table that was planned for")
    }
    if try isAdopted(found) { return ActionResult(.exists) }
    let name = target.kind == .adoptUndo ? target.partition : target.table
    guard found.name == name else {
      throw ActionResult.refused("\(name.sql) is named \(found.name.sql) by now")
    }
    if target.kind == .adoptUndo, target.partition != target.table { _ = try parentState() }
    let shape = AdoptShape(target: target)
    if let difference = try session.reading({ try shape.difference(on: $0) }) {
      throw ActionResult.refused(
        "the \(target.kind.rawValue) is not what was planned: \(difference)")
    }
    try askLeave()
    let (session, request, statements) = (session, request, target.statements)
    let kind = target.kind
    try attempts.run {
      try session.transaction(lockTimeout: request.lockTimeout) {
        // Looking at rows that are there keeps nobody from writing.
        guard kind != .adoptValidate else {
          for statement in statements { try session.run(statement) }
          return
        }
        let stall = Stall(session, lockTimeout: request.lockTimeout)
        for statement in statements { try stall.run(statement) }
      }
    }
    return ActionResult(.done)
  }

  /// True if the step is behind us; throws where the one before it is not.
  private func isAdopted(_ table: RelationState) throws -> Bool {
    if table.parentOID != nil {
      return target.kind != .adoptUndo && table.bound == target.bound
    }
    let rows = try session.query(
      """
      SELECT convalidated FROM pg_catalog.pg_constraint
      WHERE conrelid = $1::oid AND conname = 'sluice_history'
      """, [table.oid])
    let isChecked = rows.count > 0
    let isValid = isChecked && rows.boolean(0, 0)
    switch target.kind {
    case .adoptUndo: return table.name == target.table && !isChecked
    case .adoptCheck: return isChecked
    case .adoptValidate where !isChecked:
      throw ActionResult.refused("the constraint sluice_history is not there")
    case .adoptValidate: return isValid
    default:
      guard isValid else {
        throw ActionResult.refused("the constraint sluice_history was not validated")
      }
      return false
    }
  }
}
