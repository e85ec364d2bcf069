public import Bytes

/// The text of JSON strings: escaping and its undoing.
public enum JSONText {
  /// Appends `text` in quotes, escaped as PostgreSQL's `escape_json` does.
  public static func appendString(_ text: Span<UInt8>, to buffer: inout ByteBuffer) {
    buffer.append(UInt8(ascii: "\""))
    appendEscaped(text, to: &buffer)
    buffer.append(UInt8(ascii: "\""))
  }

  public static func appendString(_ text: String, to buffer: inout ByteBuffer) {
    appendString(text.utf8.span, to: &buffer)
  }

  /// Appends `text` without quotes; runs of plain bytes are copied whole.
  public static func appendEscaped(_ text: Span<UInt8>, to buffer: inout ByteBuffer) {
    var run = 0
    for index in text.indices {
      let byte = text[index]
      if byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") { continue }
      buffer.append(text.extracting(run..<index))
      appendEscape(of: byte, to: &buffer)
      run = index + 1
    }
    buffer.append(text.extracting(droppingFirst: run))
  }

  /// Appends the escape of one byte that cannot stand in a string as it is.
  public static func appendEscape(of byte: UInt8, to buffer: inout ByteBuffer) {
    switch byte {
    case UInt8(ascii: "\""): buffer.append(#"\""#)
    case UInt8(ascii: "\\"): buffer.append(#"\\"#)
    case UInt8(ascii: "\n"): buffer.append(#"\n"#)
    case UInt8(ascii: "\r"): buffer.append(#"\r"#)
    case UInt8(ascii: "\t"): buffer.append(#"\t"#)
    case 0x08: buffer.append(#"\b"#)
    case 0x0C: buffer.append(#"\f"#)
    default:
      buffer.append(#"\u00"#)
      buffer.append(Hex.digit(byte >> 4))
      buffer.append(Hex.digit(byte & 15))
    }
  }

  /// Appends what the inside of a JSON string stands for, as UTF-8.
  ///
  /// The scanner has already checked the escapes. A lone half of a surrogate pair is refused.
  public static func appendUnescaped(
    _ inside: Span<UInt8>, to buffer: inout ByteBuffer
  ) throws(JSONError) {
    var at = 0
    while at < inside.count {
      let next = inside.firstIndex(of: UInt8(ascii: "\\"), from: at) ?? inside.count
      buffer.append(inside.extracting(at..<next))
      at = next
      if at < inside.count { at = try appendUnescaped(inside, at, to: &buffer) }
    }
  }

  /// Appends what the escape at `at` stands for and returns the offset behind it.
  static func appendUnescaped(
    _ inside: Span<UInt8>, _ at: Int, to buffer: inout ByteBuffer
  ) throws(JSONError) -> Int {
    guard at + 1 < inside.count else { throw JSONError(expected: "an escape", offset: at) }
    switch inside[at + 1] {
    case UInt8(ascii: "b"): buffer.append(0x08)
    case UInt8(ascii: "f"): buffer.append(0x0C)
    case UInt8(ascii: "n"): buffer.append(0x0A)
    case UInt8(ascii: "r"): buffer.append(0x0D)
    case UInt8(ascii: "t"): buffer.append(0x09)
    case UInt8(ascii: "u"): return try appendScalar(inside, at, to: &buffer)
    default: buffer.append(inside[at + 1])
    }
    return at + 2
  }

  private static func appendScalar(
    _ inside: Span<UInt8>, _ at: Int, to buffer: inout ByteBuffer
  ) throws(JSONError) -> Int {
    let first = try unit(inside, at)
    var (code, end) = (first, at + 6)
    if first & 0xFC00 == 0xD800 {
      let second = try unit(inside, end)
      guard second & 0xFC00 == 0xDC00 else {
        throw JSONError(expected: "the second half of a surrogate pair", offset: end)
      }
      code = 0x10000 + (first & 0x3FF) << 10 + (second & 0x3FF)
      end += 6
    }
    guard let scalar = Unicode.Scalar(code) else {
      throw JSONError(expected: "the first half of a surrogate pair", offset: at)
    }
    for byte in UTF8.encode(scalar) ?? .init() { buffer.append(byte) }
    return end
  }

  private static func unit(_ inside: Span<UInt8>, _ at: Int) throws(JSONError) -> UInt32 {
    guard at + 6 <= inside.count, inside[at] == UInt8(ascii: "\\"),
      inside[at + 1] == UInt8(ascii: "u")
    else { throw JSONError(expected: "an escape of four digits", offset: at) }
    var code: UInt32 = 0
    for index in at + 2..<at + 6 {
      guard let digit = Hex.value(inside[index]) else {
        throw JSONError(expected: "a hexadecimal digit", offset: index)
      }
      code = code << 4 | UInt32(digit)
    }
    return code
  }
}
