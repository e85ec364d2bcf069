internal import Posix
internal import Postgres

/// The boundaries of integer keys: multiples of the step, counted from the start.
enum IntegerClock {
  /// The highest value in the table stands for the present moment; of an empty table that is 0.
  ///
  /// What is in the default partition does not count, unless there is nothing else: a single stray value would make all
  /// others old.
  static func now(
    _ table: CatalogTable, _ column: String, on connection: borrowing Connection
  ) throws -> Int64 {
    let (root, name) = (table.root, Quoting.identifier(column))
    let others = table.children(of: root).filter { !$0.isDefault }
    // One by one, so that an index tells of each, where there is one.
    let sources = table.defaultPartition(of: root) == nil ? [root] : others
    let text = try highest(name, sources, on: connection) ?? highest(name, [root], on: connection)
    guard let text else { return 0 }
    guard let value = Int64(text) else {
      throw Failure(.badInput, "\(text) in table \(root.sqlName) is out of range")
    }
    return value
  }

  private static func highest(
    _ column: String, _ tables: [CatalogNode], on connection: borrowing Connection
  ) throws -> String? {
    if tables.isEmpty { return nil }
    let queries = tables.map { "SELECT max(\(column)) AS m FROM \($0.sqlName)" }
    return try connection.query(
      "SELECT max(m)::numeric::text FROM (\(queries.joined(separator: " UNION ALL "))) AS t"
    ).string(0, 0)
  }

  /// Throws a `Failure` (65) where numbers become too large, or a stretch has too many boundaries.
  static func answer(
    _ question: ClockQuestion, now: Int64
  ) throws(Failure) -> ClockAnswer {
    guard case .count(let step) = question.rule.step, step > 0,
      let start = Int64(question.rule.start ?? "0"), let keep = Int64(question.retention ?? "0"),
      let wanted = Int64(exactly: question.rule.premake)
    else { throw Failure(.badInput, "the policy of an integer key has no numbers") }
    let reach = step.multipliedReportingOverflow(by: wanted + 3)
    // Nothing overflows where everything is below a quarter of the largest number.
    let limit = Int64.max / 4
    guard !reach.overflow,
      [reach.partialValue, start, now, keep].allSatisfy({ $0.magnitude < limit.magnitude })
    else { throw Failure(.badInput, "the ranges would leave the numbers that the key can hold") }
    let cutoff = question.retention.map { _ in now - keep }
    let floor = { (value: Int64) in start + (value - start).floored(by: step) * step }
    var answer = ClockAnswer(
      now: now, cutoff: cutoff, horizon: nil, ahead: [], stretches: [])
    answer.ahead = (0...wanted + 2).map { floor(now) + $0 * step }
    for stretch in question.stretches {
      let from = max(stretch.from ?? now, (question.isClipped ? cutoff : nil) ?? .min)
      let to = min(stretch.to ?? now, question.isClipped ? now : .max)
      guard from < to, from.magnitude < limit.magnitude, to.magnitude < limit.magnitude else {
        answer.stretches.append([])
        continue
      }
      guard (to - from) / step < PlanClock.maxBoundaries else {
        throw Failure(
          .badInput, "steps of \(step) make more than \(PlanClock.maxBoundaries) ranges")
      }
      answer.stretches.append(
        Array(stride(from: floor(from), through: floor(to - 1) + step, by: Int64.Stride(step))))
    }
    return answer
  }
}
