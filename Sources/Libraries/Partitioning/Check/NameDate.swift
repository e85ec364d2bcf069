internal import Filter

/// The date that a partition's name ends in; names decide nothing, but should not lie.
struct NameDate {
  /// A year, month, day, hour or minute: 4, 6, 8, 10 or 12 digits.
  let digits: String

  /// Nil where the name ends in nothing that reads as a date.
  ///
  /// `events_20240131`, `events_p2024_01_31` and `events_2024013115` have one.
  init?(of name: String) {
    // A name of full length may end in a hash.
    guard name.utf8.count < 63 else { return nil }
    let tail = name.utf8.reversed().prefix { (0x30...0x39).contains($0) || $0 == UInt8(ascii: "_") }
    let found = tail.reversed().filter { $0 != UInt8(ascii: "_") }
    guard [4, 6, 8, 10, 12].contains(found.count) else { return nil }
    digits = String(decoding: found, as: UTF8.self)
    guard ("1900"..."2199").contains(String(digits.prefix(4))) else { return nil }
    let rest = (digits + "01010000".dropFirst(found.count - 4)).dropFirst(4)
    let date = "\(digits.prefix(4))-\(rest.prefix(2))-\(rest.dropFirst(2).prefix(2))"
    let clock = rest.dropFirst(4)
    guard Timestamp.dayNumber(ofDate: date) != nil, clock.prefix(2) < "24", clock.suffix(2) < "60"
    else { return nil }
  }

  /// True if the moment, in microseconds of the wall clock, lies in what the name tells.
  func agrees(with moment: Int64) -> Bool {
    let text = Timestamp.text(microseconds: moment)
    let all = text.utf8.filter { (0x30...0x39).contains($0) }
    return String(decoding: all.prefix(digits.utf8.count), as: UTF8.self) == digits
  }
}
