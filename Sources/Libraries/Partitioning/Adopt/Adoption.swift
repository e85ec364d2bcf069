internal import JSON
public import Posix
public import Postgres

/// A plain table that is to be partitioned, or a partitioned one that was plain.
public struct Adoption: Sendable {
  private let policy: TablePolicy
  /// Ranges that the old rows' partition has beyond the one of the present moment, for rows that come until the swap.
  private let margin: Int

  /// Throws a `Failure` (65) where the policy is one of tenants, whose rows are not one range.
  public init(_ policy: TablePolicy, margin: Int) throws(Failure) {
    guard policy.tenants == nil else {
      throw Failure(
        .badInput, "table \(policy.table.text) has tenants, so its rows are not one range")
    }
    (self.policy, self.margin) = (policy, margin)
  }

  /// The steps that make it a partitioned table; nothing is changed on the server.
  ///
  /// Throws a `Failure` (65) that names what could not come along.
  public func steps(on connection: borrowing Connection) throws -> [Action] {
    let (catalog, version) = try read(on: connection)
    let node = catalog.root
    guard node.kind == "r" else {
      throw Failure(
        .badInput, "\(node.sqlName) is \(node.kind == "p" ? "partitioned already" : "no table")")
    }
    let form = try form(catalog)
    let table = QualifiedName(schema: node.schema, name: node.name)
    let history = QualifiedName(
      schema: node.schema,
      name: NamingTemplate.name(of: "history", in: node.name))
    try AdoptBlockers.refuse(
      table, try AdoptBlockers.ofAdoption(node.oid, column: policy.range.column, on: connection))
    guard try PlanFacts.taken([(history.schema, history.name)], on: connection).isEmpty else {
      throw Failure(.badInput, "the name \(history.sql) is taken")
    }
    let ranges = try ranges(catalog, node, form, on: connection)
    let upper = form.text(ranges.bound)
    let type = catalog.columns.first { $0.name == policy.range.column }?.type ?? ""
    let bound = PartitionBound.range(from: [.minimum], to: [.value(upper)])
    let sql = AdoptSQL(
      table: table, history: history, column: policy.range.column,
      bound: bound.text(types: [type]), upper: upper,
      facts: try AdoptFacts(node.oid, table: table, on: connection))
    let next = ranges.next.map {
      statements(of: $0, node, type, form, ranges.answer, sql.facts, version)
    }
    let place = ActionPlace(
      database: connection.database, table: node, parent: node, schema: history.schema,
      name: history.name, from: nil, to: form.shown(ranges.bound), bound: sql.bound)
    return steps(sql, place, next.flatMap { $0 })
  }

  private func steps(_ sql: AdoptSQL, _ place: ActionPlace, _ next: [String]) -> [Action] {
    let oid = place.table.oid
    let reasons: [(Action.Kind, [String], String)] = [
      (.adoptCheck, sql.check, "from here on no row comes that belongs behind the old ones"),
      (.adoptValidate, sql.validation, "rows that are there are looked at while others work"),
      (.adoptSwap, sql.swap + next, "the old rows become the first partition"),
    ]
    return reasons.map { kind, statements, reason in
      Action(
        kind,
        place.record(kind, sql: statements, reason: reason) { facts in
          facts.field("oid", oid)
          facts.field("column", sql.column)
        })
    }
  }

  /// The step that makes it a plain table again, while nothing but the old partition has rows.
  public func stepsBack(on connection: borrowing Connection) throws -> [Action] {
    let (catalog, _) = try read(on: connection)
    return [try AdoptReversal(of: catalog).step(on: connection)]
  }

  private func read(
    on connection: borrowing Connection
  ) throws -> (table: CatalogTable, serverVersion: Int) {
    try connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    let catalog = try PlanCatalog([policy.table], on: connection)
    guard let table = catalog.tables.first ?? nil else {
      throw Failure(.badInput, "table \(policy.table.text) does not exist")
    }
    // Definitions then name everything with its schema.
    try connection.execute("SET LOCAL search_path = ''")
    return (table, catalog.serverVersion)
  }

  private func form(_ catalog: CatalogTable) throws(Failure) -> KeyForm {
    let column = policy.range.column
    guard let found = catalog.columns.first(where: { $0.name == column }) else {
      throw Failure(
        .badInput, "column \"\(column)\" of table \(catalog.root.sqlName) does not exist")
    }
    guard let form = KeyForm(policy.range.kind, type: found.type) else {
      throw Failure(
        .badInput, "column \"\(column)\" of table \(catalog.root.sqlName) is of type \(found.type)",
        detail: "the policy takes its key for \(policy.range.kind.words)")
    }
    return form
  }
}

extension Adoption {
  /// Where the old rows' partition ends, and the ranges behind it.
  private struct Ranges {
    let bound: Int64
    let next: [Extent]
    let answer: ClockAnswer
  }

  private func ranges(
    _ table: CatalogTable, _ node: CatalogNode, _ form: KeyForm,
    on connection: borrowing Connection
  ) throws -> Ranges {
    let newest = try newest(node, form, on: connection)
    let question = ClockQuestion(
      rule: policy.range.with(premake: policy.range.premake + margin + 2), isZoned: form.isZoned,
      retention: nil, stretches: [])
    let answer: ClockAnswer
    if policy.range.kind.isTime {
      answer = try timeAnswer(question, newest, on: connection)
    } else {
      answer = try IntegerClock.answer(question, now: newest ?? 0)
    }
    let base = max(answer.now, newest ?? .min)
    let boundaries = answer.ahead.filter { $0 > base }
    guard boundaries.count > margin, form.holds(boundaries[margin]) else {
      throw Failure(.badInput, "no boundary of the policy lies behind the rows of \(node.sqlName)")
    }
    let ahead = Array(zip(boundaries[margin...], boundaries[(margin + 1)...]))
    let next = policy.sub == nil ? Array(ahead.prefix(policy.range.premake + 1)) : []
    return Ranges(
      bound: boundaries[margin], next: next.map { Extent(from: $0.0, to: $0.1) }, answer: answer)
  }

  /// The highest key as a position; nil where there are no rows.
  private func newest(
    _ node: CatalogNode, _ form: KeyForm, on connection: borrowing Connection
  ) throws -> Int64? {
    let key = Quoting.identifier(policy.range.column)
    // There is no max() of UUIDs before version 18.
    let rows = try connection.query(
      """
      SELECT (SELECT t.\(key)::text FROM \(node.sqlName) t WHERE t.\(key) IS NOT NULL
          ORDER BY t.\(key) DESC LIMIT 1),
        EXISTS (SELECT FROM \(node.sqlName) WHERE \(key) IS NULL)
      """)
    guard !rows.boolean(0, 1) else {
      throw Failure(.badInput, "rows of \(node.sqlName) have no value in column \(key)")
    }
    guard let text = rows.string(0, 0) else { return nil }
    guard let found = form.position(text) else {
      throw Failure(.badInput, "a row of \(node.sqlName) has \(text) in column \(key)")
    }
    return found.position
  }

  /// Counts from the newest row on where that lies ahead of the present moment.
  private func timeAnswer(
    _ question: ClockQuestion, _ newest: Int64?, on connection: borrowing Connection
  ) throws -> ClockAnswer {
    let now = Int64(
      try connection.query("SELECT (extract(epoch FROM now()) * 1000000)::bigint").text(0, 0))
    let answer = try PlanClock.answers([question], now: now ?? 0, on: connection)[0]
    guard let now, let newest, newest > answer.now else { return answer }
    return try PlanClock.answers([question], now: now + newest - answer.now, on: connection)[0]
  }

  /// What makes a partition behind the old one.
  private func statements(
    of extent: Extent, _ node: CatalogNode, _ type: String, _ form: KeyForm, _ answer: ClockAnswer,
    _ facts: AdoptFacts, _ version: Int
  ) -> [String] {
    guard let from = extent.from, let to = extent.to, form.holds(to) else { return [] }
    var parent = node
    parent.key = [(policy.range.column, type)]
    let start = NamedPartition.Start(from, form, policy.range, isWhole: true, answer)
    let name = policy.naming.name(for: NamedPartition(table: node.name, from: start))
    let partition = NewPartition(
      schema: node.schema, name: name,
      bound: .range(from: [.value(form.text(from))], to: [.value(form.text(to))]))
    var rule = policy.inheritance
    // The table above them is published.
    rule.publications = rule.publications ?? []
    return CreationSQL(
      creation: Creation(
        parent: parent, beside: nil, model: node, leafModel: node, partition: partition),
      rule: rule, model: facts.model, leafModel: facts.model, serverVersion: version,
      isDrained: false
    ).statements
  }
}

extension RangeRule {
  fileprivate func with(premake: Int) -> RangeRule {
    var rule = self
    (rule.premake, rule.horizon) = (premake, nil)
    return rule
  }
}
