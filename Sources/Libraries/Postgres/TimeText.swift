internal import Bytes
internal import Filter

/// Reads dates, times and intervals in PostgreSQL's ISO style, and as change events have them.
public struct TimeText: ~Escapable {
  private let text: Span<UInt8>
  private var at = 0
  /// Where the text ends, without the mark of a year that is counted backwards.
  private let end: Int
  private var isBC: Bool { end < text.count }

  @_lifetime(copy text)
  private init(_ text: Span<UInt8>) {
    self.text = text
    let isBC = text.count > 3 && text.extracting(droppingFirst: text.count - 3).equals(" BC")
    end = isBC ? text.count - 3 : text.count
  }

  private var isAtEnd: Bool { at == end }

  /// The days from 1970-01-01 to a date; nil for what is none.
  public static func day(_ text: Span<UInt8>) -> Int64? {
    var reader = TimeText(text)
    guard let day = reader.date(), reader.isAtEnd else { return nil }
    return day
  }

  /// The microseconds from midnight to a time.
  public static func clock(_ text: Span<UInt8>) -> Int64? {
    var reader = TimeText(text)
    guard let clock = reader.clock(), reader.isAtEnd else { return nil }
    return clock
  }

  /// Likewise in UTC, from 0 to a day.
  public static func zonedClock(_ text: Span<UInt8>) -> Int64? {
    var reader = TimeText(text)
    guard let clock = reader.clock(), let zone = reader.zone(), reader.isAtEnd else {
      return nil
    }
    let day: Int64 = 86_400_000_000
    let moment = (clock - zone) % day
    return moment < 0 ? moment + day : moment
  }

  /// The microseconds from 1970 to a timestamp, whose time stands behind a blank or a `T`; nil also where they do not fit.
  public static func moment(_ text: Span<UInt8>, zoned: Bool) -> Int64? {
    var reader = TimeText(text)
    guard let day = reader.date(), reader.skip(" ") || reader.skip("T"),
      let clock = reader.clock(), clock < 86_400_000_000,
      let zone = zoned ? reader.zone() : 0, reader.isAtEnd
    else { return nil }
    return Int64(exactly: Int128(day) * 86_400_000_000 + Int128(clock - zone))
  }

  /// The microseconds of `1 year 2 mons -3 days 04:05:06.789`, a year having 365.25 days and a month the twelfth of that.
  public static func interval(_ text: Span<UInt8>) -> Int64? {
    let units: [(StaticString, Int128)] = [
      ("year", 31_557_600_000_000), ("mon", 2_629_800_000_000), ("day", 86_400_000_000),
    ]
    var reader = TimeText(text)
    var sum: Int128 = 0
    repeat {
      let sign: Int128 = reader.skip("-") ? -1 : 1
      _ = sign > 0 && reader.skip("+")
      let start = reader.at
      if let clock = reader.clock() {
        sum += sign * Int128(clock)
        continue
      }
      reader.at = start
      guard let count = reader.number(), reader.skip(" "),
        let unit = units.first(where: { reader.skip(word: $0.0) })
      else { return nil }
      _ = reader.skip("s")
      sum += sign * Int128(count) * unit.1
    } while reader.skip(" ")
    return reader.isAtEnd ? Int64(exactly: sum) : nil
  }

  // MARK: - Parts

  private mutating func date() -> Int64? {
    guard let year = number(digits: 4...7), year > 0, skip("-"), let month = pair(),
      (1...12).contains(month), skip("-"), let day = pair(), day >= 1
    else { return nil }
    let counted = isBC ? 1 - year : year
    let first = Timestamp.dayNumber(year: counted, month: month, day: 1)
    // Every month has so many.
    if day <= 28 { return first + day - 1 }
    let (nextYear, nextMonth) = month == 12 ? (counted + 1, 1) : (counted, month + 1)
    let next = Timestamp.dayNumber(year: nextYear, month: nextMonth, day: 1)
    return first + day - 1 < next ? first + day - 1 : nil
  }

  /// Intervals have more hours than a day.
  private mutating func clock() -> Int64? {
    guard let hours = number(digits: 2...9), skip(":"), let minutes = pair(),
      minutes < 60, skip(":"), let seconds = pair(), seconds < 60
    else { return nil }
    var fraction: Int64 = 0
    if skip(".") {
      let start = at
      guard let digits = number(digits: 1...6) else { return nil }
      fraction = digits
      for _ in at - start..<6 { fraction *= 10 }
    }
    return ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction
  }

  /// Microseconds east of UTC: `+00`, `-08`, `+05:30`, `+15:59:59`.
  private mutating func zone() -> Int64? {
    let isWest = skip("-")
    guard isWest || skip("+"), var seconds = pair(), seconds < 16 else {
      return nil
    }
    seconds *= 3600
    if skip(":") {
      guard let minutes = pair(), minutes < 60 else { return nil }
      seconds += minutes * 60
      if skip(":") {
        guard let rest = pair(), rest < 60 else { return nil }
        seconds += rest
      }
    }
    return (isWest ? -seconds : seconds) * 1_000_000
  }

  /// Two digits.
  @inline(__always)
  private mutating func pair() -> Int64? {
    guard end - at >= 2 else { return nil }
    let (tens, ones) = (text[at] &- 0x30, text[at + 1] &- 0x30)
    guard tens < 10, ones < 10 else { return nil }
    at += 2
    return Int64(tens * 10 + ones)
  }

  /// Up to 18 digits fit.
  private mutating func number(digits: ClosedRange<Int> = 1...18) -> Int64? {
    var value: Int64 = 0
    let start = at
    while at < end, case let digit = text[at], (0x30...0x39).contains(digit) {
      guard at - start < digits.upperBound else { return nil }
      value = value * 10 + Int64(digit - 0x30)
      at += 1
    }
    return at - start >= digits.lowerBound ? value : nil
  }

  @inline(__always)
  private mutating func skip(_ mark: Unicode.Scalar) -> Bool {
    guard at < end, text[at] == UInt8(ascii: mark) else { return false }
    at += 1
    return true
  }

  private mutating func skip(word: StaticString) -> Bool {
    let length = word.utf8CodeUnitCount
    guard end - at >= length, text.extracting(at..<at + length).equals(word) else { return false }
    at += length
    return true
  }
}
