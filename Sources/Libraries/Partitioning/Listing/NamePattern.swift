internal import Filter

/// Dates in the names of tables that have no declared bounds.
///
/// Names are labels; this is the fallback behind `--by-name` only.
public enum NamePattern {
  /// The days that a table name stands for.
  public struct Span: Equatable, Sendable {
    /// The first day, `2024-01-31`.
    public let from: String
    /// The first day that does not belong to it any more.
    public let to: String
  }

  /// Understands `_YYYYMMDD`, `_pYYYYMMDD`, `_YYYY_MM_DD` and `_YYYY_MM` behind `base`.
  ///
  /// Nil for any other name, and for dates that do not exist.
  public static func span(of name: String, base: String) -> Span? {
    guard name.hasPrefix(base + "_") else { return nil }
    var suffix = Array(name.utf8.dropFirst(base.utf8.count + 1))
    if suffix.count == 9, suffix[0] == UInt8(ascii: "p") { suffix.removeFirst() }
    switch suffix.count {
    case 8: return day(suffix[0..<4], suffix[4..<6], suffix[6..<8])
    case 10 where suffix[4] == UInt8(ascii: "_") && suffix[7] == UInt8(ascii: "_"):
      return day(suffix[0..<4], suffix[5..<7], suffix[8..<10])
    case 7 where suffix[4] == UInt8(ascii: "_"): return month(suffix[0..<4], suffix[5..<7])
    default: return nil
    }
  }

  private static func day(
    _ year: ArraySlice<UInt8>, _ month: ArraySlice<UInt8>, _ day: ArraySlice<UInt8>
  ) -> Span? {
    let from = date(year, month, day)
    guard let number = Timestamp.dayNumber(ofDate: from) else { return nil }
    return Span(from: from, to: Timestamp.date(dayNumber: number + 1))
  }

  private static func month(_ year: ArraySlice<UInt8>, _ month: ArraySlice<UInt8>) -> Span? {
    let first = Array("01".utf8)[...]
    let from = date(year, month, first)
    guard let number = Timestamp.dayNumber(ofDate: from) else { return nil }
    // No month is longer than 31 days, and none shorter than 28.
    let next = (28...31).map { Timestamp.date(dayNumber: number + Int64($0)) }
    return next.first { $0.hasSuffix("-01") }.map { Span(from: from, to: $0) }
  }

  private static func date(
    _ year: ArraySlice<UInt8>, _ month: ArraySlice<UInt8>, _ day: ArraySlice<UInt8>
  ) -> String {
    [year, month, day].map { String(decoding: $0, as: UTF8.self) }.joined(separator: "-")
  }
}
