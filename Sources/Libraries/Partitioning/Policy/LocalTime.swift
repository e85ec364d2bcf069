internal import Filter

/// Times on a wall clock, as people write them.
enum LocalTime {
  /// The microseconds from 1970 to a date, or to a date and a time, on the same clock.
  ///
  /// Takes `2024-01-31`, `2024-01-31 06:00`, `2024-01-31T06:00:30.5`; nil for anything else.
  static func microseconds(of text: String) -> Int64? {
    let parts = text.utf8.split(maxSplits: 1, omittingEmptySubsequences: false) {
      $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "T")
    }
    guard let day = Timestamp.dayNumber(ofDate: String(decoding: parts[0], as: UTF8.self)) else {
      return nil
    }
    var time = parts.count == 1 ? "00:00" : String(decoding: parts[1], as: UTF8.self)
    if time.utf8.count == 5 { time += ":00" }
    if time.utf8.count == 8 { time += "." }
    let missing = 15 - time.utf8.count
    guard (0...6).contains(missing) else { return nil }
    time += String(repeating: "0", count: missing)
    let clock = Array(time.utf8.prefix(8))
    guard clock[0...1].lexicographicallyPrecedes("24".utf8),
      clock[3...4].lexicographicallyPrecedes("60".utf8),
      clock[6...7].lexicographicallyPrecedes("60".utf8)
    else { return nil }
    return Timestamp.microseconds(of: "\(Timestamp.date(dayNumber: day))T\(time)Z")
  }
}
