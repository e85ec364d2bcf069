internal import Bytes
internal import Filter
internal import Postgres

/// Dates, times and intervals as Debezium has them with time.precision.mode adaptive.
enum DebeziumTime {
  /// Appends what a text stands for; false, and nothing appended, for one that is no such time, or too far away.
  static func append(_ text: Span<UInt8>, _ type: ValueType, to out: inout ByteBuffer) -> Bool {
    if type.kind == .timestampWithZone {
      guard let moment = zonedTimestamp(text, digits: type.modifier ?? 6) else { return false }
      out.append("\"\(moment)\"")
      return true
    }
    if type.kind == .timeWithZone {
      guard let clock = TimeText.zonedClock(text) else { return false }
      out.append("\"\(zonedTime(clock))\"")
      return true
    }
    guard let number = number(text, type) else { return false }
    out.append(decimal: number)
    return true
  }

  private static func number(_ text: Span<UInt8>, _ type: ValueType) -> Int64? {
    // Up to three digits of a second are kept as milliseconds.
    let unit: Int64 = (type.modifier ?? 6) <= 3 ? 1000 : 1
    return switch type.kind {
    case .date: infiniteDay(text) ?? TimeText.day(text)
    case .time: TimeText.clock(text).map { $0 / unit }
    case .timestamp:
      (infiniteMoment(text) ?? TimeText.moment(text, zoned: false)).map { $0.floored(by: unit) }
    default: TimeText.interval(text)
    }
  }

  /// What PostgreSQL's driver for Java has for them.
  private static func infiniteDay(_ text: Span<UInt8>) -> Int64? {
    text.equals("infinity") ? -2_147_472_692 : text.equals("-infinity") ? -2_147_472_691 : nil
  }

  private static func infiniteMoment(_ text: Span<UInt8>) -> Int64? {
    text.equals("infinity")
      ? 9_223_372_036_825_200_000
      : text.equals("-infinity") ? -9_223_372_036_832_400_000 : nil
  }

  /// `2024-01-31T12:00:00.500000Z`, with as many digits as the type has.
  private static func zonedTimestamp(_ text: Span<UInt8>, digits: Int) -> String? {
    if text.equals("infinity") || text.equals("-infinity") { return String(utf8: text) }
    guard let moment = TimeText.moment(text, zoned: true) else { return nil }
    let whole = Timestamp.text(microseconds: moment)
    let sign = moment >= 253_402_300_800_000_000 ? "+" : ""
    // Six digits and a Z stand at the end, and a point before them.
    return sign + whole.dropLast(digits > 0 ? 7 - min(6, digits) : 8) + "Z"
  }

  /// `12:05:06.789Z`, with as many digits as it takes.
  private static func zonedTime(_ clock: Int64) -> String {
    var text = String(Timestamp.text(microseconds: clock).dropFirst(11).dropLast())
    while text.last == "0" { text.removeLast() }
    if text.last == "." { text.removeLast() }
    return text + "Z"
  }
}

extension Int64 {
  fileprivate func floored(by unit: Int64) -> Int64 {
    let (quotient, remainder) = quotientAndRemainder(dividingBy: unit)
    return remainder < 0 ? quotient - 1 : quotient
  }
}
