import Filter
import Posix
import Testing

@testable import Partitioning

/// Positions of days in January 2024.
private func day(_ number: Int64) -> Int64 { (19_722 + number) * 86_400_000_000 }

private func node(
  _ name: String, _ bound: String?, oid: String? = nil, parent: String? = "1", pending: Bool = false
) throws -> CatalogNode {
  CatalogNode(
    oid: oid ?? name, parent: parent, schema: "public", name: name, kind: parent == nil ? "p" : "r",
    boundText: bound, bound: try bound.map { try PartitionBound(parsing: $0) },
    isDetachPending: pending)
}

/// A table cut by a `timestamptz` column; partitions are given by name and bound.
private func table(
  _ partitions: [(String, String)], key: [(name: String, type: String)] = [("at", "timestamptz")]
) throws -> CatalogTable {
  var root = try node("events", nil, oid: "1", parent: nil)
  (root.strategy, root.key) = ("r", key)
  return CatalogTable(
    root: root, columns: key, nodes: try partitions.map { try node($0.0, $0.1) })
}

private func policy(_ change: (inout TablePolicy) -> Void = { _ in }) throws -> TablePolicy {
  var policy = TablePolicy(
    table: try TableName(parsing: "events"),
    range: RangeRule(column: "at", step: .interval("1 day")))
  policy.range.premake = 1
  change(&policy)
  return policy
}

/// The answer of a calendar of days in UTC.
private func answer(_ planner: Planner, now: Int64, keep days: Int64? = nil) -> ClockAnswer {
  let width: Int64 = 86_400_000_000
  let today = now / width * width
  let cutoff = days.map { now - $0 * width }
  return ClockAnswer(
    now: now, cutoff: cutoff, horizon: nil, ahead: (0...6).map { today + $0 * width },
    stretches: planner.question.stretches.map { stretch in
      let from = max(stretch.from ?? 0, cutoff ?? 0) / width * width
      return Array(
        stride(from: from, through: min(stretch.to ?? now, now) + width, by: 86_400_000_000))
    })
}

private func bound(_ from: Int, _ to: Int) -> String {
  let text = { (day: Int) in "'2024-01-\(day < 10 ? "0" : "")\(day) 00:00:00+00'" }
  return "FOR VALUES FROM (\(text(from))) TO (\(text(to)))"
}

private func created(_ intention: Intention) -> [String] {
  intention.creations.map(\.partition.name)
}

@Suite struct PlannerTests {
  @Test func aTableWithoutTenantsGetsPartitionsP1() throws {
    let planner = try Planner(policy(), table([]), tenants: nil)
    let intention = try planner.intention(answer(planner, now: day(10) + 5))
    #expect(created(intention) == ["events_20240110", "events_20240111"])
    #expect(
      intention.creations[0].partition.bound.text(types: ["timestamptz"]) == bound(10, 11))
  }

  @Test func rangesAreAlignedWhateverTheTimeOfDayP2() throws {
    let planner = try Planner(policy(), table([("a", bound(10, 11))]), tenants: nil)
    let late = try planner.intention(answer(planner, now: day(11) - 1))
    #expect(created(late) == ["events_20240111"])
  }

  @Test func victimsAreFoundByBoundsNeverByNamesP3() throws {
    let planner = try Planner(
      policy { $0.retention.keepAtLeast = 0 },
      table([("events_20230101", bound(9, 10)), ("x", bound(2, 3))]), tenants: nil)
    let intention = try planner.intention(answer(planner, now: day(10), keep: 3))
    #expect(intention.expiries.map(\.node.name) == ["x"])
  }

  @Test(arguments: [(5, false), (6, true)])
  func theUpperBoundCountsP4(age: Int, isOver: Bool) throws {
    let planner = try Planner(
      policy { $0.retention.keepAtLeast = 0 }, table([("a", bound(3, 4))]), tenants: nil)
    let now = day(4 + Int64(age)) + (isOver ? 0 : 86_399_999_999)
    let intention = try planner.intention(answer(planner, now: now, keep: 6))
    #expect(intention.expiries.isEmpty == !isOver)
  }

  @Test func withoutRetentionNothingIsRetiredG3() throws {
    let planner = try Planner(
      policy { $0.retention.keepAtLeast = 0 }, table([("a", bound(3, 4))]), tenants: nil)
    #expect(try planner.intention(answer(planner, now: day(25))).expiries.isEmpty)
  }

  @Test func whatHasNoEndAndTheDefaultAreNeverRetired() throws {
    let planner = try Planner(
      policy { $0.retention.keepAtLeast = 0 },
      table([
        ("d", "DEFAULT"), ("m", "FOR VALUES FROM ('2024-01-03 00:00:00+00') TO (MAXVALUE)"),
      ]), tenants: nil)
    #expect(try planner.intention(answer(planner, now: day(25), keep: 1)).expiries.isEmpty)
  }

  @Test func theNewestStay() throws {
    let planner = try Planner(
      policy { $0.retention.keepAtLeast = 2 },
      table([("a", bound(1, 2)), ("b", bound(2, 3)), ("c", bound(3, 4)), ("z", bound(28, 29))]),
      tenants: nil)
    let intention = try planner.intention(answer(planner, now: day(25), keep: 1))
    #expect(intention.expiries.map(\.node.name) == ["a"])
  }

  @Test func gapsAreFilledAndWhatIsThereClips() throws {
    let planner = try Planner(
      policy(), table([("a", bound(3, 4)), ("b", bound(6, 9)), ("c", bound(12, 20))]), tenants: nil)
    let intention = try planner.intention(answer(planner, now: day(11) + 1))
    #expect(
      created(intention) == [
        "events_20240104", "events_20240105", "events_20240109", "events_20240110",
        "events_20240111",
      ])
  }

  @Test func aPendingDetachIsFinishedThoughNotDue() throws {
    var root = try node("events", nil, oid: "1", parent: nil)
    (root.strategy, root.key) = ("r", [("at", "timestamptz")])
    let pending = try node("a", bound(9, 10), pending: true)
    let planner = try Planner(
      policy(), CatalogTable(root: root, columns: [], nodes: [pending]), tenants: nil)
    let intention = try planner.intention(answer(planner, now: day(10)))
    #expect(intention.expiries.map(\.isDue) == [false])
  }

  @Test func eachTenantHasALaneAndLettersOfEitherCaseDifferG4() throws {
    let key = [(name: "t", type: "text"), (name: "at", type: "timestamptz")]
    let there =
      "FOR VALUES FROM ('a', '2024-01-10 00:00:00+00') TO ('a', '2024-01-11 00:00:00+00')"
    let planner = try Planner(
      policy {
        $0.tenants = TenantRule(column: "t", source: .list(["a", "A"]))
        $0.naming = .standardForTenants
      }, table([("x", there)], key: key), tenants: ["a", "A"])
    let intention = try planner.intention(answer(planner, now: day(10)))
    #expect(
      created(intention) == ["events_a_20240111", "events_A_20240110", "events_A_20240111"])
  }

  @Test func aDefaultIsMadeLastAndOnlyOnce() throws {
    let wanted = try policy { $0.defaultPartition = .keep }
    let planner = try Planner(wanted, table([]), tenants: nil)
    #expect(created(try planner.intention(answer(planner, now: day(10)))).last == "events_default")
    let again = try Planner(wanted, table([("d", "DEFAULT")]), tenants: nil)
    #expect(!created(try again.intention(answer(again, now: day(10)))).contains("events_default"))
  }

  @Test(arguments: ["id", "AT", ""])
  func anotherKeyIsRefused(column: String) throws {
    #expect(throws: Failure.self) {
      try Planner(policy(), table([], key: [(column, "timestamptz")]), tenants: nil)
    }
  }

  @Test func integersAreNoTimes() throws {
    #expect(throws: Failure.self) {
      try Planner(policy(), table([], key: [("at", "int8")]), tenants: nil)
    }
  }
}

@Suite struct ExtentTests {
  private func extent(_ from: Int64?, _ to: Int64?) -> Extent { Extent(from: from, to: to) }

  @Test func takesAwayWhatIsTaken() {
    let whole = extent(10, 20)
    #expect(whole.without([]) == [whole])
    #expect(whole.without([extent(0, 10), extent(20, nil)]) == [whole])
    #expect(whole.without([extent(12, 14)]) == [extent(10, 12), extent(14, 20)])
    #expect(whole.without([extent(nil, 12), extent(18, nil)]) == [extent(12, 18)])
    #expect(whole.without([extent(0, 15), extent(15, 30)]) == [])
    #expect(whole.without([extent(nil, nil)]) == [])
  }
}

@Suite struct KeyFormTests {
  @Test(arguments: [
    (KeyKind.time, "date", "2024-01-31"), (.time, "timestamp", "2024-01-31 10:11:12.5"),
    (.time, "timestamptz", "2024-01-31 10:11:12+00"), (.epoch(.seconds), "int4", "1706659200"),
    (.epoch(.nanoseconds), "int8", "1706659200000001000"), (.integer, "int8", "-5"),
    (.uuid7, "uuid", "018d5d2b-8a00-0000-0000-000000000000"),
    (.ulid, "text", "01HNEJQ2G00000000000000000"),
    (.snowflake(epoch: 1_420_070_400_000), "int8", "1202073246103502848"),
    (.time, "timestamptz", "12024-02-29 00:00:00+00"),
  ])
  func writesWhatItReads(kind: KeyKind, type: String, text: String) throws {
    let form = try #require(KeyForm(kind, type: type))
    let found = try #require(form.position(text))
    #expect(found.isExact)
    #expect(form.text(found.position) == text)
  }

  @Test(arguments: ["infinity", "-infinity", "0044-03-15 BC", "", "2024-13-01", "2024-01-01 1:2"])
  func hasNoPositionForOthers(text: String) {
    #expect(KeyForm(.time, type: "timestamp")?.position(text) == nil)
  }

  @Test func knowsWhatAColumnCanHold() throws {
    let form = try #require(KeyForm(.epoch(.seconds), type: "int4"))
    #expect(form.holds(2_147_483_647_000_000))
    #expect(!form.holds(2_147_483_648_000_000))
    #expect(KeyForm(.uuid7, type: "text") == nil)
    #expect(KeyForm(.time, type: "int8") == nil)
  }
}

@Suite struct IntegerClockTests {
  private func question(_ step: Int64, start: String? = nil, keep: String? = nil) -> ClockQuestion {
    var rule = RangeRule(column: "id", step: .count(step))
    (rule.kind, rule.start, rule.premake) = (.integer, start, 1)
    return ClockQuestion(
      rule: rule, isZoned: false, retention: keep, stretches: [Extent(from: 10, to: nil)])
  }

  @Test func countsFromItsStartAlsoBelowZero() throws {
    let answer = try IntegerClock.answer(question(100, start: "5"), now: -7)
    #expect(answer.rangesAhead(premake: 1).map(\.from) == [-95, 5])
    #expect(try IntegerClock.answer(question(10, keep: "15"), now: 47).cutoff == 32)
    #expect(try IntegerClock.answer(question(10), now: 47).stretches == [[10, 20, 30, 40, 50]])
  }

  @Test(arguments: [Int64.max, .min, .max / 2])
  func refusesWhatWouldOverflow(now: Int64) {
    #expect(throws: Failure.self) { try IntegerClock.answer(question(10), now: now) }
  }
}
