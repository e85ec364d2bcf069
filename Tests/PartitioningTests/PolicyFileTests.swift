import Partitioning
import Posix
import Testing

@Suite struct PolicyFileTests {
  private func parse(_ text: String) throws -> [TablePolicy] {
    try PolicyFile.parse(Array(text.utf8), named: "policy.yaml")
  }

  /// One table that has what it must have, and `more`.
  private func table(_ more: String) throws -> TablePolicy {
    let text = "tables:\n- table: events\n  key: at\n  interval: 1 day\n"
    let lines = more.split(separator: "\n").map { "  \($0)\n" }.joined()
    return try #require(try parse(text + lines).first)
  }

  @Test func readsAllKeys() throws {
    let policies = try parse(
      """
      defaults: {premake: 7, retire: drop, inherit: {owner: app}}
      tables:
        - table: '"Sales".orders'
          key: {column: Id, type: snowflake, epoch: 2015-01-01T00:00:00Z}
          interval: weekly
          week_start: sunday
          time_zone: Europe/Berlin
          horizon: 30 days
          retention: 1 year
          retire: archive then drop
          keep_at_least: 3
          default: drain
          tenant_key: tenant
          tenants: [a, A, "", 7]
          name: "{table}_{tenant}_{IYYY}w{IW}"
          inherit: {storage: {fillfactor: 70}, publications: [p], from_sibling: false}
          sub:
            key: region
            list: [[de, at], ~, 'null']
            sub: {key: customer, hash: 4}
        - {table: log, key: id, interval: 1_000_000, start: 500, retention: 5_000_000}
      """)
    #expect(policies.map(\.table.text) == ["\"Sales\".orders", "log"])
    #expect(policies.map(\.place) == ["policy.yaml:3", "policy.yaml:21"])
    let orders = policies[0]
    #expect(orders.range.column == "Id")
    #expect(orders.range.kind == .snowflake(epoch: 1_420_070_400_000))
    #expect(orders.range.step == .interval("1 week"))
    #expect(orders.range.start == "2000-01-09")
    #expect(orders.range.timeZone == "Europe/Berlin")
    #expect(orders.range.premake == 7 && orders.range.horizon == "30 days")
    #expect(orders.retention.keep == "1 year" && orders.retention.keepAtLeast == 3)
    #expect(orders.retention.retirement == .archiveThenDrop)
    #expect(orders.defaultPartition == .drain)
    #expect(orders.tenants == TenantRule(column: "tenant", source: .list(["a", "A", "", "7"])))
    #expect(orders.naming.text == "{table}_{tenant}_{IYYY}w{IW}")
    #expect(orders.inheritance.owner == nil, "a table's own mapping replaces that of the defaults")
    #expect(orders.inheritance.storage == ["fillfactor": "70"])
    #expect(orders.inheritance.publications == ["p"] && !orders.inheritance.followsNewestSibling)
    #expect(
      orders.sub
        == .list(
          column: "region", values: [["de", "at"], [nil], ["null"]],
          sub: .hash(column: "customer", modulus: 4, sub: nil)))
    let log = policies[1]
    #expect(log.range.kind == .integer && log.range.step == .count(1_000_000))
    #expect(log.range.start == "500" && log.range.premake == 7)
    #expect(log.retention.keep == "5000000" && log.retention.retirement == .drop)
    #expect(log.inheritance.owner == "app")
  }

  @Test func littleIsNeeded() throws {
    let policy = try table("")
    #expect(policy.range.kind == .time && policy.range.step == .interval("1 day"))
    #expect(policy.range.premake == 4 && policy.range.horizon == nil)
    #expect(policy.range.timeZone == "UTC" && policy.range.start == nil)
    #expect(policy.retention.keep == nil && policy.retention.retirement == .detach)
    #expect(policy.defaultPartition == .none && policy.naming == .standard)
  }

  @Test(arguments: ["", "retention:", "retention: ~", "retention: 0", "retention: 0 days"])
  func noRetentionAndZeroKeepEverything(line: String) throws {
    #expect(try table(line).retention.keep == nil)
  }

  @Test(arguments: [
    ("epoch-s", KeyKind.epoch(.seconds)), ("epoch-ms", .epoch(.milliseconds)),
    ("epoch-us", .epoch(.microseconds)), ("epoch-ns", .epoch(.nanoseconds)), ("uuid7", .uuid7),
    ("ulid", .ulid), ("time", .time),
  ])
  func readsKeyTypes(word: String, kind: KeyKind) throws {
    let policy = try parse(
      "tables: [{table: t, key: {column: c, type: \(word)}, interval: month}]")
    #expect(policy[0].range.kind == kind)
    #expect(policy[0].range.step == .interval("1 month"))
  }

  @Test(arguments: [
    ("monday", "2000-01-03"), ("Saturday", "2000-01-08"), ("sunday", "2000-01-09"),
  ])
  func weeksBeginWhereTheyAreSaidTo(day: String, start: String) throws {
    let policy = try parse(
      "tables: [{table: t, key: c, interval: 2 weeks, week_start: \(day)}]")
    #expect(policy[0].range.start == start)
  }

  @Test func tenantsComeFromAQuery() throws {
    let policy = try table("tenant_key: t\ntenants: {query: select id from tenants}")
    #expect(policy.tenants?.source == .query("select id from tenants"))
    #expect(policy.naming == .standardForTenants)
  }

  @Test func aTableCanTakeBackADefault() throws {
    let policies = try parse(
      """
      defaults: {horizon: 7 days, key: at, interval: day, time_zone: Europe/Berlin}
      tables:
      - {table: a, sub: {key: b, interval: hour}}
      - {table: c, key: id, interval: 100, horizon: ~, time_zone: ~}
      """)
    #expect(policies[0].range.horizon == "7 days" && policies[1].range.horizon == nil)
    guard case .range(let sub, _) = policies[0].sub else { return #expect(Bool(false)) }
    #expect(sub.timeZone == "Europe/Berlin")
  }

  /// Lines put behind a table's first three keys in lines 2 to 4; the message's start.
  static let wrong = [
    ("colour: red", "5: tables[0].colour: unknown key"),
    ("sub: {key: a, hash: 4, colour: red}", "5: tables[0].sub.colour: unknown key"),
    ("retention: soon", "5: tables[0].retention: \"soon\" is not an interval"),
    ("retention: -1 day", "5: tables[0].retention: \"-1 day\" is negative"),
    ("retention: 1 day ago", "5: tables[0].retention: \"1 day ago\" is not an interval"),
    ("retention: 5 lightyears", "5: tables[0].retention: \"5 lightyears\" has the unknown unit"),
    ("retention: [1 day]", "5: tables[0].retention: an interval or a number is wanted, not a list"),
    ("horizon: 0 days", "5: tables[0].horizon: an interval cannot be zero"),
    ("premake: -1", "5: tables[0].premake: \"-1\" is no whole number from 0"),
    ("premake: 1.5", "5: tables[0].premake: \"1.5\" is no whole number"),
    ("premake: +5", "5: tables[0].premake: \"+5\" is no whole number"),
    ("premake: 99999999999999999999", "5: tables[0].premake:"),
    ("keep_at_least: many", "5: tables[0].keep_at_least: \"many\" is no whole number"),
    ("retire: burn", "5: tables[0].retire: \"burn\" is not one of"),
    ("retire: move", "5: tables[0].retire: move needs a schema"),
    ("retire: 'move to '", "5: tables[0].retire: move needs a schema"),
    ("default: yes", "5: tables[0].default: \"yes\" is not one of none, keep, drain"),
    ("tenants: [a]", "5: tables[0].tenants: tenant_key is missing"),
    ("tenant_key: t", "5: tables[0].tenant_key: tenants are missing"),
    ("tenant_key: t\ntenants: []", "6: tables[0].tenants: no tenant is named"),
    ("tenant_key: t\ntenants: [a, ~]", "6: tables[0].tenants: a tenant is wanted, not nothing"),
    ("tenant_key: t\ntenants:\n- a\n- a", "8: tables[0].tenants: \"a\" is named twice"),
    ("tenant_key: at\ntenants: [a]", "2: tables[0]: tenant_key and key are both \"at\""),
    ("week_start: monday", "5: tables[0].week_start: the interval is not one of weeks"),
    ("start: 2024-02-30", "5: tables[0].start: \"2024-02-30\" is neither"),
    ("start: 2024-02-01 24:00", "5: tables[0].start:"),
    ("time_zone: \"UTC'; drop\"", "5: tables[0].time_zone: \"UTC'; drop\" is not a time zone"),
    ("name: '{table}'", "5: tables[0].name: {from} is missing"),
    ("name: '{table}_{YYYY}{MM}'", "5: tables[0].name: {from} is missing"),
    ("name: '{table}_{form}'", "5: tables[0].name: {form} is not one of"),
    ("name: '{table}_{from}_{tenant}'", "5: tables[0].name: {tenant} without tenants"),
    (
      "name: '{table}_{from}'\ntenant_key: t\ntenants: [a]",
      "5: tables[0].name: {tenant} is missing"
    ),
    ("sub: {key: a}", "5: tables[0].sub: one of list, hash and interval is missing"),
    ("sub: {key: a, hash: 4, list: [a]}", "5: tables[0].sub: list and hash exclude each other"),
    ("sub: {key: a, hash: 0}", "5: tables[0].sub.hash: \"0\" is no whole number"),
    ("sub: {hash: 4}", "5: tables[0].sub: key is missing"),
    ("sub: {key: a, list: [[a, b], a]}", "5: tables[0].sub.list: \"a\" is named twice"),
    ("sub: {key: a, list: [[]]}", "5: tables[0].sub.list: no value is named"),
    ("inherit: {storage: {fillfactor: '70); drop'}}", "5: tables[0].inherit.storage.fillfactor:"),
    ("inherit: {storage: {'a=1,b': 2}}", "5: tables[0].inherit.storage.a=1,b: no storage"),
    ("inherit: {from_sibling: yes}", "5: tables[0].inherit.from_sibling: \"yes\" is neither"),
    ("inherit: {owner: ''}", "5: tables[0].inherit.owner: a role of 1 to 63 bytes is wanted"),
    ("key: b", "5: \"key\" is given twice, first in line 3"),
  ]

  @Test(arguments: wrong)
  func saysWhatIsWrongAndWhere(lines: String, message: String) {
    expectFailure(message) { _ = try table(lines) }
  }

  static let wrongDocuments = [
    ("", "1: keys with values are wanted, not nothing"),
    ("a: 1", "1: tables is missing"),
    ("tables:\n- table: t\nmore: 1", "3: more: unknown key"),
    ("tables: []", "1: tables: no table is named"),
    ("tables: [x]", "1: tables[0]: keys with values are wanted, not a single value"),
    ("tables:\n- {table: 'a b', key: c, interval: day}", "2: tables[0].table:"),
    ("tables:\n- {key: c, interval: day}", "2: tables[0]: table is missing"),
    ("tables:\n- {table: t, interval: day}", "2: tables[0]: key is missing"),
    ("tables:\n- {table: t, key: c}", "2: tables[0]: interval is missing"),
    ("tables:\n- {table: t, key: c, interval: 0}", "2: tables[0].interval: \"0\" is no whole"),
    ("tables:\n- {table: t, key: c, interval: -5}", "2: tables[0].interval: \"-5\" is no whole"),
    ("tables:\n- {table: t, key: c, interval: 0 days}", "2: tables[0].interval: an interval"),
    ("tables:\n- {table: t, key: {type: uuid7}, interval: day}", "2: tables[0].key: column is"),
    (
      "tables:\n- {table: t, key: {column: c, type: uuid7}, interval: 5}",
      "2: tables[0].interval: \"5\" is a number"
    ),
    (
      "tables:\n- {table: t, key: {column: c, type: snowflake}, interval: day}",
      "2: tables[0].key.type: a snowflake needs its epoch"
    ),
    (
      "tables:\n- {table: t, key: {column: c, type: ulid, epoch: 0}, interval: day}",
      "2: tables[0].key.epoch: only snowflakes"
    ),
    (
      "tables:\n- {table: t, key: {column: c, type: snowflake, epoch: -5}, interval: day}",
      "2: tables[0].key.epoch: \"-5\" is no epoch"
    ),
    (
      "tables:\n- {table: t, key: c, interval: 5, horizon: day}", "2: tables[0].horizon: an integer"
    ),
    (
      "tables:\n- {table: t, key: c, interval: 5, time_zone: UTC}", "2: tables[0].time_zone: an int"
    ),
    (
      "tables:\n- {table: t, key: c, interval: 5, retention: 5 days}",
      "2: tables[0].retention: \"5 days\" is no whole number"
    ),
    (
      "tables:\n- {table: t, key: c, interval: day}\n- {table: t, key: c, interval: day}",
      "3: tables[1]: t has an entry already, in line 2"
    ),
    ("defaults: {table: t}\ntables: []", "1: defaults: table cannot be given for all tables"),
    (
      "defaults: {colour: red}\ntables:\n- {table: t, key: c, interval: day}",
      "1: defaults.colour: unknown key"
    ),
    ("tables: *x", "1: anchors and aliases are not understood"),
  ]

  @Test(arguments: wrongDocuments)
  func refusesWrongDocuments(text: String, message: String) {
    expectFailure(message) { _ = try parse(text) }
  }

  private func expectFailure(_ message: String, _ body: () throws -> Void) {
    do {
      try body()
      Issue.record("nothing was thrown; expected \(message)")
    } catch let error as Failure {
      #expect(error.exitCode == .badInput)
      #expect(error.message.hasPrefix("policy.yaml:\(message)"), "\(error.message)")
    } catch { Issue.record("\(error)") }
  }

  @Test func aFileThatIsNotThereIsNoBadInput() {
    #expect(throws: SystemError.self) { try PolicyFile.read("/nonexistent/policy.yaml") }
  }
}

@Suite struct IntervalTextTests {
  @Test(arguments: [
    ("1 day", 0, 1, 0), ("1 week", 0, 7, 0), ("quarterly", 3, 0, 0), ("Year", 12, 0, 0),
    ("1 year 2 mons 3 days 04:05:06.5", 14, 3, 14_706_500_000), ("90min", 0, 0, 5_400_000_000),
    ("1.5 days", 0, 1, 43_200_000_000), ("0.5 years", 6, 0, 0), ("250 ms", 0, 0, 250_000),
    ("00:30", 0, 0, 1_800_000_000), ("0", 0, 0, 0),
  ])
  func readsWhatTheServerReads(text: String, months: Int64, days: Int64, us: Int64) throws {
    if text == "0" {
      #expect(throws: IntervalText.Fault.self) { try IntervalText(parsing: text) }
      return
    }
    let interval = try IntervalText(parsing: text)
    #expect(interval.months == months && interval.days == days && interval.microseconds == us)
  }

  @Test(arguments: [
    "", " ", "day day", "1", "1 day 5", "1e3 days", "-1 day", "1 day -1 hour", "1..5 days",
    "1:70", "1:2:3:4", "inf days", "nan days", "9999999999999999999 days", "1 dæy", "0.1 months",
    "1 quarter",
  ])
  func refusesTheRest(text: String) {
    #expect(throws: IntervalText.Fault.self) { try IntervalText(parsing: text) }
  }
}
