internal import Filter

/// How much of a date tells the partitions of an interval apart.
public enum DatePrecision: Int, Comparable, CaseIterable, Sendable {
  case year, month, day, hour, minute, second, microsecond

  public static func < (a: DatePrecision, b: DatePrecision) -> Bool { a.rawValue < b.rawValue }

  /// Of the bounds of an interval; where it is mixed, its finest part counts.
  public init(of interval: IntervalText) {
    let microseconds = interval.microseconds
    if !microseconds.isMultiple(of: 1_000_000) {
      self = .microsecond
    } else if !microseconds.isMultiple(of: 60_000_000) {
      self = .second
    } else if !microseconds.isMultiple(of: 3_600_000_000) {
      self = .minute
    } else if microseconds != 0 {
      self = .hour
    } else if interval.days != 0 {
      self = .day
    } else {
      self = interval.months.isMultiple(of: 12) ? .year : .month
    }
  }

  /// What a name of a time of day leaves out is less than this; a day for what is coarser.
  var microseconds: Int64 {
    switch self {
    case .year, .month, .day: 86_400_000_000
    case .hour: 3_600_000_000
    case .minute: 60_000_000
    case .second: 1_000_000
    case .microsecond: 1
    }
  }

  /// Nil where the range is one of integers.
  public init?(of range: RangeRule) {
    guard case .interval(let text) = range.step, let interval = try? IntervalText(parsing: text)
    else { return nil }
    self.init(of: interval)
  }

  /// The parts of `moment` (microseconds from 1970 on the wall clock), without anything between them.
  public func text(_ moment: Int64) -> String {
    let parts = Timestamp.text(microseconds: moment).utf8.filter { (0x30...0x39).contains($0) }
    // 2024-01-31T15:30:00.000000Z, of which the digits are left.
    let count = [4, 6, 8, 10, 12, 14, 20][rawValue]
    return String(decoding: parts.prefix(parts.count - 20 + count), as: UTF8.self)
  }

  /// Sets of placeholders each of which tells the partitions of `interval` apart; none where no set does.
  static func ways(of interval: IntervalText) -> [Set<String>] {
    switch DatePrecision(of: interval) {
    case .year: [["YYYY"]]
    case .month where interval.months.isMultiple(of: 3): [["YYYY", "MM"], ["YYYY", "Q"]]
    case .month: [["YYYY", "MM"]]
    case .day where interval.months == 0 && interval.days.isMultiple(of: 7):
      [["YYYY", "MM", "DD"], ["IYYY", "IW"]]
    case .day: [["YYYY", "MM", "DD"]]
    case .hour: [["YYYY", "MM", "DD", "HH"]]
    case .minute: [["YYYY", "MM", "DD", "HH", "MI"]]
    case .second, .microsecond: []
    }
  }
}
