public import Bytes
internal import JSON

/// Turns a value's text, as the server sends it outside of COPY, into the JSON that `row_to_json` prints.
///
/// What has no encoder here, as arrays and composites, becomes a string of PostgreSQL's own text.
public struct ValueEncoder: Sendable {
  private let encoding: ColumnEncoding

  /// For values of one type, an OID of `pg_type`.
  ///
  /// `quoteNumbers` makes every number a string.
  public init(type: UInt32, quoteNumbers: Bool = false) {
    let encoding = ColumnEncoding(baseType: Int(type), kind: "b", isArray: false)
    let isNumber = encoding == .integer || encoding == .number
    self.encoding = encoding == .server || quoteNumbers && isNumber ? .string : encoding
  }

  /// Makes a string of PostgreSQL's own text of every value.
  public static var plain: ValueEncoder { ValueEncoder(encoding: .string) }

  private init(encoding: ColumnEncoding) { self.encoding = encoding }

  /// Appends `text` as JSON.
  @inline(__always)
  public func append(_ text: Span<UInt8>, to buffer: inout ByteBuffer) {
    switch encoding {
    case .integer: buffer.append(text)
    case .number: appendNumber(text, to: &buffer)
    case .boolean:
      let isTrue = text.count == 1 && text[0] == UInt8(ascii: "t")
      buffer.append(isTrue ? "true" : "false")
    case .timestamp: appendTimestamp(text, to: &buffer, zone: false)
    case .timestampWithZone: appendTimestamp(text, to: &buffer, zone: true)
    case .json: appendJSON(text, to: &buffer)
    case .string, .server, .serverQuoted: appendString(text, to: &buffer)
    }
  }

  @inline(__always)
  private func appendString(_ text: Span<UInt8>, to buffer: inout ByteBuffer) {
    buffer.append(UInt8(ascii: "\""))
    unsafe text.withUnsafeBufferPointer { bytes in
      guard var next = bytes.baseAddress else { return }
      let end = unsafe next + bytes.count
      while true {
        unsafe next = buffer.appendPlain(from: next, end: end)
        guard unsafe next < end else { return }
        unsafe JSONText.appendEscape(of: next.pointee, to: &buffer)
        unsafe next += 1
      }
    }
    buffer.append(UInt8(ascii: "\""))
  }

  /// `NaN` and the infinities become strings.
  private func appendNumber(_ text: Span<UInt8>, to buffer: inout ByteBuffer) {
    let digit = text.count > 1 && text[0] == UInt8(ascii: "-") ? 1 : 0
    let isFinite =
      digit < text.count && (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[digit])
    if isFinite { buffer.append(text) } else { appendString(text, to: &buffer) }
  }

  private func appendTimestamp(_ text: Span<UInt8>, to buffer: inout ByteBuffer, zone: Bool) {
    buffer.append(UInt8(ascii: "\""))
    let start = buffer.count
    buffer.append(text)
    buffer.makeTimestamp(from: start, zone: zone)
    buffer.append(UInt8(ascii: "\""))
  }

  /// Line breaks can only stand between the tokens.
  private func appendJSON(_ text: Span<UInt8>, to buffer: inout ByteBuffer) {
    let start = buffer.count
    buffer.append(text)
    for index in start..<buffer.count {
      let byte = buffer.span[index]
      if byte == 0x0A || byte == 0x0D { buffer.replace(at: index, with: UInt8(ascii: " ")) }
    }
  }
}

extension ByteBuffer {
  /// Makes `2024-01-31T12:00:00+00:00 BC` of `2024-01-31 12:00:00+00 BC`, which begins at `start`.
  ///
  /// The session's zone is UTC, so the text ends in `+00` or `+00 BC`.
  mutating func makeTimestamp(from start: Int, zone: Bool) {
    // Behind a year of four digits; `infinity` ends before it.
    var space = start + 10
    while space < count, span[space] != UInt8(ascii: " ") { space += 1 }
    guard space < count else { return }
    replace(at: space, with: UInt8(ascii: "T"))
    guard zone else { return }
    let isBC = span[count - 1] == UInt8(ascii: "C")
    if isBC { truncate(to: count - 3) }
    append(":00")
    if isBC { append(" BC") }
  }
}
