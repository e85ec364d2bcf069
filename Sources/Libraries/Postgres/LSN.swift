public import Filter

/// A position in the write-ahead log: the number of bytes written before it since `initdb`.
public struct LSN: Hashable, Comparable, Sendable, CustomStringConvertible {
  public let rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Reads `16/B374D848`; nil for anything else.
  public init?(_ text: some StringProtocol) {
    let halves = text.split(separator: "/", omittingEmptySubsequences: false)
    guard halves.count == 2, let high = Self.half(halves[0]), let low = Self.half(halves[1])
    else { return nil }
    rawValue = UInt64(high) << 32 | UInt64(low)
  }

  /// Takes an option's value that is a position.
  public init(option text: String) throws(UsageError) {
    guard let position = LSN(text) else {
      throw UsageError("\"\(text)\" is not a position such as 16/B374D848")
    }
    self = position
  }

  /// Up to eight hexadecimal digits, without the sign that `UInt32` would take.
  private static func half(_ text: some StringProtocol) -> UInt32? {
    guard text.utf8.first != UInt8(ascii: "+") else { return nil }
    return UInt32(text, radix: 16)
  }

  /// 0/0, which no record begins at: "nowhere".
  public static var invalid: LSN { LSN(rawValue: 0) }
  public var isValid: Bool { rawValue != 0 }

  public static func < (a: LSN, b: LSN) -> Bool { a.rawValue < b.rawValue }

  /// Wraps around rather than traps, since a damaged record may say anything.
  public static func + (position: LSN, bytes: Int) -> LSN {
    LSN(rawValue: position.rawValue &+ UInt64(bitPattern: Int64(bytes)))
  }

  /// The bytes from `start` to `end`; negative when `end` lies before.
  public static func - (end: LSN, start: LSN) -> Int {
    Int(truncatingIfNeeded: end.rawValue &- start.rawValue)
  }

  /// As PostgreSQL prints it: `16/B374D848`.
  public var description: String {
    let (high, low) = (rawValue >> 32, rawValue & 0xFFFF_FFFF)
    return "\(String(high, radix: 16, uppercase: true))/\(String(low, radix: 16, uppercase: true))"
  }
}
