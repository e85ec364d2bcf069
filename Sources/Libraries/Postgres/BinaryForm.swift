internal import Bytes

/// What COPY's binary format has around the rows.
enum CopyBinary {
  /// The signature, no flags, and no extension.
  static let head =
    Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0] + [UInt8](repeating: 0, count: 8)
  static let tail: [UInt8] = [0xFF, 0xFF]
}

/// How a value's text becomes what the binary format has in its place, for the types that most columns have.
///
/// Reading numbers and times is much of what a server does for each row of a COPY. What is given here is what the
/// server makes of the same text; of everything else nothing is made, and the text is for it to judge.
public enum BinaryForm: Sendable {
  case boolean, int2, int4, int8, oid, float4, float8, numeric
  case date, time, timestamp, timestampWithZone
  /// The text itself.
  case text
  case jsonb, uuid, bytea, address

  /// `oid` is that of the column's own type; nil where it has no form here.
  ///
  /// Domains have that of the type below them, and enums are `text`; who asks must know them from the catalog.
  public init?(typeOID oid: Int) {
    switch oid {
    case 16: self = .boolean
    case 17: self = .bytea
    case 20: self = .int8
    case 21: self = .int2
    case 23: self = .int4
    case 26: self = .oid
    case 25, 114, 1042, 1043: self = .text
    case 650, 869: self = .address
    case 700: self = .float4
    case 701: self = .float8
    case 1082: self = .date
    case 1083: self = .time
    case 1114: self = .timestamp
    case 1184: self = .timestampWithZone
    case 1700: self = .numeric
    case 2950: self = .uuid
    case 3802: self = .jsonb
    default: return nil
    }
  }

  /// Appends the value with its length before it; false, and then perhaps a part of it, for a text that has no form here.
  func append(_ text: Span<UInt8>, to out: inout ByteBuffer) -> Bool {
    switch self {
    case .boolean: Self.append(boolean(text), to: &out)
    case .int2: Self.append(integer(text).flatMap { Int16(exactly: $0) }, to: &out)
    case .int4: Self.append(integer(text).flatMap { Int32(exactly: $0) }, to: &out)
    case .int8: Self.append(integer(text), to: &out)
    case .oid: Self.append(integer(text).flatMap { UInt32(exactly: $0) }, to: &out)
    case .float4: Self.append((float(text) as Float?)?.bitPattern, to: &out)
    case .float8: Self.append((float(text) as Double?)?.bitPattern, to: &out)
    case .numeric: appendNumeric(text, to: &out)
    case .date: Self.append(date(text), to: &out)
    case .time: Self.append(TimeText.clock(text).flatMap { $0 <= Self.day ? $0 : nil }, to: &out)
    case .timestamp: Self.append(moment(text, zoned: false), to: &out)
    case .timestampWithZone: Self.append(moment(text, zoned: true), to: &out)
    case .text: appendText(text, to: &out)
    case .jsonb: appendJSONB(text, to: &out)
    case .uuid: appendUUID(text, to: &out)
    case .bytea: appendBytea(text, to: &out)
    case .address: appendAddress(text, to: &out)
    }
  }

  private static func append<T: FixedWidthInteger & BitwiseCopyable>(
    _ value: T?, to out: inout ByteBuffer
  ) -> Bool {
    guard let value else { return false }
    out.append(bigEndian: Int32(MemoryLayout<T>.size))
    out.append(bigEndian: value)
    return true
  }

  // -- numbers

  private func boolean(_ text: Span<UInt8>) -> UInt8? {
    if text.equals("true") || text.equals("t") { return 1 }
    return text.equals("false") || text.equals("f") ? 0 : nil
  }

  func integer(_ text: Span<UInt8>) -> Int64? {
    let isNegative = !text.isEmpty && text[0] == UInt8(ascii: "-")
    guard text.count > (isNegative ? 1 : 0) else { return nil }
    // Counted downwards, where there is room for one more.
    var value: Int64 = 0
    for index in (isNegative ? 1 : 0)..<text.count {
      let digit = text[index] &- 0x30
      let (tens, isTooLow) = value.multipliedReportingOverflow(by: 10)
      let (next, isLower) = tens.subtractingReportingOverflow(Int64(digit))
      guard digit < 10, !isTooLow, !isLower else { return nil }
      value = next
    }
    return isNegative ? value : value == .min ? nil : -value
  }

  /// What is too large or too small for the type is for the server to refuse.
  private func float<T: BinaryFloatingPoint & LosslessStringConvertible>(_ text: Span<UInt8>) -> T?
  {
    if text.equals("NaN") { return .nan }
    if text.equals("Infinity") { return .infinity }
    if text.equals("-Infinity") { return -.infinity }
    var isZero = true
    for index in text.indices {
      switch text[index] {
      case UInt8(ascii: "0"), UInt8(ascii: "-"), UInt8(ascii: "."): continue
      case UInt8(ascii: "1")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "e"),
        UInt8(ascii: "E"):
        isZero = false
      default: return nil
      }
    }
    guard let value = T(String(utf8: text)), value.isNormal || value.isZero && isZero else {
      return nil
    }
    return value
  }

  private func appendNumeric(_ text: Span<UInt8>, to out: inout ByteBuffer) -> Bool {
    if text.equals("NaN") {
      NumericText.appendNaN(to: &out)
      return true
    }
    guard let number = NumericText(text) else { return false }
    number.append(text, to: &out)
    return true
  }

  // -- times

  /// The server counts from 2000-01-01.
  private static var epochDay: Int64 { 10_957 }
  /// In microseconds.
  private static var day: Int64 { 86_400_000_000 }

  private func date(_ text: Span<UInt8>) -> Int32? {
    if let infinity = infinity(text) as Int32? { return infinity }
    return TimeText.day(text).flatMap { finite($0, less: Self.epochDay) }
  }

  private func moment(_ text: Span<UInt8>, zoned: Bool) -> Int64? {
    if let infinity = infinity(text) as Int64? { return infinity }
    let epoch = Self.epochDay * Self.day
    return TimeText.moment(text, zoned: zoned).flatMap { finite($0, less: epoch) }
  }

  /// The difference, where the type has it, and not as an infinity.
  private func finite<T: FixedWidthInteger>(_ value: Int64, less epoch: Int64) -> T? {
    let (difference, overflow) = value.subtractingReportingOverflow(epoch)
    guard !overflow, let result = T(exactly: difference), result != .min, result != .max else {
      return nil
    }
    return result
  }

  private func infinity<T: FixedWidthInteger>(_ text: Span<UInt8>) -> T? {
    if text.equals("infinity") { return .max }
    return text.equals("-infinity") ? .min : nil
  }

  // -- bytes

  private func appendText(_ text: Span<UInt8>, to out: inout ByteBuffer) -> Bool {
    out.append(bigEndian: Int32(truncatingIfNeeded: text.count))
    out.append(text)
    return true
  }

  /// The version of the format, and the text.
  private func appendJSONB(_ text: Span<UInt8>, to out: inout ByteBuffer) -> Bool {
    out.append(bigEndian: Int32(truncatingIfNeeded: text.count + 1))
    out.append(1 as UInt8)
    out.append(text)
    return true
  }

  /// `8-4-4-4-12` digits.
  private func appendUUID(_ text: Span<UInt8>, to out: inout ByteBuffer) -> Bool {
    let dash = UInt8(ascii: "-")
    guard text.count == 36, text[8] == dash, text[13] == dash, text[18] == dash, text[23] == dash
    else { return false }
    out.append(bigEndian: Int32(16))
    return appendHex(text.extracting(0..<8), to: &out)
      && appendHex(text.extracting(9..<13), to: &out)
      && appendHex(text.extracting(14..<18), to: &out)
      && appendHex(text.extracting(19..<23), to: &out)
      && appendHex(text.extracting(24..<36), to: &out)
  }

  /// `\x` and digits.
  private func appendBytea(_ text: Span<UInt8>, to out: inout ByteBuffer) -> Bool {
    guard text.count >= 2, text.count % 2 == 0, text.extracting(first: 2).equals("\\x") else {
      return false
    }
    out.append(bigEndian: Int32(truncatingIfNeeded: text.count / 2 - 1))
    return appendHex(text.extracting(droppingFirst: 2), to: &out)
  }

  @inline(__always)
  private func appendHex(_ digits: Span<UInt8>, to out: inout ByteBuffer) -> Bool {
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let byte = Hex.byte(digits[index], digits[index + 1]) else { return false }
      out.append(byte)
    }
    return true
  }
}

/// Where the digits of a numeric's text lie: `-12.50`.
private struct NumericText {
  private let isNegative: Bool
  private let whole: Range<Int>
  private let fraction: Range<Int>

  /// Nil for any other text, an exponent for one, and for more digits than the server takes in this form.
  init?(_ text: Span<UInt8>) {
    isNegative = !text.isEmpty && text[0] == UInt8(ascii: "-")
    let start = isNegative ? 1 : 0
    whole = start..<Self.endOfDigits(text, from: start)
    guard !whole.isEmpty, text.count <= 4000 else { return nil }
    if whole.upperBound == text.count {
      fraction = text.count..<text.count
    } else {
      guard text[whole.upperBound] == UInt8(ascii: ".") else { return nil }
      let start = whole.upperBound + 1
      fraction = start..<Self.endOfDigits(text, from: start)
      guard !fraction.isEmpty, fraction.upperBound == text.count else { return nil }
    }
  }

  private static func endOfDigits(_ text: Span<UInt8>, from start: Int) -> Int {
    var at = start
    while at < text.count, text[at] &- 0x30 < 10 { at += 1 }
    return at
  }

  /// Four digits go together; groups of zeros at either end are no harm.
  ///
  ///     groups Int16 | weight of the first Int16 | sign Int16 | digits of the fraction Int16 | the groups
  func append(_ text: Span<UInt8>, to out: inout ByteBuffer) {
    let wholeGroups = (whole.count + 3) / 4
    let groups = wholeGroups + (fraction.count + 3) / 4
    out.append(bigEndian: Int32(8 + 2 * groups))
    out.append(bigEndian: Int16(groups))
    out.append(bigEndian: Int16(wholeGroups - 1))
    out.append(bigEndian: isNegative ? 0x4000 as Int16 : 0)
    out.append(bigEndian: Int16(fraction.count))
    append(text, whole, padding: 0, to: &out)
    append(text, fraction, padding: (4 - fraction.count % 4) % 4, to: &out)
  }

  static func appendNaN(to out: inout ByteBuffer) {
    out.append(bigEndian: Int32(8))
    for word in [0, 0, 0xC000, 0] as [UInt16] { out.append(bigEndian: word) }
  }

  /// Appends digits in groups that end where they do, with so many zeros behind them.
  private func append(
    _ text: Span<UInt8>, _ digits: Range<Int>, padding: Int, to out: inout ByteBuffer
  ) {
    var group: Int16 = 0
    let end = digits.upperBound + padding
    for index in digits.lowerBound..<end {
      group = group * 10 + (index < digits.upperBound ? Int16(text[index] - 0x30) : 0)
      guard (end - index - 1) % 4 == 0 else { continue }
      out.append(bigEndian: group)
      group = 0
    }
  }
}
