internal import Filter
internal import JSON
internal import Manifests
internal import Posix
internal import Postgres

extension ActionRun {
  /// Says whether the copy in the archive is proven.
  mutating func archive() throws -> ActionResult {
    guard let found = try partitionState() else { return ActionResult(.exists, "it is gone") }
    _ = try proofs(of: found)
    try askLeave()
    return ActionResult(.done)
  }

  /// Drops a partition: detached first, and where that takes a proof, read again when nobody can
  /// write to it.
  mutating func drop() throws -> ActionResult {
    guard let found = try partitionState() else {
      try recordUnrecorded()
      return ActionResult(.exists, "it is gone")
    }
    try checkReferences(to: found)
    var proofs: [LeafProof] = []
    if target.needsProof {
      proofs = try self.proofs(of: found)
      try checkAge(of: proofs)
      // Most that has changed is seen here, while nothing has been touched.
      try Self.check(proofs, session)
    }
    try askLeave()
    if found.parentOID != nil { try detachMarked(found) }
    do { try dropDetached(found) } catch {
      if let differ = error as? RowsDiffer { try refute(differ.leaf) }
      guard target.bound != nil, !(error is SystemError), !Self.isLost(error) else { throw error }
      try putBack(found, after: error)
      throw error
    }
    try record(proofs, step: "dropped")
    return ActionResult(.done)
  }

  private static func isLost(_ error: any Error) -> Bool {
    (error as? PostgresError)?.endsSession == true
  }

  /// What it consists of is looked up anew under the lock: a part may have come since.
  private mutating func dropDetached(_ found: RelationState) throws {
    let run = self
    let (session, request) = (session, request)
    try attempts.run {
      try session.transaction(lockTimeout: request.lockTimeout) {
        try session.run("LOCK TABLE \(found.name.sql) IN ACCESS EXCLUSIVE MODE")
        if run.target.needsProof {
          try ArchivedRows.compare(try run.proofs(of: found), session)
        }
        try session.run("DROP TABLE \(found.name.sql)")
      }
    }
  }

  /// A foreign key to this very partition would stay in the way when it is detached.
  private func checkReferences(to found: RelationState) throws {
    let rows = try session.query(
      """
      SELECT k.conname, k.conrelid::pg_catalog.regclass FROM pg_catalog.pg_constraint k
      WHERE k.contype = 'f' AND k.confrelid = $1::oid AND k.conparentid = 0
        AND k.conrelid <> k.confrelid ORDER BY 1 LIMIT 1
      """, [found.oid])
    guard rows.count > 0 else { return }
    throw ActionResult.refused(
      "foreign key \(Quoting.identifier(rows.text(0, 0))) of \(rows.text(0, 1)) refers to it")
  }

  /// A run that was killed behind the drop left the manifest without its line.
  private func recordUnrecorded() throws {
    guard target.needsProof, !request.isDryRun, let oid = target.oid,
      let proof = try proofs.proof(of: target.partition, database: session.connection.database)
    else { return }
    try record([LeafProof(oid: oid, name: target.partition, proof: proof)], step: "dropped")
  }

  /// A line for each copy that is now the only one, or that is not one.
  private func record(_ proofs: [LeafProof], step: String, without extra: [String] = []) throws {
    guard let path = request.manifest else { return }
    for proof in proofs {
      var line = proof.proof.record
      for name in ["step", "at", "previous_sha256"] + extra { line.remove(name) }
      try ManifestChain.append(line, step: step, to: path)
    }
  }

  /// Says that a copy is not what the table holds: without its fingerprint it is made anew.
  private func refute(_ leaf: LeafProof) throws {
    try record([leaf], step: "refuted", without: ["fingerprint"])
  }

  /// Attaches the table again, with all that came into it, and what came into the default partition
  /// meanwhile.
  private mutating func putBack(_ found: RelationState, after error: any Error) throws {
    let (session, request) = (session, request)
    let run = self
    do {
      // Others wait for this one: it gets a time of its own.
      attempts.restart()
      try attempts.run {
        let parent = try run.parentState()
        let condition = try run.rangeCondition(run.target.bound ?? "", of: parent)
        let move = try parent.defaultPartition.map {
          try RowMove(from: $0.name, to: found.name, condition: condition, session, request)
        }
        try session.transaction(lockTimeout: request.lockTimeout) {
          let name = found.name.sql
          try session.run(
            "ALTER TABLE \(name) ADD CONSTRAINT sluice_bound CHECK (\(condition))")
          var back = run.target
          back.statements = [
            "ALTER TABLE \(parent.name.sql) ATTACH PARTITION \(name) \(run.target.bound ?? "")",
            "ALTER TABLE \(name) DROP CONSTRAINT sluice_bound",
            found.commenting(found.ownComment),
          ]
          try Self.attach(back, to: parent, request, session, moving: { try move?.moveRest($0) })
        }
      }
    } catch let second {
      let (first, second) = (ActionResult(error), ActionResult(second))
      throw ActionResult.refused(
        "\(first.detail ?? ""); it is detached, and could not be attached again: "
          + (second.detail ?? ""))
    }
  }
}
