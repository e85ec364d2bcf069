internal import Filter
internal import JSON
internal import Posix
internal import Postgres

/// One action while it is carried out.
struct ActionRun {
  let action: Action
  let target: ActionTarget
  let request: ApplyRequest
  let session: ApplySession
  let proofs: ProofBook
  var attempts: Attempts

  /// Carries it out; throws whatever stops it.
  mutating func run() throws -> ActionResult {
    do {
      switch target.kind {
      case .create: return try create()
      case .drain: return try drain()
      case .detach: return try detach()
      case .move: return try move()
      case .archive: return try archive()
      case .drop: return try drop()
      case .adoptCheck, .adoptValidate, .adoptSwap, .adoptUndo: return try adopt()
      }
    } catch let error as PostgresError where error.sqlState == "23503" {
      throw ActionResult.refused(
        error.message + (error.detail.map { ": \($0)" } ?? "") + (try foreignKeysIn()))
    }
  }

  /// The foreign keys that point into the table, by the names that their makers gave them.
  ///
  /// The server's message names the one that it made of it for a single partition.
  private func foreignKeysIn() throws -> String {
    let rows = try session.query(
      """
      SELECT pg_catalog.string_agg(pg_catalog.format('%I of %s', k.conname,
        k.conrelid::pg_catalog.regclass), ', ' ORDER BY k.conname) FROM pg_catalog.pg_constraint k
      WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid IN (
        SELECT pg_catalog.pg_partition_ancestors(pg_catalog.to_regclass($1)))
      """, [target.parent.sql])
    return rows.string(0, 0).map { "; foreign keys into the table: \($0)" } ?? ""
  }

  /// The table above, if it is still the one that was planned for.
  func parentState() throws -> ParentState {
    guard let parent = try ParentState.find(target.parent, target.partition, in: session) else {
      throw ActionResult.refused("\(target.parent.sql) is not there, or is not partitioned")
    }
    guard target.parentOID == nil || target.parentOID == parent.oid else {
      throw ActionResult.refused("\(target.parent.sql) is not the table that was planned for")
    }
    return parent
  }

  /// The partition, if it is still the one that was planned for; nil when it is gone.
  ///
  /// It may have been detached, or attached with the bound that the plan has; anything else is
  /// refused.
  func partitionState() throws -> RelationState? {
    guard let oid = target.oid else { return try RelationState.find(target.partition, in: session) }
    guard let found = try RelationState.find(oid: oid, in: session) else {
      guard try RelationState.find(target.partition, in: session) == nil else {
        throw ActionResult.refused("\(target.partition.sql) is not the table that was planned for")
      }
      return nil
    }
    guard found.name.name == target.partition.name,
      found.name.schema == target.partition.schema || found.name.schema == target.toSchema
    else {
      throw ActionResult.refused("\(target.partition.sql) is named \(found.name.sql) by now")
    }
    guard let above = found.parentOID else { return found }
    let parent = try parentState()
    guard above == parent.oid, target.bound == nil || found.bound == target.bound else {
      throw ActionResult.refused("\(found.name.sql) is attached elsewhere: \(found.description)")
    }
    guard found.oid != parent.defaultPartition?.oid else {
      throw ActionResult.refused("\(found.name.sql) is the default partition")
    }
    return found
  }

  /// Ends a rehearsal; otherwise asks the hook, if there is one for actions of this kind.
  func askLeave() throws {
    if request.isDryRun { throw ActionResult(.would) }
    guard let command = request.hook, request.hookKinds.contains(target.kind) else { return }
    let hook = Hook(command, timeoutMilliseconds: request.hookTimeout)
    switch try hook.run(action.record.text + "\n") {
    case .ended(0): return
    case .ended(let status): throw ActionResult.refused("the hook ended with status \(status)")
    case .timedOut: throw ActionResult.refused("the hook took too long and was killed")
    }
  }
}
