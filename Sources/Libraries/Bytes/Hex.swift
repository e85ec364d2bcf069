/// Bytes as hexadecimal digits, and back.
public enum Hex {
  /// Two lower-case digits a byte.
  public static func encode(_ bytes: Span<UInt8>) -> String {
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count * 2)
    for index in bytes.indices {
      text.append(digit(bytes[index] >> 4))
      text.append(digit(bytes[index] & 15))
    }
    return String(utf8: text.span)
  }

  public static func encode(_ bytes: [UInt8]) -> String { encode(bytes.span) }

  /// The digits of `value`, lower case, with leading zeros.
  public static func encode<T: FixedWidthInteger>(_ value: T) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, T.bitWidth / 4 - text.utf8.count)) + text
  }

  /// The bytes that `text` spells; `nil` when it is not pairs of hexadecimal digits.
  public static func decode(_ text: String) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count.isMultiple(of: 2) else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let byte = byte(digits[index], digits[index + 1]) else { return nil }
      bytes.append(byte)
    }
    return bytes
  }

  /// The lower-case digit of a number below 16.
  public static func digit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + (value - 10)
  }

  /// The number that one digit of either case stands for; `nil` for anything else.
  public static func value(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
  }

  /// The byte that two digits stand for; `nil` when one of them is none.
  ///
  /// Without a branch for each, because whether a digit is a letter cannot be foretold.
  @inlinable
  @inline(__always)
  public static func byte(_ high: UInt8, _ low: UInt8) -> UInt8? {
    func value(_ digit: UInt8) -> UInt8 { (digit & 15) &+ 9 &* (digit >> 6) }
    func isOther(_ digit: UInt8) -> UInt8 {
      let (isNumber, isLetter) = (digit &- 0x30 < 10, (digit | 0x20) &- 0x61 < 6)
      return (isNumber ? 0 : 1) & (isLetter ? 0 : 1)
    }
    return isOther(high) | isOther(low) == 0 ? value(high) << 4 | value(low) : nil
  }
}
