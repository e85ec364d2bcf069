internal import Filter
internal import Posix
internal import YAML

extension RangeRule {
  /// Takes the keys of a range out of `mapping`; `zone` is that of the table around it.
  init(_ mapping: inout PolicyMapping, zone: String?) throws(Failure) {
    let key = try KeyEntry(try mapping.require("key"))
    let width = try mapping.require("interval")
    let step = try Self.step(width, key.kind)
    self.init(column: key.column, step: step)
    kind = key.kind ?? (step.isCount ? .integer : .time)
    timeZone = zone ?? timeZone
    try takeStart(&mapping)
    if let entry = mapping.take("premake") {
      premake = Int(try entry.integer("a number of partitions", in: 0...10_000))
    }
    if let entry = mapping.take("horizon") {
      guard kind.isTime else {
        throw entry.error("an integer key has no time; use premake")
      }
      horizon = try entry.positiveInterval().text
    }
  }

  private static func step(_ entry: PolicyEntry, _ kind: KeyKind?) throws(Failure) -> Step {
    let text = try entry.text("an interval, or for integer keys a number,")
    if kind == .integer || (kind == nil && PolicyEntry.integer(text) != nil) {
      return .count(try entry.integer("a number", in: 1...Int64.max))
    }
    if PolicyEntry.integer(text) != nil {
      throw entry.error("\"\(text)\" is a number, and the key is a time")
    }
    return .interval(try entry.positiveInterval().text)
  }

  /// Where ranges begin: `start`, or `week_start`, and the zone.
  private mutating func takeStart(_ mapping: inout PolicyMapping) throws(Failure) {
    let (first, weekday) = (mapping.take("start"), mapping.take("week_start"))
    if let entry = mapping.take("time_zone") {
      guard kind.isTime else { throw entry.error("an integer key has no time zone") }
      timeZone = try Self.zone(entry)
    }
    if let first { start = try Self.start(first, kind) }
    guard let weekday else { return }
    if first != nil { throw weekday.error("start says already where weeks begin") }
    guard case .interval(let text) = step, let width = try? IntervalText(parsing: text),
      width.months == 0, width.microseconds == 0, width.days.isMultiple(of: 7)
    else { throw weekday.error("the interval is not one of weeks") }
    start = try Self.firstDay(weekday)
  }

  /// The server knows the zones; here it is only seen that it can be one.
  private static func zone(_ entry: PolicyEntry) throws(Failure) -> String {
    let zone = try entry.name("a time zone")
    let others = Array("/_+-".utf8)
    let isPlain = zone.utf8.allSatisfy {
      (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
        || others.contains($0)
    }
    guard isPlain, zone.utf8.first.map({ $0 >= 0x41 }) == true else {
      throw entry.error("\"\(zone)\" is not a time zone such as Europe/Berlin")
    }
    return zone
  }

  private static func start(_ entry: PolicyEntry, _ kind: KeyKind) throws(Failure) -> String {
    guard kind.isTime else { return String(try entry.integer("a number", in: .min ... .max)) }
    let text = try entry.text("a date, or a date and a time")
    guard LocalTime.microseconds(of: text) != nil else {
      throw entry.error(
        "\"\(text)\" is neither a date such as 2024-01-31 nor a time such as 2024-01-31 06:00")
    }
    return text
  }

  /// The first of such days in 2000, from the 3rd (a Monday) on.
  private static func firstDay(_ entry: PolicyEntry) throws(Failure) -> String {
    let names = [
      "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
    ]
    let text = try entry.text("a day of the week")
    guard let index = names.firstIndex(of: text.lowercased()) else {
      throw entry.error("\"\(text)\" is not one of \(names.joined(separator: ", "))")
    }
    return "2000-01-0\(3 + index)"
  }
}

extension RangeRule.Step {
  fileprivate var isCount: Bool {
    if case .count = self { true } else { false }
  }
}

/// What `key` says: a column, and perhaps what is in it.
struct KeyEntry {
  let column: String
  /// Nil where that was not said.
  let kind: KeyKind?

  init(_ entry: PolicyEntry) throws(Failure) {
    guard case .mapping = entry.node.content else {
      (column, kind) = (try entry.name("a column's name"), nil)
      return
    }
    var mapping = try entry.mapping()
    let name = try mapping.require("column").name("a column's name")
    let (type, epoch) = (mapping.take("type"), mapping.take("epoch"))
    try mapping.finish()
    guard let type else {
      if let epoch { throw epoch.error("only snowflakes have one") }
      (column, kind) = (name, nil)
      return
    }
    (column, kind) = (name, try Self.kind(type, epoch))
  }

  private static func kind(_ entry: PolicyEntry, _ epoch: PolicyEntry?) throws(Failure) -> KeyKind {
    let type = try entry.text("a type of key")
    if type == "snowflake" {
      guard let epoch else { throw entry.error("a snowflake needs its epoch") }
      return .snowflake(epoch: try milliseconds(epoch))
    }
    if let epoch { throw epoch.error("only snowflakes have one") }
    var kinds: [(String, KeyKind)] = [
      ("time", .time), ("integer", .integer), ("uuid7", .uuid7), ("ulid", .ulid),
    ]
    kinds += EpochUnit.allCases.map { ("epoch-\($0.rawValue)", .epoch($0)) }
    guard let kind = kinds.first(where: { $0.0 == type })?.1 else {
      let names = kinds.map(\.0) + ["snowflake"]
      throw entry.error("\"\(type)\" is not one of \(names.joined(separator: ", "))")
    }
    return kind
  }

  /// Since 1970: a number of them, or a date or time in UTC.
  private static func milliseconds(_ entry: PolicyEntry) throws(Failure) -> Int64 {
    let text = try entry.text("a date, a time, or milliseconds since 1970")
    // Snowflakes have 41 bits of them, and nobody's epoch lies before 1970.
    if let number = PolicyEntry.integer(text), number >= 0, number < 1 << 43 { return number }
    let plain = text.hasSuffix("Z") ? String(text.dropLast()) : text
    guard let moment = LocalTime.microseconds(of: plain), moment >= 0, moment < 1 << 53 else {
      throw entry.error(
        "\"\(text)\" is no epoch such as 2015-01-01T00:00:00Z or 1420070400000")
    }
    return moment / 1000
  }
}
