internal import Filter

/// What the name of a partition is made of.
public struct NamedPartition: Equatable, Sendable {
  /// Where it begins.
  public enum Start: Equatable, Sendable {
    /// Of an integer key.
    case number(Int64)
    /// Microseconds from 1970 on the clock of the policy's zone. `isRepeated` is the second time that the clock shows
    /// it, when it was set back.
    case moment(Int64, DatePrecision, isRepeated: Bool = false)
  }

  /// Of the table, or of the partition that is cut in turn.
  public let table: String
  /// Nil for tables without.
  public let tenant: String?
  public let from: Start

  public init(table: String, tenant: String? = nil, from: Start) {
    (self.table, self.tenant, self.from) = (table, tenant, from)
  }

  /// What a placeholder stands for; empty for what it does not have.
  func value(of hole: String) -> String {
    switch hole {
    case "table": return table
    case "tenant": return tenant ?? ""
    case "from": return start
    default: break
    }
    guard case .moment(let moment, _, let isRepeated) = from else { return "" }
    let value = DateParts(moment)[hole]
    return isRepeated && hole == "HH" ? value + Self.repetition : value
  }

  /// All that tells it from others.
  var identity: [String] { [table, tenant.map { "=\($0)" } ?? "", start] }

  /// Marks the second of two hours that a clock shows alike.
  private static var repetition: String { "b" }

  private var start: String {
    switch from {
    case .number(let number): String(number)
    case .moment(let moment, let precision, let isRepeated):
      precision.text(moment) + (isRepeated ? Self.repetition : "")
    }
  }
}

/// A date taken apart.
struct DateParts {
  private let day: Int64
  private let text: [UInt8]

  /// `moment` is in microseconds from 1970 on some clock.
  init(_ moment: Int64) {
    let whole = Timestamp.text(microseconds: moment)
    text = Array(whole.utf8)
    // Rounded down, also before 1970.
    day = (moment - (moment % 86_400_000_000 + 86_400_000_000) % 86_400_000_000) / 86_400_000_000
  }

  /// The value of `YYYY`, `MM`, `DD`, `HH`, `MI`, `Q`, `IYYY` or `IW`.
  subscript(part: String) -> String {
    let date = text.split(separator: UInt8(ascii: "T"), maxSplits: 1)[0]
    let year = date.count - 6
    switch part {
    case "YYYY": return String(decoding: date.prefix(year), as: UTF8.self)
    case "MM": return digits(year + 1)
    case "DD": return digits(year + 4)
    case "HH": return digits(year + 7)
    case "MI": return digits(year + 10)
    case "Q": return String(((Int(digits(year + 1)) ?? 1) + 2) / 3)
    case "IYYY": return String(isoWeek.year)
    default: return isoWeek.week < 10 ? "0\(isoWeek.week)" : "\(isoWeek.week)"
    }
  }

  private func digits(_ offset: Int) -> String {
    String(decoding: text[offset..<offset + 2], as: UTF8.self)
  }

  /// A week belongs to the year that its Thursday is in.
  private var isoWeek: (year: Int64, week: Int64) {
    // 1970-01-01 was a Thursday.
    let weekday = ((day + 3) % 7 + 7) % 7
    let thursday = Timestamp.date(dayNumber: day - weekday + 3)
    let year = Int64(thursday.prefix(while: { $0 != "-" })) ?? 0
    let first = Timestamp.dayNumber(ofDate: "\(thursday.dropLast(6))-01-01") ?? 0
    return (year, (day - weekday + 3 - first) / 7 + 1)
  }
}
