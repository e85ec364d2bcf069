/// Readers of option values; each says what it wanted when it does not get it.
public enum OptionValue {
  /// Decimal digits only, no sign; `Int` alone would take `+5`.
  public static func count(_ text: String, in range: ClosedRange<Int>) throws(UsageError) -> Int {
    guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let value = Int(text), range.contains(value)
    else {
      throw UsageError(
        "\"\(text)\" is not a number between \(range.lowerBound) and \(range.upperBound)")
    }
    return value
  }

  /// One of the words of an enumeration.
  public static func word<T: RawRepresentable & CaseIterable>(
    _ text: String, _ type: T.Type
  ) throws(UsageError) -> T where T.RawValue == String {
    guard let value = T(rawValue: text) else {
      let words = T.allCases.map(\.rawValue)
      throw UsageError("\"\(text)\" is not one of \(words.joined(separator: ", "))")
    }
    return value
  }

  /// Bytes: `65536`, `64KiB`, `8MiB`, `1GB`.
  public static func size(_ text: String, in range: ClosedRange<Int>) throws(UsageError) -> Int {
    let units = [
      ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("kB", 1000),
      ("KB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1),
      ("", 1),
    ]
    guard let value = scaled(text, by: units) else {
      throw UsageError("\"\(text)\" is not a size such as 64KiB, 8MiB or 1GB")
    }
    guard range.contains(value) else {
      throw UsageError(
        "\"\(text)\" is not between \(range.lowerBound) and \(range.upperBound) bytes")
    }
    return value
  }

  /// Milliseconds: `250ms`, `30s`, `5m`, `24h`, `7d`; a bare `0` is allowed.
  public static func duration(_ text: String) throws(UsageError) -> Int {
    if text == "0" { return 0 }
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)]
    guard let value = scaled(text, by: units) else {
      throw UsageError("\"\(text)\" is not a duration such as 250ms, 30s, 24h or 7d")
    }
    return value
  }

  /// Milliseconds that the server can take as its `statement_timeout`; 0 is never.
  public static func statementTimeout(_ text: String) throws(UsageError) -> Int {
    let value = try duration(text)
    guard value <= Int(Int32.max) else {
      throw UsageError("\"\(text)\" is more than the 24 days that the server can wait")
    }
    return value
  }

  /// A calendar date, `2024-01-31`, that exists.
  public static func date(_ text: String) throws(UsageError) -> String {
    guard Timestamp.dayNumber(ofDate: text) != nil else {
      throw UsageError("\"\(text)\" is not a date such as 2024-01-31")
    }
    return text
  }

  /// Microseconds since 1970 of a date (its midnight in UTC) or an RFC 3339 time:
  /// `2024-01-31T10:00:00Z`.
  ///
  /// Fractions have at most six digits; an offset is `Z` or like `+02:00`.
  public static func moment(_ text: String) throws(UsageError) -> Int64 {
    guard let value = moment(ofTime: text) else {
      throw UsageError("\"\(text)\" is not a time such as 2024-01-31 or 2024-01-31T10:00:00Z")
    }
    return value
  }

  private static func moment(ofTime text: String) -> Int64? {
    if text.utf8.count == 10 {
      return Timestamp.dayNumber(ofDate: text).map { $0 * 86_400_000_000 }
    }
    let clock = text.prefix(19)
    var rest = text.dropFirst(19)
    var digits: Substring = ""
    if rest.first == "." {
      digits = rest.dropFirst().prefix { ("0"..."9").contains($0) }
      rest = rest.dropFirst(1 + digits.count)
    }
    guard digits.utf8.count <= 6, let offset = offset(rest) else { return nil }
    let fraction = digits + String(repeating: "0", count: 6 - digits.utf8.count)
    return Timestamp.microseconds(of: "\(clock).\(fraction)Z").map { $0 - offset }
  }

  /// Microseconds east of UTC.
  private static func offset(_ text: Substring) -> Int64? {
    if text == "Z" { return 0 }
    let parts = text.dropFirst().split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, parts.allSatisfy({ $0.utf8.count == 2 }),
      let hours = Int64(parts[0]), let minutes = Int64(parts[1]), (0...59).contains(minutes),
      (0...23).contains(hours), let sign = ["+": Int64(1), "-": -1][text.prefix(1)]
    else { return nil }
    return sign * (hours * 60 + minutes) * 60_000_000
  }

  private static func scaled(_ text: String, by units: [(String, Int)]) -> Int? {
    let digits = text.prefix { ("0"..."9").contains($0) }
    guard !digits.isEmpty, let number = Int(digits),
      let unit = units.first(where: { $0.0 == text[digits.endIndex...] })
    else { return nil }
    let (value, overflow) = number.multipliedReportingOverflow(by: unit.1)
    return overflow ? nil : value
  }
}
