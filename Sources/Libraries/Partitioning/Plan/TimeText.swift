internal import Filter

/// Dates and times as the server prints them in ISO style.
enum TimeText {
  static func date(_ microseconds: Int64) -> String {
    Timestamp.date(dayNumber: microseconds.floored(by: 86_400_000_000))
  }

  /// `2024-01-31 00:00:00`, with a fraction where there is one.
  static func timestamp(_ microseconds: Int64) -> String {
    // The clock of any day has as many digits, and the date may have more than ten.
    let day = microseconds.floored(by: 86_400_000_000) * 86_400_000_000
    var clock = Timestamp.text(microseconds: microseconds - day).dropFirst(11).dropLast()
    while clock.last == "0", clock.utf8.count > 8 { clock.removeLast() }
    if clock.last == "." { clock.removeLast() }
    return date(microseconds) + " " + clock
  }

  /// The microseconds since 1970 of `2024-01-31`, `2024-01-31 10:00:00.5` or `2024-01-31
  /// 10:00:00+00`.
  ///
  /// Nil for infinity, for years before Christ, and for what is no time.
  static func microseconds(_ text: String) -> Int64? {
    let parts = text.split(separator: " ")
    guard let first = parts.first, parts.count <= 2, let day = dayNumber(first) else { return nil }
    guard parts.count == 2 else { return day * 86_400_000_000 }
    var clock = parts[1]
    if clock.hasSuffix("+00") { clock = clock.dropLast(3) }
    let whole = clock.prefix(8).split(separator: ":").compactMap { Int64($0) }
    guard whole.count == 3 else { return nil }
    let digits = clock.dropFirst(9)
    guard digits.utf8.count <= 6,
      let fraction = Int64(digits + String(repeating: "0", count: 6 - digits.utf8.count))
    else { return nil }
    return ((day * 24 + whole[0]) * 60 + whole[1]) * 60_000_000 + whole[2] * 1_000_000 + fraction
  }

  /// The days since 1970; years have four digits or more.
  private static func dayNumber(_ date: Substring) -> Int64? {
    let parts = date.split(separator: "-")
    guard parts.count == 3, let year = Int64(parts[0]), year > 0, year < 1_000_000 else {
      return nil
    }
    // Every 400 years have the same calendar.
    let cycles = year / 400
    let short = String(2000 + year % 400)
    guard let day = Timestamp.dayNumber(ofDate: "\(short)-\(parts[1])-\(parts[2])") else {
      return nil
    }
    return day + (cycles - 5) * 146_097
  }
}

/// Keys that begin with 48 bits of milliseconds since 1970.
enum MillisecondText {
  private static var alphabet: [UInt8] { Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8) }

  /// The least UUID of a millisecond.
  static func uuid(_ milliseconds: Int64) -> String {
    let digits = String(milliseconds, radix: 16)
    let padded = String(repeating: "0", count: max(0, 12 - digits.utf8.count)) + digits
    return "\(padded.prefix(8))-\(padded.dropFirst(8))-0000-0000-000000000000"
  }

  static func readUUID(_ text: String) -> (milliseconds: Int64, isExact: Bool)? {
    let digits = text.filter { $0 != "-" }
    guard digits.utf8.count == 32, let value = Int64(digits.prefix(12), radix: 16) else {
      return nil
    }
    return (value, digits.dropFirst(12).allSatisfy { $0 == "0" })
  }

  /// The least ULID of a millisecond: ten characters, and sixteen zeros.
  static func ulid(_ milliseconds: Int64) -> String {
    let letters = alphabet
    let first = (0..<10).map { letters[Int(milliseconds >> (45 - 5 * $0)) & 31] }
    return String(decoding: first, as: UTF8.self) + String(repeating: "0", count: 16)
  }

  static func readULID(_ text: String) -> (milliseconds: Int64, isExact: Bool)? {
    let letters = alphabet
    var value: Int64 = 0
    guard text.utf8.count == 26 else { return nil }
    for byte in text.uppercased().utf8.prefix(10) {
      guard let digit = letters.firstIndex(of: byte) else { return nil }
      value = value << 5 | Int64(digit)
    }
    return (value, text.dropFirst(10).allSatisfy { $0 == "0" })
  }
}
