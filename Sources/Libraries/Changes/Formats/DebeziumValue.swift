internal import Bytes
internal import Filter
internal import JSON

/// Values as Debezium's connector for PostgreSQL has them in JSON.
///
/// Its defaults, but for decimals: time.precision.mode adaptive, binary.handling.mode bytes, interval.handling.mode numeric,
/// decimal.handling.mode string. What has no form of its own there is PostgreSQL's text.
struct DebeziumValue {
  /// What stands for a value that lies outside of its row, was left as it was, and so was not sent.
  static var unavailable: StaticString { "__debezium_unavailable_value" }

  let quoteNumbers: Bool

  func appendUnavailable(_ type: ValueType, to out: inout ByteBuffer) {
    if type.isArray { out.append(UInt8(ascii: "[")) }
    out.append(UInt8(ascii: "\""))
    if type.kind == .bytea {
      out.append(Base64.encode(Array("\(Self.unavailable)".utf8)))
    } else {
      out.append(Self.unavailable)
    }
    out.append(UInt8(ascii: "\""))
    if type.isArray { out.append(UInt8(ascii: "]")) }
  }

  /// Appends what a string of PostgreSQL's own text, or null, stands for.
  func append(
    _ value: Span<UInt8>, _ type: ValueType, to out: inout ByteBuffer
  ) throws(JSONError) {
    guard value[0] == UInt8(ascii: "\"") else { return out.append(value) }
    if !type.isArray {
      switch type.kind {
      case .text, .json, .numeric: return out.append(value)
      default: break
      }
    }
    let inside = value.extracting(1..<value.count - 1)
    guard inside.firstIndex(of: UInt8(ascii: "\\")) != nil else {
      return append(text: inside, type, to: &out)
    }
    var text = ByteBuffer(capacity: inside.count)
    try JSONText.appendUnescaped(inside, to: &text)
    append(text: text.span, type, to: &out)
  }

  private func append(text: Span<UInt8>, _ type: ValueType, to out: inout ByteBuffer) {
    guard type.isArray else { return appendScalar(text, type, to: &out) }
    let isArray = ArrayText.append(text, delimiter: type.delimiter, to: &out) { element, out in
      appendScalar(element, type, to: &out)
    }
    if !isArray { JSONText.appendString(text, to: &out) }
  }

  private func appendScalar(_ text: Span<UInt8>, _ type: ValueType, to out: inout ByteBuffer) {
    let isKnown =
      switch type.kind {
      case .integer, .oid, .real: appendNumber(text, to: &out)
      case .boolean: Self.appendBoolean(text, to: &out)
      case .bytea: Self.appendBytes(text, to: &out)
      case .bits: Self.appendBits(text, isOne: type.modifier == 1, to: &out)
      case .money: Self.appendMoney(text, to: &out)
      case .point: Self.appendPoint(text, to: &out)
      case .date, .time, .timeWithZone, .timestamp, .timestampWithZone, .interval:
        DebeziumTime.append(text, type, to: &out)
      case .numeric, .json, .text: false
      }
    if !isKnown { JSONText.appendString(text, to: &out) }
  }

  // MARK: - Kinds; each is false, and appends nothing, for a text that is none of it

  /// `NaN` and the infinities stay text.
  private func appendNumber(_ text: Span<UInt8>, to out: inout ByteBuffer) -> Bool {
    guard text.isNumber, !quoteNumbers else { return false }
    out.append(text)
    return true
  }

  private static func appendBoolean(_ text: Span<UInt8>, to out: inout ByteBuffer) -> Bool {
    let isTrue = text.equals("t")
    guard isTrue || text.equals("f") else { return false }
    out.append(isTrue ? "true" : "false")
    return true
  }

  private static func appendBytes(_ text: Span<UInt8>, to out: inout ByteBuffer) -> Bool {
    guard text.count >= 2, text.extracting(first: 2).equals("\\x"),
      let bytes = Hex.decode(String(utf8: text.extracting(droppingFirst: 2)))
    else { return false }
    appendBase64(bytes, to: &out)
    return true
  }

  private static func appendBase64(_ bytes: [UInt8], to out: inout ByteBuffer) {
    out.append(UInt8(ascii: "\""))
    out.append(Base64.encode(bytes))
    out.append(UInt8(ascii: "\""))
  }

  /// One bit is a boolean; more are bytes, the last bits first, without zeros behind the first bit that is set.
  private static func appendBits(
    _ text: Span<UInt8>, isOne: Bool, to out: inout ByteBuffer
  ) -> Bool {
    var bytes = [UInt8](repeating: 0, count: (text.count + 7) / 8)
    for index in text.indices {
      let bit = text[index] &- UInt8(ascii: "0")
      guard bit <= 1 else { return false }
      let place = text.count - 1 - index
      bytes[place / 8] |= bit << UInt8(place % 8)
    }
    if isOne {
      guard text.count == 1 else { return false }
      out.append(bytes[0] == 1 ? "true" : "false")
      return true
    }
    while bytes.last == 0 { bytes.removeLast() }
    appendBase64(bytes, to: &out)
    return true
  }

  /// `-$1,234.56`, as it is without a locale, is `"-1234.56"`.
  private static func appendMoney(_ text: Span<UInt8>, to out: inout ByteBuffer) -> Bool {
    var amount = ByteBuffer()
    var hasSign = false
    for index in text.indices {
      switch text[index] {
      case UInt8(ascii: "$"): hasSign = true
      case UInt8(ascii: ","): continue
      default: amount.append(text[index])
      }
    }
    guard hasSign, amount.span.isNumber else { return false }
    out.append(UInt8(ascii: "\""))
    out.append(amount.span)
    out.append(UInt8(ascii: "\""))
    return true
  }

  /// Makes `{"x":1.5,"y":-2}` of `(1.5,-2)`.
  private static func appendPoint(_ text: Span<UInt8>, to out: inout ByteBuffer) -> Bool {
    guard text.count > 2, text[0] == UInt8(ascii: "("), text[text.count - 1] == UInt8(ascii: ")"),
      let comma = text.firstIndex(of: UInt8(ascii: ","))
    else { return false }
    let (x, y) = (text.extracting(1..<comma), text.extracting(comma + 1..<text.count - 1))
    guard x.isNumber, y.isNumber else { return false }
    out.append(#"{"x":"#)
    out.append(x)
    out.append(#","y":"#)
    out.append(y)
    out.append("}")
    return true
  }
}
