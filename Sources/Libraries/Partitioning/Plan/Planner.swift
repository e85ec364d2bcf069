internal import Bytes
internal import Posix
internal import Postgres

/// What one table needs, decided from its policy, the catalog and the calendar, and from nothing
/// else.
///
/// Two steps, because the calendar is the server's: first the question, then, with its answer, the
/// intention.
struct Planner: Sendable {
  let policy: TablePolicy
  let table: CatalogTable
  /// Nil for a table without tenants.
  let tenants: [String]?
  let form: KeyForm
  let lanes: [Lane]
  private let listed: Set<[UInt8]>

  /// Throws a `Failure` (65) where the table is not cut as the policy says.
  init(_ policy: TablePolicy, _ table: CatalogTable, tenants: [String]?) throws(Failure) {
    let columns = (policy.tenants.map { [$0.column] } ?? []) + [policy.range.column]
    let form = try Self.form(of: policy.range, columns, table.root)
    (self.policy, self.table, self.tenants, self.form) = (policy, table, tenants, form)
    listed = Set((tenants ?? []).map { Array($0.utf8) })
    lanes = Lane.lanes(of: table.children(of: table.root), tenants: tenants, form)
  }

  /// Checks that a table is cut by range of `columns`, the last of which is the rule's.
  private static func form(
    of rule: RangeRule, _ columns: [String], _ node: CatalogNode
  ) throws(Failure) -> KeyForm {
    let name = node.sqlName
    guard node.kind == "p" else { throw Failure(.badInput, "table \(name) is not partitioned") }
    guard node.strategy == "r" else {
      throw Failure(.badInput, "table \(name) is not partitioned by range")
    }
    let key = node.key.map(\.name)
    guard key.starts(with: columns) else {
      throw Failure(
        .badInput, "the key of table \(name) is not the policy's",
        detail: "the table has (\(key.joined(separator: ", "))), "
          + "the policy (\(columns.joined(separator: ", ")))")
    }
    let type = node.key[columns.count - 1].type
    guard let form = KeyForm(rule.kind, type: type) else {
      throw Failure(
        .badInput, "column \"\(rule.column)\" of table \(name) is of type \(type)",
        detail: "the policy takes its key for \(rule.kind.words)")
    }
    return form
  }

  /// What is to be asked of the calendar.
  var question: ClockQuestion {
    let gaps = Set(lanes.filter(isListed).flatMap(\.gaps))
    return ClockQuestion(
      rule: policy.range, isZoned: form.isZoned, retention: policy.retention.keep,
      stretches: gaps.sorted { ($0.from ?? 0, $0.to ?? .max) < ($1.from ?? 0, $1.to ?? .max) })
  }

  /// What is to be made and what to be retired at the top of the table; parts of partitions come
  /// later.
  func intention(_ answer: ClockAnswer) throws(Failure) -> Intention {
    var intention = Intention()
    let ahead = try checked(answer.rangesAhead(premake: policy.range.premake))
    let past = try checked(answer.stretches.indices.flatMap(answer.ranges(ofStretch:)))
    for lane in lanes {
      if isListed(lane) {
        for piece in pieces(of: lane, ahead: ahead, past: past, answer) {
          intention.creations.append(creation(piece, lane.tenant, answer))
        }
      }
      addExpiries(of: lane, answer, to: &intention)
    }
    addOrphans(answer, to: &intention)
    if policy.defaultPartition != .none, table.defaultPartition(of: table.root) == nil {
      intention.creations.append(creation(defaultPartition))
    }
    return intention
  }

  /// True for a table without tenants, and where the policy names the tenant.
  private func isListed(_ lane: Lane) -> Bool {
    lane.tenant.map { tenant in listed.contains(Array(tenant.utf8)) } ?? true
  }

  /// Ranges in order, each once; throws a `Failure` (65) where the column has no such values.
  private func checked(_ ranges: [Extent]) throws(Failure) -> [Extent] {
    let name = table.root.sqlName
    for range in ranges {
      for position in [range.from ?? 0, range.to ?? 0] {
        guard form.holds(position) else {
          throw Failure(
            .badInput, "table \(name) cannot hold a range that ends at \(form.shown(position))",
            detail: "column \"\(policy.range.column)\" is of type \(form.type)")
        }
        guard form.shape != .date || position.isMultiple(of: 86_400_000_000) else {
          throw Failure(
            .badInput,
            "column \"\(policy.range.column)\" of table \(name) holds dates, "
              + "which have no hours", detail: "the interval is \(policy.range.intervalText)")
        }
      }
    }
    // What is finer than the column can tell is no range.
    let told = ranges.filter { form.text($0.from ?? 0) != form.text($0.to ?? 0) }
    return Set(told).sorted { ($0.from ?? 0) < ($1.from ?? 0) }
  }

  /// What a lane lacks: of the ranges ahead all, of those past what lies behind its first
  /// partition.
  private func pieces(
    of lane: Lane, ahead: [Extent], past: [Extent], _ answer: ClockAnswer
  ) -> [(extent: Extent, isWhole: Bool)] {
    let taken = lane.taken
    var pieces: [(extent: Extent, isWhole: Bool)] = []
    if let end = taken.first?.to {
      for range in past where range.to ?? 0 > end && range.from ?? 0 < ahead.first?.from ?? 0 {
        pieces += range.without(taken).filter { $0.from ?? 0 >= end }.map { ($0, $0 == range) }
      }
    }
    for range in ahead { pieces += range.without(taken).map { ($0, $0 == range) } }
    guard let cutoff = answer.cutoff else { return pieces }
    return pieces.filter { $0.extent.to ?? .max > cutoff }
  }

  private func creation(
    _ piece: (extent: Extent, isWhole: Bool), _ tenant: String?, _ answer: ClockAnswer
  ) -> Creation {
    let (from, to) = (piece.extent.from ?? 0, piece.extent.to ?? 0)
    var partition = newPartition(from, to, tenant)
    partition.name = name(tenant, from, isWhole: piece.isWhole, answer)
    partition.reason =
      from > answer.now ? "ahead" : to > answer.now ? "holds the present moment" : "a gap"
    return creation(partition)
  }

  private func newPartition(_ from: Int64, _ to: Int64, _ tenant: String?) -> NewPartition {
    let rest = table.root.key.count - (tenant == nil ? 1 : 2)
    let first = tenant.map { [PartitionBound.Limit.value($0)] } ?? []
    let last = [PartitionBound.Limit](repeating: .minimum, count: rest)
    let column = Quoting.identifier(policy.range.column)
    let tenantCondition = tenant.flatMap { tenant in
      policy.tenants.map { "\(Quoting.identifier($0.column)) = \(Quoting.literal(tenant)) AND " }
    }
    return NewPartition(
      schema: "", name: "",
      bound: .range(
        from: first + [.value(form.text(from))] + last, to: first + [.value(form.text(to))] + last),
      from: form.shown(from), to: form.shown(to),
      condition: (tenantCondition ?? "") + "\(column) IS NOT NULL AND "
        + "\(column) >= \(Quoting.literal(form.text(from)))"
        + " AND \(column) < \(Quoting.literal(form.text(to)))")
  }

  private var defaultPartition: NewPartition {
    NewPartition(
      schema: "", name: NamingTemplate.name(of: "default", in: table.root.name), bound: .default,
      from: nil,
      to: nil,
      condition: nil, reason: "takes what no other partition takes")
  }

  /// The newest of its siblings is what a new partition is made after.
  private func creation(_ partition: NewPartition) -> Creation {
    let siblings = table.children(of: table.root).filter { !$0.isDefault && !$0.isDetachPending }
    let newest =
      policy.inheritance.followsNewestSibling ? siblings.max { end(of: $0) < end(of: $1) } : nil
    let model = newest ?? table.root
    var partition = partition
    partition.schema = model.schema
    return Creation(
      parent: table.root, beside: table.defaultPartition(of: table.root), model: model,
      leafModel: newest.flatMap(table.firstLeaf), partition: partition)
  }

  private func end(of node: CatalogNode) -> Int64 {
    // One that goes on for ever is somebody's own.
    node.bound.map(extent)?.to ?? .min
  }

  /// The name of a new partition; one that is only a part of a range tells its beginning more
  /// exactly.
  func name(
    _ tenant: String?, _ from: Int64, isWhole: Bool, _ answer: ClockAnswer
  ) -> String {
    let start = NamedPartition.Start(
      from, form, policy.range, isWhole: isWhole, answer)
    return policy.naming.name(
      for: NamedPartition(table: table.root.name, tenant: tenant, from: start),
      isDistinct: !isWhole && !policy.naming.text.holds("{from}"))
  }
}

extension NamedPartition.Start {
  /// The beginning of a range, as exact as the rule's ranges need it.
  init(
    _ from: Int64, _ form: KeyForm, _ rule: RangeRule, isWhole: Bool, _ answer: ClockAnswer
  ) {
    guard form.shape != .integer, let usual = DatePrecision(of: rule) else {
      self = .number(from)
      return
    }
    let wall = answer.wallClock(from)
    let precision = isWhole ? usual : max(usual, DatePrecision(of: wall))
    self = .moment(wall, precision, isRepeated: answer.isRepeated(from, rule))
  }
}

extension DatePrecision {
  /// As coarse as tells all of `moment`, in microseconds since 1970, but a day at least.
  fileprivate init(of moment: Int64) {
    let units: [(Int64, DatePrecision)] = [
      (86_400_000_000, .day), (3_600_000_000, .hour), (60_000_000, .minute), (1_000_000, .second),
    ]
    self = units.first { moment.isMultiple(of: $0.0) }?.1 ?? .microsecond
  }
}

extension KeyKind {
  /// How messages call it.
  var words: String {
    switch self {
    case .time: "a time"
    case .integer: "an integer"
    case .epoch(let unit): "an integer that counts \(unit.rawValue) since 1970"
    case .uuid7: "a UUIDv7"
    case .ulid: "a ULID"
    case .snowflake: "a snowflake"
    }
  }
}
