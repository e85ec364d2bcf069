internal import Posix
internal import Postgres

/// How partitions of one table are cut in turn: the policy's rule with what the catalog and the
/// calendar add.
struct PartsPlan: Sendable {
  /// One level, the first below the table's partitions first.
  struct Level: Sendable {
    let rule: SubRule
    let column: String
    let type: String
    /// Of a level that is cut by range; nil otherwise.
    let form: KeyForm?
    /// True where it cuts the column further that the table itself is cut by.
    let isFiner: Bool
    var answer: ClockAnswer?
  }

  let policy: TablePolicy
  private(set) var levels: [Level] = []

  /// Throws a `Failure` (65) where a column is not there or holds no such keys.
  init(_ planner: Planner) throws(Failure) {
    policy = planner.policy
    var next = policy.sub
    while let rule = next {
      let name = rule.column
      guard let column = planner.table.columns.first(where: { $0.name == name }) else {
        throw Failure(
          .badInput, "column \"\(name)\" of table \(planner.table.root.sqlName) does not exist")
      }
      var form: KeyForm?
      if case .range(let range, _) = rule {
        form = KeyForm(range.kind, type: column.type)
        if form == nil {
          throw Failure(
            .badInput,
            "column \"\(name)\" of table \(planner.table.root.sqlName) is of type "
              + column.type, detail: "the policy takes its key for \(range.kind.words)")
        }
      }
      let isFiner = name == policy.range.column
      levels.append(
        Level(rule: rule, column: name, type: column.type, form: form, isFiner: isFiner))
      next = rule.sub
    }
  }

  /// What is to be asked of the calendar for each level that is cut by range; `span` covers all
  /// partitions.
  func questions(span: Extent) -> [(level: Int, question: ClockQuestion)] {
    levels.indices.compactMap { index in
      guard case .range(let rule, _) = levels[index].rule, let form = levels[index].form else {
        return nil
      }
      let stretches = levels[index].isFiner ? [span] : []
      return (
        index,
        ClockQuestion(
          rule: rule, isZoned: form.isZoned, retention: nil, stretches: stretches, isClipped: false)
      )
    }
  }

  mutating func learn(_ answer: ClockAnswer, level: Int) { levels[level].answer = answer }

  /// How a partition above a level is cut, as `LIST ("region")`; nil where it is not.
  func partitionBy(_ level: Int) -> String? {
    guard level < levels.count else { return nil }
    let column = Quoting.identifier(levels[level].column)
    switch levels[level].rule {
    case .list: return "LIST (\(column))"
    case .hash: return "HASH (\(column))"
    case .range: return "RANGE (\(column))"
    }
  }

  /// All partitions that are to be below one; `extent` is that one's in the table's own key.
  func parts(_ level: Int, schema: String, below name: String, in extent: Extent) -> [NewPartition]
  {
    guard level < levels.count else { return [] }
    return single(level, schema: schema, below: name, in: extent).map { part, inner in
      deepened(part, level, inner)
    }
  }

  /// A partition of a level with all that is to be below it.
  private func deepened(_ part: NewPartition, _ level: Int, _ extent: Extent) -> NewPartition {
    var part = part
    part.partitionBy = partitionBy(level + 1)
    part.parts = parts(level + 1, schema: part.schema, below: part.name, in: extent)
    return part
  }

  /// One level's partitions, with their extents in the table's own key.
  private func single(
    _ level: Int, schema: String, below name: String, in extent: Extent
  ) -> [(part: NewPartition, extent: Extent)] {
    let column = Quoting.identifier(levels[level].column)
    switch levels[level].rule {
    case .list(_, let groups, _):
      return groups.map { values in
        (
          NewPartition(
            schema: schema, name: NamingTemplate.name(of: label(values), in: name),
            bound: .list(values),
            condition: condition(column, values)), extent
        )
      }
    case .hash(_, let modulus, _):
      return (0..<modulus).map { remainder in
        (
          NewPartition(
            schema: schema, name: NamingTemplate.name(of: "\(remainder)", in: name),
            bound: .hash(modulus: modulus, remainder: remainder)), extent
        )
      }
    case .range(let rule, _):
      return ranges(level, rule, in: extent).map { piece in
        let part = rangePart(level, rule, piece, schema, name)
        return (part, levels[level].isFiner ? piece : extent)
      }
    }
  }

  private func label(_ values: [String?]) -> String {
    values.map { $0 ?? "null" }.joined(separator: "_")
  }

  private func condition(_ column: String, _ values: [String?]) -> String {
    let some = values.compactMap { $0 }.map(Quoting.literal).joined(separator: ", ")
    let parts =
      (some.isEmpty ? [] : ["\(column) IN (\(some))"])
      + (values.contains(nil) ? ["\(column) IS NULL"] : [])
    return parts.joined(separator: " OR ")
  }

  /// The ranges of a level: of a finer one all in `extent`, otherwise those ahead.
  private func ranges(_ level: Int, _ rule: RangeRule, in extent: Extent) -> [Extent] {
    guard let answer = levels[level].answer, let form = levels[level].form else { return [] }
    guard levels[level].isFiner else { return answer.rangesAhead(premake: rule.premake) }
    var pieces: [Extent] = []
    guard let boundaries = answer.stretches.first else { return [] }
    for (from, to) in zip(boundaries, boundaries.dropFirst()) {
      let piece = Extent(
        from: max(from, extent.from ?? .min), to: min(to, extent.to ?? .max))
      if !piece.isEmpty, form.text(piece.from ?? 0) != form.text(piece.to ?? 0) {
        pieces.append(piece)
      }
    }
    return pieces
  }

  private func rangePart(
    _ level: Int, _ rule: RangeRule, _ piece: Extent, _ schema: String, _ table: String
  ) -> NewPartition {
    let (from, to) = (piece.from ?? 0, piece.to ?? 0)
    guard let form = levels[level].form, let answer = levels[level].answer else {
      return NewPartition(schema: schema, name: table, bound: .default)
    }
    let column = Quoting.identifier(levels[level].column)
    let isWhole = answer.stretches.first.map { $0.contains(from) } ?? true
    let start = NamedPartition.Start(from, form, rule, isWhole: isWhole, answer)
    let name = NamingTemplate.standard.name(for: NamedPartition(table: table, from: start))
    return NewPartition(
      schema: schema, name: name,
      bound: .range(from: [.value(form.text(from))], to: [.value(form.text(to))]),
      from: form.shown(from), to: form.shown(to),
      condition: "\(column) IS NOT NULL AND \(column) >= \(Quoting.literal(form.text(from)))"
        + " AND \(column) < \(Quoting.literal(form.text(to)))")
  }

  /// What a partition that is there lacks below it.
  func missing(
    _ level: Int, below node: CatalogNode, in extent: Extent, _ table: CatalogTable,
    _ intention: inout Intention
  ) {
    guard level < levels.count, node.kind == "p" else { return }
    let letter =
      switch levels[level].rule {
      case .list: "l"
      case .hash: "h"
      case .range: "r"
      }
    guard node.strategy == letter, node.key.first?.name == levels[level].column else {
      return intention.fail("the key of partition \(node.sqlName) is not the policy's")
    }
    let children = table.children(of: node)
    for (part, inner) in single(level, schema: node.schema, below: node.name, in: extent) {
      if let found = children.first(where: { same($0.bound, part.bound, level) }) {
        missing(level + 1, below: found, in: inner, table, &intention)
      } else if let other = children.first(where: { overlaps($0.bound, part.bound, level) }) {
        // A user's own, wider range is as good.
        if case .range = part.bound { continue }
        intention.warn(
          "partition \(other.sqlName) is in the way of \(part.bound.text(types: []))")
      } else {
        var new = deepened(part, level, inner)
        new.reason = "missing below \(node.name)"
        let leaf = policy.inheritance.followsNewestSibling ? table.firstLeaf(of: node) : nil
        intention.creations.append(
          Creation(
            parent: node, beside: children.first(where: \.isDefault), model: leaf ?? node,
            leafModel: leaf, partition: new))
      }
    }
  }

  private func same(_ a: PartitionBound?, _ b: PartitionBound, _ level: Int) -> Bool {
    guard let form = levels[level].form, case .range(let from, let to)? = a,
      case .range(let otherFrom, let otherTo) = b
    else {
      if case .list(let values)? = a, case .list(let others) = b {
        return Set(values) == Set(others)
      }
      return a == b
    }
    return Extent(from[...], to[...], form) == Extent(otherFrom[...], otherTo[...], form)
  }

  private func overlaps(_ a: PartitionBound?, _ b: PartitionBound, _ level: Int) -> Bool {
    switch (a, b) {
    case (.list(let values)?, .list(let others)): !Set(values).isDisjoint(with: Set(others))
    case (.hash(let m, let r)?, .hash(let n, let s)): r % gcd(m, n) == s % gcd(m, n)
    case (.range(let from, let to)?, .range(let otherFrom, let otherTo)):
      levels[level].form.map { form in
        let whole = Extent(otherFrom[...], otherTo[...], form)
        return whole.without([Extent(from[...], to[...], form)]) != [whole]
      } ?? false
    default: false
    }
  }

  private func gcd(_ a: Int, _ b: Int) -> Int { b == 0 ? max(1, a) : gcd(b, a % b) }
}

extension SubRule {
  var column: String {
    switch self {
    case .list(let column, _, _), .hash(let column, _, _): column
    case .range(let rule, _): rule.column
    }
  }

  var sub: SubRule? {
    switch self {
    case .list(_, _, let sub), .hash(_, _, let sub), .range(_, let sub): sub
    }
  }
}
