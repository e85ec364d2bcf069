public import Filter
public import Posix
public import Postgres

/// What is to be planned.
public struct PlanRequest: Sendable {
  public var policies: [TablePolicy]
  /// Microseconds since 1970; nil is the present moment.
  public var now: Int64?

  public init(_ policies: [TablePolicy]) { self.policies = policies }

  /// Leaves only the policies of `tables`; none named leaves all.
  ///
  /// Throws a `Failure` (65) for a table that has no policy.
  public mutating func restrict(to tables: [TableName]) throws(Failure) {
    if tables.isEmpty { return }
    for table in tables where !policies.contains(where: { table.isSame($0.table) }) {
      throw Failure(.badInput, "there is no policy for table \(table.text)")
    }
    policies = policies.filter { policy in tables.contains { $0.isSame(policy.table) } }
  }
}

/// Makes plans: reads what is there, and writes what is to be done.
public struct Planning {
  private let request: PlanRequest
  private let message: Message
  /// The worst that happened to a table that was passed over, or a step that was left out; nil when
  /// nothing did.
  public private(set) var worst: ExitCode?

  public init(_ request: PlanRequest, messages: Message) {
    (self.request, message) = (request, messages)
  }

  /// The actions of all tables in the order in which they are safe.
  ///
  /// Nothing is changed on the server. What is wrong with one table is reported and passed over.
  /// On a read replica there are none, and a message says so.
  public mutating func actions(on connection: borrowing Connection) throws -> [Action] {
    var actions: [Action] = []
    do {
      actions = try plan(request.policies, on: connection)
    } catch let error as any Diagnosable where error.exitCode != .unavailable {
      // One table is the cause, and does not stop the others.
      for policy in request.policies {
        do { actions += try plan([policy], on: connection) } catch let error as any Diagnosable
          where error.exitCode != .unavailable
        {
          report(policy, error)
        }
      }
    }
    return Action.Kind.inOrder.flatMap { kinds in
      actions.filter { kinds.contains($0.kind) }
    }
  }

  private mutating func report(_ policy: TablePolicy, _ error: any Diagnosable) {
    let name = policy.table.text
    message.error(error, of: policy.place.isEmpty ? name : "\(policy.place): \(name)")
    worst = max(worst ?? .success, error.exitCode)
  }

  private mutating func plan(
    _ policies: [TablePolicy], on connection: borrowing Connection
  ) throws -> [Action] {
    // Compiling queries that run once takes longer than running them.
    try connection.execute(
      "ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL jit = off")
    let catalog = try PlanCatalog(policies.map(\.table), on: connection)
    guard !catalog.isInRecovery else {
      message.info("the server is a read replica: nothing is planned here")
      return []
    }
    var run = PlanRun(catalog, now: request.now ?? catalog.now, database: connection.database)
    let actions = try run.actions(policies, on: connection)
    for (policy, error) in run.failures { report(policy, error) }
    for warning in run.warnings {
      message.warning(warning)
      worst = max(worst ?? .success, .negative)
    }
    return actions
  }
}

extension Action.Kind {
  /// What is made comes before what is moved, and that before what is retired.
  fileprivate static var inOrder: [[Action.Kind]] {
    [[.create], [.drain], [.detach, .move], [.archive], [.drop]]
  }
}

extension TableName {
  /// True if both may be the same table: a schema that one of them does not name may be any.
  fileprivate func isSame(_ other: TableName) -> Bool {
    name == other.name && (schema == other.schema || schema == nil || other.schema == nil)
  }
}
