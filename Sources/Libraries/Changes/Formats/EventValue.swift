internal import Bytes
internal import JSON

/// A value as a change event has it, and PostgreSQL's own text of it.
enum EventValue {
  /// Appends the text as a JSON string, or null.
  ///
  /// In an event a JSON null looks like SQL's; it is taken for that.
  static func appendText(of value: Span<UInt8>, _ type: ValueType, to out: inout ByteBuffer) {
    switch value[0] {
    case UInt8(ascii: "n"): out.append("null")
    case UInt8(ascii: "["), UInt8(ascii: "{"): JSONText.appendString(value, to: &out)
    case _ where type.kind == .json && !type.isArray: JSONText.appendString(value, to: &out)
    case UInt8(ascii: "\""): appendString(value, type, to: &out)
    case UInt8(ascii: "t"): out.append(#""t""#)
    case UInt8(ascii: "f"): out.append(#""f""#)
    default: JSONText.appendString(value, to: &out)
    }
  }

  private static func appendString(
    _ value: Span<UInt8>, _ type: ValueType, to out: inout ByteBuffer
  ) {
    let start = out.count
    out.append(value)
    guard !type.isArray, type.kind == .timestamp || type.kind == .timestampWithZone,
      let mark = out.span.firstIndex(of: UInt8(ascii: "T"), from: start)
    else { return }
    out.replace(at: mark, with: UInt8(ascii: " "))
    if type.kind == .timestampWithZone { out.shortenZone(from: start) }
  }
}

extension ByteBuffer {
  /// Makes `…+00 BC"` of `…+00:00 BC"`.
  fileprivate mutating func shortenZone(from start: Int) {
    let isBC = count - start > 4 && span[count - 2] == UInt8(ascii: "C")
    let end = isBC ? count - 4 : count - 1
    guard end - start > 3, span.extracting(end - 3..<end).equals(":00") else { return }
    truncate(to: end - 3)
    append(isBC ? " BC\"" : "\"")
  }
}
