internal import Posix
internal import Postgres

/// One look at the server, and what follows from it for all tables.
struct PlanRun {
  /// A table on its way from its policy to its actions.
  struct Job {
    let policy: TablePolicy
    let planner: Planner
    var answer: ClockAnswer?
    var intention = Intention()
  }

  private let catalog: PlanCatalog
  /// Microseconds since 1970.
  private let now: Int64
  private let database: String
  private(set) var jobs: [Job] = []
  private(set) var failures: [(policy: TablePolicy, error: any Diagnosable)] = []
  private(set) var warnings: [String] = []

  init(_ catalog: PlanCatalog, now: Int64, database: String) {
    (self.catalog, self.now, self.database) = (catalog, now, database)
  }

  mutating func actions(
    _ policies: [TablePolicy], on connection: borrowing Connection
  ) throws -> [Action] {
    try consider(policies, on: connection)
    try checkNames(on: connection)
    for job in jobs {
      for note in job.intention.notes {
        switch note.severity {
        case .warning: warnings.append(note.text)
        case .error: failures.append((job.policy, Failure(.badInput, note.text)))
        }
      }
    }
    return try creations(on: connection) + expiries(on: connection)
  }

  /// Finds out what the policies want, as far as the intentions of `jobs`.
  mutating func consider(_ policies: [TablePolicy], on connection: borrowing Connection) throws {
    for (policy, table) in zip(policies, catalog.tables) {
      try attempt(policy) {
        guard let table else {
          throw Failure(.badInput, "table \(policy.table.text) does not exist")
        }
        let tenants = try policy.tenants.map { try Self.tenants($0, table, on: connection) }
        return Job(policy: policy, planner: try Planner(policy, table, tenants: tenants))
      }
    }
    try askClocks(on: connection)
    try form(on: connection)
  }

  /// Adds the job that `make` returns, or notes why there is none.
  ///
  /// What the server refuses ends the transaction, and so the run.
  private mutating func attempt(_ policy: TablePolicy, _ make: () throws -> Job) throws {
    do { jobs.append(try make()) } catch let error as Failure { failures.append((policy, error)) }
  }

  private static func tenants(
    _ rule: TenantRule, _ table: CatalogTable, on connection: borrowing Connection
  ) throws -> [String] {
    guard case .query(let sql) = rule.source else {
      guard case .list(let names) = rule.source else { return [] }
      let type = table.columns.first { $0.name == rule.column }?.type ?? ""
      return names.map { canonical($0, type) }
    }
    let rows = try connection.query(
      """
      SELECT DISTINCT t.v::text COLLATE "C" FROM (
      \(sql)
      ) AS t (v) WHERE t.v IS NOT NULL ORDER BY 1
      """
    )
    return (0..<rows.count).map { row in rows.text(row, 0) }
  }

  /// A tenant as the server prints it in a bound.
  private static func canonical(_ text: String, _ type: String) -> String {
    switch type {
    case "int2", "int4", "int8": Int64(text).map { "\($0)" } ?? text
    case "uuid": text.lowercased()
    default: text
    }
  }

  /// Asks the calendar for all tables at once, and integer keys for their highest value.
  private mutating func askClocks(on connection: borrowing Connection) throws {
    let timed = jobs.indices.filter { jobs[$0].policy.range.kind.isTime }
    let answers = try PlanClock.answers(
      timed.map { jobs[$0].planner.question }, now: now, on: connection)
    for (index, answer) in zip(timed, answers) { jobs[index].answer = answer }
    for index in jobs.indices where !jobs[index].policy.range.kind.isTime {
      let job = jobs[index]
      let highest = try IntegerClock.now(
        job.planner.table, job.policy.range.column, on: connection)
      do { jobs[index].answer = try IntegerClock.answer(job.planner.question, now: highest) } catch
      {
        failures.append((job.policy, error))
      }
    }
  }

  /// From answers to intentions, the parts of partitions included.
  private mutating func form(on connection: borrowing Connection) throws {
    var asked: [(job: Int, level: Int, question: ClockQuestion)] = []
    var parts: [Int: PartsPlan] = [:]
    for index in jobs.indices {
      guard let answer = jobs[index].answer else { continue }
      do throws(Failure) {
        let intention = try jobs[index].planner.intention(answer)
        let plan = try PartsPlan(jobs[index].planner)
        let span = jobs[index].planner.span(intention)
        asked += plan.questions(span: span).map { (index, $0.level, $0.question) }
        parts[index] = plan
        jobs[index].intention = intention
      } catch { failures.append((jobs[index].policy, error)) }
    }
    let timed = asked.filter { $0.question.rule.kind.isTime }
    let answers = try PlanClock.answers(timed.map(\.question), now: now, on: connection)
    for (ask, answer) in zip(timed, answers) { parts[ask.job]?.learn(answer, level: ask.level) }
    for ask in asked where !ask.question.rule.kind.isTime {
      let highest = try IntegerClock.now(
        jobs[ask.job].planner.table, ask.question.rule.column, on: connection)
      do throws(Failure) {
        parts[ask.job]?.learn(
          try IntegerClock.answer(ask.question, now: highest), level: ask.level)
      } catch { failures.append((jobs[ask.job].policy, error)) }
    }
    for (index, plan) in parts { jobs[index].planner.addParts(plan, to: &jobs[index].intention) }
  }

  /// Leaves out the creations of tables whose new names are not free or not distinct.
  private mutating func checkNames(on connection: borrowing Connection) throws {
    let names = jobs.map { job in job.intention.creations.flatMap { $0.partition.allNames } }
    var seen = try PlanFacts.taken(names.flatMap { $0 }, on: connection)
    for index in jobs.indices {
      for (schema, name) in names[index] {
        let shown = Quoting.qualified(schema, name)
        guard seen.insert(shown).inserted else {
          failures.append(
            (
              jobs[index].policy,
              Failure(
                .badInput, "the name \(shown) for a new partition is taken",
                hint: "Rename what has it, or give the policy another name template.")
            ))
          jobs[index].intention.creations = []
          break
        }
      }
    }
  }

  private mutating func creations(on connection: borrowing Connection) throws -> [Action] {
    let all = jobs.flatMap(\.intention.creations)
    if all.isEmpty { return [] }
    let models = try SiblingModel.read(
      Array(Set(all.flatMap { [$0.model.oid, ($0.leafModel ?? $0.model).oid] })), on: connection)
    var actions: [Action] = []
    for job in jobs where !job.intention.creations.isEmpty {
      let rows = try rowsInTheWay(job.intention.creations, on: connection)
      for (index, creation) in job.intention.creations.enumerated() {
        guard let model = models[creation.model.oid] else { continue }
        let leaf = models[(creation.leafModel ?? creation.model).oid] ?? model
        let sql = CreationSQL(
          creation: creation, rule: job.policy.inheritance, model: model, leafModel: leaf,
          serverVersion: catalog.serverVersion, isDrained: rows[index] > 0)
        guard rows[index] == 0 || job.policy.defaultPartition == .drain else {
          warnings.append(
            "partition \(creation.partition.name) is left out: "
              + "\(rows[index]) of its rows are in \(creation.beside?.sqlName ?? "the default")")
          continue
        }
        actions.append(
          CreationAction(creation, sql, job.planner.table.root, database, rows[index]).action)
      }
    }
    return actions
  }

  /// For each creation the rows that it would take from a default partition.
  private func rowsInTheWay(
    _ creations: [Creation], on connection: borrowing Connection
  ) throws -> [Int] {
    var counts = [Int](repeating: 0, count: creations.count)
    let groups = Dictionary(grouping: creations.indices) { creations[$0].beside?.oid ?? "" }
    for (oid, places) in groups where !oid.isEmpty {
      let asked = places.filter { creations[$0].partition.condition != nil }
      guard let table = creations[places[0]].beside, !asked.isEmpty else { continue }
      let conditions = asked.compactMap { creations[$0].partition.condition }
      let found = try PlanFacts.rows(in: table, conditions, on: connection)
      for (place, rows) in zip(asked, found) { counts[place] = rows }
    }
    return counts
  }

  private func expiries(on connection: borrowing Connection) throws -> [Action] {
    let all = jobs.flatMap { job in job.intention.expiries.map { (job, $0) } }
    let facts = try PlanFacts.listed(all.map { ($0.0.planner.table, $0.1) }, on: connection)
    return all.flatMap { job, expiry in
      ExpiryActions(
        expiry: expiry, table: job.planner.table, database: database,
        retirement: job.policy.retention.retirement, serverVersion: catalog.serverVersion,
        physical: facts.physical, listed: facts.records
      ).actions
    }
  }
}

extension NewPartition {
  /// Its name and those of all its parts.
  var allNames: [(schema: String, name: String)] { [(schema, name)] + parts.flatMap(\.allNames) }
}
