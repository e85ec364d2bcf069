internal import Bytes
internal import JSON
internal import Posix
internal import Postgres

extension ActionRun {
  /// Makes a partition, beside its table first, and attaches it.
  mutating func create() throws -> ActionResult {
    let parent = try parentState()
    if parent.nameIsTaken, let there = try RelationState.find(target.partition, in: session) {
      if isWanted(there, parent) { return ActionResult(.exists) }
      // What is left of a drain that was killed is brought to its end.
      if there.comment == drainMark(parent) { return try drain() }
      throw ActionResult.refused("its name is taken by the \(there.description)")
    }
    try askLeave()
    let (session, request, target) = (session, request, target)
    do {
      try attempts.run {
        try session.transaction(lockTimeout: request.lockTimeout) {
          for statement in target.before(parent) { try session.run(statement) }
          try Self.attach(target, to: parent, request, session)
        }
      }
    } catch let error as PostgresError where error.sqlState == "42P17" {
      return try existing(parent, orElse: error)
    }
    return ActionResult(.done)
  }

  private func isWanted(_ there: RelationState, _ parent: ParentState) -> Bool {
    there.parentOID == parent.oid && there.bound == target.bound && !there.isPending
  }

  /// A partition with that bound may be there by another name.
  private func existing(
    _ parent: ParentState, orElse error: any Error
  ) throws -> ActionResult {
    let found = try RelationState.find(
      bound: target.bound ?? "", parentOID: parent.oid, in: session)
    guard let found, !found.isPending else { throw error }
    return ActionResult(.exists, "it is named \(found.name.sql)")
  }

  /// Runs the statements from the attach on.
  ///
  /// With foreign keys the attach locks tables one after the other: who writes to the first waits for us until we have
  /// the last, so that all of the locks together have one time.
  ///
  /// A default partition is locked by the attach and looked through for rows of the new one.
  /// Whoever inserts has to wait before it chooses a partition, and not behind it: a row that was
  /// meant for the default partition would be an error once there is a better one.
  static func attach(
    _ target: ActionTarget, to parent: ParentState, _ request: ApplyRequest,
    _ session: ApplySession, moving: (Stall) throws -> Void = { _ in },
    behind: (Stall) throws -> Void = { _ in }
  ) throws {
    let stall = Stall(session, lockTimeout: request.lockTimeout)
    if let standby = parent.defaultPartition, target.bound != "DEFAULT" {
      try stall.lock("ONLY \(parent.name.sql)", "SHARE ROW EXCLUSIVE")
      try stall.lock(standby.name.sql, "ACCESS EXCLUSIVE")
      try moving(stall)
    }
    for statement in target.fromAttachOn(parent) { try stall.run(statement) }
    try behind(stall)
  }
}

extension ActionTarget {
  /// The statements that make the table, before it is attached.
  func before(_ parent: ParentState) -> ArraySlice<String> { statements[..<attachIndex(parent)] }

  func fromAttachOn(_ parent: ParentState) -> ArraySlice<String> {
    statements[attachIndex(parent)...]
  }

  /// The statement from which on others may have to wait; the first where none attaches to the
  /// parent.
  private func attachIndex(_ parent: ParentState) -> Int {
    let attach = "ALTER TABLE \(parent.name.sql) ATTACH PARTITION "
    return statements.firstIndex { $0.hasPrefix(attach) }
      ?? statements.lastIndex { $0.holds(" ATTACH PARTITION ") } ?? 0
  }
}
