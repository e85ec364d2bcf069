internal import Filter
public import JSON
public import Posix
public import Postgres

/// Carries out the actions of a plan, one after the other, whatever becomes of the others.
///
/// What makes partitions comes before all that retires them. A table whose partitions could not be
/// made has none retired either.
public struct Applier {
  /// More actions than this are refused, so that memory stays bounded.
  public static var maxActions: Int { 100_000 }

  private let request: ApplyRequest
  private let options: ConnectionOptions
  private let tool: String
  private var session: ApplySession?
  private var proofs: ProofBook
  /// Tables for which others did not make room within a whole budget.
  private var busyTables: Set<QualifiedName> = []
  /// Tables that lack a partition which the plan has.
  private var lackingTables: Set<QualifiedName> = []
  /// Partitions of which an action was not done, by OID.
  private var keptPartitions: Set<String> = []
  private var worst = ExitCode.success

  public init(_ request: ApplyRequest, _ options: ConnectionOptions, tool: String) {
    (self.request, self.options, self.tool) = (request, options, tool)
    proofs = ProofBook(path: request.manifest, verdicts: nil, wanted: [])
  }

  /// Runs `actions` in the order that is safe, and hands a `result` record of each to `emit`.
  ///
  /// Returns the worst of the codes. Throws a `Failure` (65) before anything is done where an
  /// action is malformed.
  public mutating func run(
    _ actions: [Action], _ emit: (Record) throws -> Void
  ) throws -> ExitCode {
    let targets = try actions.map { try ActionTarget($0) }
    proofs = ProofBook(
      path: request.manifest, verdicts: try request.verdicts.map { try Verdicts(path: $0) },
      wanted: Set(targets.map(\.partition)))
    let connected = try ApplySession(options, applicationName: tool)
    guard !connected.isReplica else {
      Message(tool: tool).info("the server is a read replica: nothing is done")
      return .success
    }
    session = connected
    for phase in 0...4 {
      for index in actions.indices where actions[index].kind.phase == phase {
        try StopSignal.check()
        try emit(try result(of: actions[index], targets[index]))
      }
    }
    try session?.release()
    return worst
  }

  private mutating func result(of action: Action, _ target: ActionTarget) throws -> Record {
    let start = Clock.monotonic()
    var attempts = Attempts(budget: busyTables.contains(target.table) ? 0 : request.budget)
    let result: ActionResult
    do { result = try carryOut(action, target, &attempts) } catch {
      if (error as? SystemError)?.isInterrupt == true { throw error }
      if (error as? PostgresError)?.endsSession == true { session = nil }
      result = ActionResult(error)
    }
    note(result, of: target)
    var record = action.record
    record.retype("result")
    record.set("outcome", result.outcome.rawValue)
    record.set("detail", result.detail)
    record.set("attempts", max(1, attempts.count))
    record.set("elapsed_ms", (Clock.monotonic() - start) / 1_000_000)
    record.set("at", Timestamp.now())
    return record
  }

  private mutating func note(_ result: ActionResult, of target: ActionTarget) {
    worst = max(worst, result.code)
    if result.outcome == .busy { busyTables.insert(target.table) }
    if let oid = target.oid, result.code != .success || result.outcome == .waiting {
      keptPartitions.insert(oid)
    }
    if target.kind.phase < 2, result.code != .success { lackingTables.insert(target.table) }
  }

  private mutating func carryOut(
    _ action: Action, _ target: ActionTarget, _ attempts: inout Attempts
  ) throws -> ActionResult {
    if target.kind.phase >= 2, lackingTables.contains(target.table) {
      return .refused("a partition of this table could not be made, so none is retired")
    }
    if let oid = target.oid, keptPartitions.contains(oid) {
      return .refused("an action on this partition that comes before was not done")
    }
    let session = try self.session ?? ApplySession(options, applicationName: tool)
    self.session = session
    guard target.database == nil || target.database == session.connection.database else {
      return .refused("it is of the database \(Quoting.identifier(target.database ?? ""))")
    }
    if !request.isDryRun { try holdTable(target, session, &attempts) }
    var run = ActionRun(
      action: action, target: target, request: request, session: session, proofs: proofs,
      attempts: attempts)
    defer { attempts = run.attempts }
    return try run.run()
  }

  private func holdTable(
    _ target: ActionTarget, _ session: ApplySession, _ attempts: inout Attempts
  ) throws {
    let isHeld = try attempts.wait {
      guard let isHeld = try session.hold(target.table) else {
        throw ActionResult.refused("there is no table \(target.table.sql)")
      }
      return isHeld
    }
    guard isHeld else {
      throw ActionResult(.busy, "another run is at work on \(target.table.sql)")
    }
    attempts = Attempts(budget: busyTables.contains(target.table) ? 0 : request.budget)
  }
}

extension Action.Kind {
  /// Its place in the order of a plan.
  fileprivate var phase: Int {
    switch self {
    case .create, .adoptCheck, .adoptValidate, .adoptSwap, .adoptUndo: 0
    case .drain: 1
    case .detach, .move: 2
    case .archive: 3
    case .drop: 4
    }
  }
}
