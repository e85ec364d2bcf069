internal import Posix
internal import Postgres

extension ActionRun {
  mutating func detach() throws -> ActionResult {
    guard let found = try partitionState() else { return ActionResult(.exists, "it is gone") }
    guard found.parentOID != nil || found.comment != found.ownComment else {
      return ActionResult(.exists)
    }
    try askLeave()
    guard found.parentOID != nil else {
      try unmark(found)
      return ActionResult(.done)
    }
    try detach(found)
    return ActionResult(.done)
  }

  /// Detaches, and then sets the table into another schema.
  mutating func move() throws -> ActionResult {
    let schema = target.toSchema ?? ""
    guard let found = try partitionState() else { return ActionResult(.exists, "it is gone") }
    if found.name.schema == schema { return try detach() }
    let wanted = QualifiedName(schema: schema, name: found.name.name)
    if let there = try RelationState.find(wanted, in: session), there.oid != found.oid {
      throw ActionResult.refused("its name is taken by the \(there.description)")
    }
    guard
      try session.query("SELECT pg_catalog.to_regnamespace($1)", [Quoting.identifier(schema)])
        .string(0, 0) != nil
    else { throw ActionResult.refused("there is no schema \(Quoting.identifier(schema))") }
    try askLeave()
    if found.parentOID != nil { try detachMarked(found) }
    let (session, request) = (session, request)
    try attempts.run {
      try session.transaction(lockTimeout: request.lockTimeout) {
        try session.run(found.commenting(found.ownComment))
        try session.run("ALTER TABLE \(found.name.sql) SET SCHEMA \(Quoting.identifier(schema))")
      }
    }
    return ActionResult(.done)
  }

  /// Takes a partition out of its table, keeping nobody waiting where the server can do that.
  ///
  /// What a killed run left half detached is brought to its end first, this one or another: the
  /// server has room for only one at a time.
  mutating func detach(_ found: RelationState) throws {
    let run = self
    let (session, request) = (session, request)
    try attempts.run {
      let parent = try run.parentState()
      if let pending = parent.pending {
        try session.runAlone(
          "ALTER TABLE \(parent.name.sql) DETACH PARTITION \(pending.sql) FINALIZE",
          lockTimeout: request.lockTimeout)
      }
      guard try RelationState.find(oid: found.oid, in: session)?.parentOID == parent.oid else {
        return
      }
      let detach = "ALTER TABLE \(parent.name.sql) DETACH PARTITION \(found.name.sql)"
      if parent.defaultPartition == nil, session.detachesConcurrently {
        try session.runAlone(detach + " CONCURRENTLY", lockTimeout: request.lockTimeout)
      } else {
        try Self.detachPlainly(detach, found, parent, request, session)
      }
    }
  }

  /// The server refuses the gentle way where there is a default partition.
  private static func detachPlainly(
    _ statement: String, _ found: RelationState, _ parent: ParentState, _ request: ApplyRequest,
    _ session: ApplySession
  ) throws {
    try session.transaction(lockTimeout: request.lockTimeout) {
      let stall = Stall(session, lockTimeout: request.lockTimeout)
      try stall.lock("ONLY \(parent.name.sql)", "ACCESS EXCLUSIVE")
      try stall.lock(found.name.sql, "ACCESS EXCLUSIVE")
      try stall.run(statement)
    }
  }
}
