internal import Posix

/// Times as records carry them: RFC 3339, UTC, microseconds, `Z`.
public enum Timestamp {
  /// The present moment.
  public static func now() -> String { text(microseconds: Clock.now()) }

  /// The moment `microseconds` after 1970.
  public static func text(microseconds: Int64) -> String {
    let seconds = microseconds.quotientFloored(by: 1_000_000)
    let day = seconds.quotientFloored(by: 86_400)
    let (clock, fraction) = (seconds - day * 86_400, microseconds - seconds * 1_000_000)
    return "\(date(dayNumber: day))T\(pad(clock / 3600, 2)):\(pad(clock / 60 % 60, 2)):"
      + "\(pad(clock % 60, 2)).\(pad(fraction, 6))Z"
  }

  /// The microseconds since 1970 of a text as `text` writes it; nil for any other form.
  public static func microseconds(of text: String) -> Int64? {
    let bytes = Array(text.utf8)
    guard bytes.count == 27, bytes[10] == UInt8(ascii: "T"), bytes[26] == UInt8(ascii: "Z"),
      bytes[13] == UInt8(ascii: ":"), bytes[16] == UInt8(ascii: ":"),
      bytes[19] == UInt8(ascii: "."), let day = dayNumber(ofDate: String(text.prefix(10))),
      let hour = number(bytes[11..<13]), let minute = number(bytes[14..<16]),
      let second = number(bytes[17..<19]), let fraction = number(bytes[20..<26])
    else { return nil }
    return ((day * 24 + hour) * 60 + minute) * 60_000_000 + second * 1_000_000 + fraction
  }

  /// The date `day` days after 1970-01-01, in the Gregorian calendar.
  public static func date(dayNumber day: Int64) -> String {
    // Counts years from March, so that the leap day is the last one (Howard Hinnant's method).
    let shifted = day + 719_468
    let era = shifted.quotientFloored(by: 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return
      "\(pad(year, 4))-\(pad(month, 2))-\(pad(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1, 2))"
  }

  /// The days from 1970-01-01 to `text`; nil when that is no date.
  public static func dayNumber(ofDate text: String) -> Int64? {
    let bytes = Array(text.utf8)
    guard bytes.count == 10, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
      let year = number(bytes[0..<4]), let month = number(bytes[5..<7]),
      let day = number(bytes[8..<10])
    else { return nil }
    let number = dayNumber(year: year, month: month, day: day)
    // A 31st of June comes back as another day.
    return date(dayNumber: number) == text ? number : nil
  }

  /// The days from 1970-01-01 to a day; the year before 1 is 0.
  public static func dayNumber(year: Int64, month: Int64, day: Int64) -> Int64 {
    let shiftedYear = month <= 2 ? year - 1 : year
    let era = shiftedYear.quotientFloored(by: 400)
    let yearOfEra = shiftedYear - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
    var value: Int64 = 0
    for digit in digits {
      guard (0x30...0x39).contains(digit) else { return nil }
      value = value * 10 + Int64(digit - 0x30)
    }
    return value
  }

  private static func pad(_ value: Int64, _ width: Int) -> String {
    let text = String(value.magnitude)
    let zeros = String(repeating: "0", count: max(0, width - text.utf8.count))
    return (value < 0 ? "-" : "") + zeros + text
  }
}

extension Int64 {
  fileprivate func quotientFloored(by divisor: Int64) -> Int64 {
    let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? quotient - 1 : quotient
  }
}
