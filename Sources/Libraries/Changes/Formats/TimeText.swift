internal import Bytes
internal import Filter

/// Reads dates, times and intervals in PostgreSQL's ISO style.
struct TimeText {
  private var rest: ArraySlice<UInt8>
  /// The year is counted backwards.
  private let isBC: Bool

  private init(_ text: Span<UInt8>) {
    let bytes = [UInt8](copying: text)
    isBC = bytes.suffix(3) == Array(" BC".utf8)
    rest = isBC ? bytes.dropLast(3) : bytes[...]
  }

  /// The days from 1970-01-01 to a date; nil for what is none.
  static func day(_ text: Span<UInt8>) -> Int64? {
    var reader = TimeText(text)
    guard let day = reader.date(), reader.rest.isEmpty else { return nil }
    return day
  }

  /// The microseconds from midnight to a time.
  static func clock(_ text: Span<UInt8>) -> Int64? {
    var reader = TimeText(text)
    guard let clock = reader.clock(), reader.rest.isEmpty else { return nil }
    return clock
  }

  /// Likewise in UTC, from 0 to a day.
  static func zonedClock(_ text: Span<UInt8>) -> Int64? {
    var reader = TimeText(text)
    guard let clock = reader.clock(), let zone = reader.zone(), reader.rest.isEmpty else {
      return nil
    }
    let day: Int64 = 86_400_000_000
    let moment = (clock - zone) % day
    return moment < 0 ? moment + day : moment
  }

  /// The microseconds from 1970 to a timestamp; nil also where they do not fit.
  static func moment(_ text: Span<UInt8>, zoned: Bool) -> Int64? {
    var reader = TimeText(text)
    guard let day = reader.date(), reader.skip(" "), let clock = reader.clock(),
      let zone = zoned ? reader.zone() : 0, reader.rest.isEmpty
    else { return nil }
    return Int64(exactly: Int128(day) * 86_400_000_000 + Int128(clock - zone))
  }

  /// The microseconds of `1 year 2 mons -3 days 04:05:06.789`, a year having 365.25 days and a month the twelfth of that.
  static func interval(_ text: Span<UInt8>) -> Int64? {
    let units: [(String, Int128)] = [
      ("year", 31_557_600_000_000), ("mon", 2_629_800_000_000), ("day", 86_400_000_000),
    ]
    var reader = TimeText(text)
    var sum: Int128 = 0
    repeat {
      let sign: Int128 = reader.skip("-") ? -1 : 1
      _ = sign > 0 && reader.skip("+")
      let number = reader
      if let clock = reader.clock() {
        sum += sign * Int128(clock)
        continue
      }
      reader = number
      guard let count = reader.number(), reader.skip(" "),
        let unit = units.first(where: { reader.skip($0.0) })
      else { return nil }
      _ = reader.skip("s")
      sum += sign * Int128(count) * unit.1
    } while reader.skip(" ")
    return reader.rest.isEmpty ? Int64(exactly: sum) : nil
  }

  // MARK: - Parts

  private mutating func date() -> Int64? {
    guard let year = number(), year < 10_000_000, skip("-"), let month = number(),
      (1...12).contains(month), skip("-"), let day = number(), (1...31).contains(day)
    else { return nil }
    return Timestamp.dayNumber(year: isBC ? 1 - year : year, month: month, day: day)
  }

  /// Intervals have more hours than a day.
  private mutating func clock() -> Int64? {
    guard let hours = number(), hours < 1 << 31, skip(":"), let minutes = number(), minutes < 60,
      skip(":"), let seconds = number(), seconds <= 60
    else { return nil }
    var fraction: Int64 = 0
    if skip(".") {
      let count = rest.count
      guard let digits = number(), count - rest.count <= 6 else { return nil }
      fraction = digits
      for _ in count - rest.count..<6 { fraction *= 10 }
    }
    return ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction
  }

  /// Microseconds east of UTC: `+00`, `-08`, `+05:30`, `+15:59:59`.
  private mutating func zone() -> Int64? {
    let isWest = rest.first == UInt8(ascii: "-")
    guard skip("+") || skip("-"), var seconds = number(), seconds < 100 else { return nil }
    seconds *= 3600
    if skip(":") {
      guard let minutes = number(), minutes < 60 else { return nil }
      seconds += minutes * 60
      if skip(":") {
        guard let rest = number(), rest < 60 else { return nil }
        seconds += rest
      }
    }
    return (isWest ? -seconds : seconds) * 1_000_000
  }

  /// Up to 18 digits, which fit.
  private mutating func number() -> Int64? {
    var value: Int64 = 0
    var count = 0
    while let digit = rest.first, (0x30...0x39).contains(digit), count < 18 {
      value = value * 10 + Int64(digit - 0x30)
      rest.removeFirst()
      count += 1
    }
    return count > 0 ? value : nil
  }

  private mutating func skip(_ text: String) -> Bool {
    guard rest.starts(with: text.utf8) else { return false }
    rest.removeFirst(text.utf8.count)
    return true
  }
}
