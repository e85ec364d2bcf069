/// An interval as PostgreSQL reads it, looked at as far as that needs no server.
public struct IntervalText: Equatable, Sendable {
  /// What is wrong with an interval, to be read behind its text.
  public struct Fault: Error, Equatable {
    public let reason: String
  }

  /// As it is given to the server.
  public let text: String
  public private(set) var months: Int64 = 0
  public private(set) var days: Int64 = 0
  public private(set) var microseconds: Int64 = 0

  /// No one plans farther; in each of the three parts.
  private static var limit: Double { 4e15 }

  public var isZero: Bool { months == 0 && days == 0 && microseconds == 0 }

  /// Understands numbers with units (`1 day 12 hours`), a time (`01:30`), and words such as `monthly`.
  public init(parsing text: String) throws(Fault) {
    let given = Self.words(text)
    self.text = given.count == 1 ? Self.named[given[0]] ?? text : text
    let words = Self.words(self.text)
    guard !words.isEmpty else { throw Fault(reason: "is not an interval such as 30 days") }
    var rest = words[...]
    while let word = rest.popFirst() {
      if Self.isClock(word) {
        try add(clock: word)
      } else if let number = Self.number(word), let unit = rest.popFirst() {
        try add(number, unit)
      } else {
        throw Fault(reason: "is not an interval such as 30 days")
      }
    }
  }

  /// One word stands for one step of the calendar.
  private static let named = [
    "hour": "1 hour", "hourly": "1 hour", "day": "1 day", "daily": "1 day", "week": "1 week",
    "weekly": "1 week", "month": "1 month", "monthly": "1 month", "quarter": "3 months",
    "quarterly": "3 months", "year": "1 year", "yearly": "1 year",
  ]

  /// Numbers and units, apart even where nothing stands between them, lower case.
  private static func words(_ text: String) -> [String] {
    var words: [[UInt8]] = []
    var last = 0
    for byte in text.lowercased().utf8 {
      let kind =
        switch byte {
        case 0x20, 0x09: 0
        case 0x61...0x7A: 1
        default: 2
        }
      if kind != 0 {
        if kind == last { words[words.count - 1].append(byte) } else { words.append([byte]) }
      }
      last = kind
    }
    return words.map { String(decoding: $0, as: UTF8.self) }
  }

  private static func number(_ word: String) -> Double? {
    let digits = word.utf8.drop { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") }
    guard digits.first.map({ (0x30...0x39).contains($0) }) == true,
      digits.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") })
    else { return nil }
    return Double(word)
  }

  private static func isClock(_ word: String) -> Bool { word.utf8.contains(UInt8(ascii: ":")) }

  /// `HH:MM`, `HH:MM:SS` or with a fraction of a second.
  private mutating func add(clock word: String) throws(Fault) {
    let parts = word.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    let numbers = parts.compactMap(Self.number)
    guard (2...3).contains(parts.count), numbers.count == parts.count,
      numbers.dropFirst().allSatisfy({ $0 < 60 })
    else { throw Fault(reason: "is not an interval such as 30 days") }
    for (number, unit) in zip(numbers, ["hours", "minutes", "seconds"]) { try add(number, unit) }
  }

  private mutating func add(_ number: Double, _ unit: String) throws(Fault) {
    guard let meaning = Self.units.first(where: { $0.names.contains(unit) }) else {
      throw Fault(reason: "has the unknown unit \"\(unit)\"")
    }
    guard number >= 0 else { throw Fault(reason: "is negative") }
    let amount = number * Double(meaning.size)
    guard amount <= Self.limit else { throw Fault(reason: "is too long") }
    let whole = Int64(amount)
    switch meaning.part {
    case .months:
      guard Double(whole) == amount else { throw Fault(reason: "is not a whole number of months") }
      months += whole
    case .days:
      days += whole
      microseconds += Int64((amount - Double(whole)) * 86_400_000_000)
    case .microseconds: microseconds += whole
    }
    guard max(months, days) < 4_000_000, microseconds <= Int64(Self.limit) else {
      throw Fault(reason: "is too long")
    }
  }

  private enum Part { case months, days, microseconds }

  private static let units: [(names: [String], part: Part, size: Int64)] = [
    (["us", "usec", "usecs", "microsecond", "microseconds"], .microseconds, 1),
    (["ms", "msec", "msecs", "millisecond", "milliseconds"], .microseconds, 1000),
    (["s", "sec", "secs", "second", "seconds"], .microseconds, 1_000_000),
    (["m", "min", "mins", "minute", "minutes"], .microseconds, 60_000_000),
    (["h", "hr", "hrs", "hour", "hours"], .microseconds, 3_600_000_000),
    (["d", "day", "days"], .days, 1), (["w", "week", "weeks"], .days, 7),
    (["mon", "mons", "month", "months"], .months, 1),
    (["y", "yr", "yrs", "year", "years"], .months, 12),
    (["dec", "decs", "decade", "decades"], .months, 120),
    (["century", "centuries"], .months, 1200),
  ]
}
