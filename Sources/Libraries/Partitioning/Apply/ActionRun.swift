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
    switch target.kind {
    case .create: try create()
    case .drain: try drain()
    case .detach: try detach()
    case .move: try move()
    case .archive: try archive()
    case .drop: try drop()
    }
  }

  /// The table above, if it is still the one that was planned for.
  func parentState() throws -> ParentState {
    guard let parent = try ParentState.find(target.parent, in: session) else {
      throw ActionResult.refused("\(target.parent.sql) is not there, or is not partitioned")
    }
    guard target.parentOID == nil || target.parentOID == parent.oid else {
      throw ActionResult.refused("\(target.parent.sql) is not the table that was planned for")
    }
    return parent
  }

  /// The partition, if it is still the one that was planned for; nil when it is gone.
  ///
  /// It may have been detached, or attached with the bound that the plan has; anything else is refused.
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
