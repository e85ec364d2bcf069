internal import Posix
public import Postgres

/// What is to be checked.
public struct CheckRequest: Sendable {
  public var policies: [TablePolicy]
  /// Microseconds since 1970; nil is the present moment.
  public var now: Int64?
  /// How long retirement may be late, in milliseconds.
  public var grace = 86_400_000

  public init(_ policies: [TablePolicy]) { self.policies = policies }
}

/// Holds what is there against what the policies say; changes nothing, and works on a read replica, too.
public struct PartitionCheck {
  private let request: CheckRequest
  /// Microseconds since 1970 by the server's clock, or as it was asked for.
  public private(set) var now: Int64 = 0

  public init(_ request: CheckRequest) { self.request = request }

  /// A report for each policy, in their order.
  public mutating func reports(on connection: borrowing Connection) throws -> [TableReport] {
    do { return try check(request.policies, on: connection) } catch let error as any Diagnosable
      where error.exitCode != .unavailable && request.policies.count > 1
    {
      // One table is the cause, and does not stop the others.
      return try request.policies.flatMap { policy in
        do { return try check([policy], on: connection) } catch let error as any Diagnosable
          where error.exitCode != .unavailable
        {
          return [Self.failed(policy, error, nil, connection.database)]
        }
      }
    }
  }

  private mutating func check(
    _ policies: [TablePolicy], on connection: borrowing Connection
  ) throws -> [TableReport] {
    // Compiling queries that run once takes longer than running them.
    try connection.execute(
      "ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL jit = off")
    let catalog = try PlanCatalog(policies.map(\.table), on: connection)
    now = request.now ?? catalog.now
    var run = PlanRun(catalog, now: now, database: connection.database)
    try run.consider(policies, on: connection)
    let roots = run.jobs.map(\.planner.table.root.oid)
    let facts = try SiblingFacts.read(below: roots, on: connection)
    let orphans = try OrphanSearch.orphans(of: roots, on: connection)
    var reports: [TableReport] = []
    for (policy, table) in zip(policies, catalog.tables) {
      if let failure = run.failures.first(where: { $0.policy.table.text == policy.table.text }) {
        reports.append(Self.failed(policy, failure.error, table, connection.database))
        continue
      }
      guard let job = run.jobs.first(where: { $0.policy.table.text == policy.table.text }) else {
        continue
      }
      let root = job.planner.table.root
      var report = TableReport(
        database: connection.database, schema: root.schema, table: root.name)
      report.partitions = job.planner.table.children(of: root).count
      cover(job, &report)
      try Self.count(job, on: connection, &report)
      StructureCheck(
        policy: policy, table: job.planner.table, facts: facts[root.oid] ?? [],
        orphans: orphans[root.oid] ?? [], model: Self.newest(job.planner)
      ).findings(into: &report)
      reports.append(report)
    }
    return reports
  }

  private func cover(_ job: PlanRun.Job, _ report: inout TableReport) {
    guard let answer = job.answer else { return }
    // What is archived may only be dropped once it has cooled, which takes another day.
    let patience = job.policy.retention.retirement == .archiveThenDrop ? 2 : 1
    let grace = job.planner.form.isTime ? Int64(request.grace) * 1000 * Int64(patience) : 0
    CoverageCheck(
      planner: job.planner, answer: answer, intention: job.intention, grace: grace
    ).findings(into: &report)
  }

  /// Rows of the default partitions at any level.
  private static func count(
    _ job: PlanRun.Job, on connection: borrowing Connection, _ report: inout TableReport
  ) throws {
    for node in defaults(of: job.planner.table, below: job.planner.table.root) {
      let rows = try DefaultRows.count(of: node.sqlName, on: connection)
      report.defaultRows = (report.defaultRows ?? 0) + rows
      guard rows > 0 else { continue }
      let isAll = rows < DefaultRows.limit
      let finding = Finding(
        .defaultRows, .warning,
        isAll ? "it has \(rows) rows that no other partition takes" : "it has \(rows) rows or more"
      ).of(schema: node.schema, name: node.name)
      report.findings.append(finding.with("rows", rows))
    }
  }

  private static func defaults(of table: CatalogTable, below node: CatalogNode) -> [CatalogNode] {
    table.children(of: node).flatMap { child in
      child.isDefault ? [child] : defaults(of: table, below: child)
    }
  }

  /// The partition that ends last; one without an end is somebody's own.
  private static func newest(_ planner: Planner) -> CatalogNode? {
    planner.lanes.flatMap(\.partitions).filter { !$0.node.isDetachPending }
      .max { ($0.extent.to ?? .min) < ($1.extent.to ?? .min) }?.node
  }

  private static func failed(
    _ policy: TablePolicy, _ error: any Diagnosable, _ table: CatalogTable?, _ database: String
  ) -> TableReport {
    var report = TableReport(
      database: database, schema: table?.root.schema ?? policy.table.schema,
      table: table?.root.name ?? policy.table.name)
    let detail = error.message + (error.detail.map { ": \($0)" } ?? "")
    report.findings.append(Finding(.notPartitioned, .error, detail))
    return report
  }
}
