public import Bytes
internal import JSON

/// Turns rows of COPY text into lines of JSON, one object a row.
///
/// This is the hot loop of the suite: it must keep up with the server's raw COPY, so it makes no
/// allocation and no call per value, and looks at eight bytes at a time. COPY and JSON nearly
/// agree on escapes; a plain run ends at the next byte that either of them treats specially.
public struct RowEncoder: Sendable {
  /// A column; without references, which would be counted for each value.
  private struct Field: Sendable {
    let encoding: ColumnEncoding
    /// Where its part of `names` ends.
    let nameEnd: Int
  }

  private let fields: [Field]
  /// What is written before each value, `,"name":`, without the comma for the first.
  private let names: [UInt8]
  /// What each line begins and ends with.
  private let head: [UInt8]
  private let tail: [UInt8]

  /// For lines that are rows, or that have a row between `head` and `tail`.
  ///
  /// `quoteNumbers` makes every number a string, for readers that would round it; what `json` columns hold is left as
  /// it is.
  public init(
    _ columns: [Column], quoteNumbers: Bool = false, head: [UInt8] = [], tail: [UInt8] = []
  ) {
    self.head = head + [UInt8(ascii: "{")]
    self.tail = [UInt8(ascii: "}")] + tail + [UInt8(ascii: "\n")]
    var names = ByteBuffer()
    var fields: [Field] = []
    for column in columns {
      if !names.isEmpty { names.append(UInt8(ascii: ",")) }
      JSONText.appendString(column.name, to: &names)
      names.append(UInt8(ascii: ":"))
      let encoding = quoteNumbers ? column.encoding.withQuotedNumbers : column.encoding
      fields.append(Field(encoding: encoding, nameEnd: names.count))
    }
    self.fields = fields
    self.names = [UInt8](copying: names.span)
  }

  /// Appends the line for one row, `row` being COPY text with its line feed.
  ///
  /// Throws `DecodeError` where the row does not have the columns it should.
  public func append(_ row: Span<UInt8>, to buffer: inout ByteBuffer) throws(DecodeError) {
    buffer.append(head)
    if fields.isEmpty { return buffer.append(tail) }
    unsafe try row.withUnsafeBufferPointer { (bytes) throws(DecodeError) in
      guard let start = bytes.baseAddress else {
        throw DecodeError(expected: "a row", offset: 0)
      }
      var cursor = unsafe Cursor(next: start, end: start + bytes.count)
      let (fields, names) = (fields.span, names.span)
      var nameStart = 0
      for index in fields.indices {
        let field = fields[index]
        buffer.append(names.extracting(nameStart..<field.nameEnd))
        nameStart = field.nameEnd
        unsafe append(field.encoding, &cursor, &buffer)
        let separator = index == fields.count - 1 ? UInt8(ascii: "\n") : UInt8(ascii: "\t")
        guard unsafe cursor.skip(separator) else {
          throw unsafe DecodeError(
            expected: "the end of column \(index + 1)", offset: cursor.next - start)
        }
      }
      guard unsafe cursor.next == cursor.end else {
        throw unsafe DecodeError(expected: "the end of the row", offset: cursor.next - start)
      }
    }
    buffer.append(tail)
  }

  /// Where the loop is in the row.
  @unsafe
  struct Cursor {
    var next: UnsafePointer<UInt8>
    let end: UnsafePointer<UInt8>

    @inline(__always)
    mutating func skip(_ byte: UInt8) -> Bool {
      guard unsafe next < end, unsafe next.pointee == byte else { return false }
      unsafe next += 1
      return true
    }

    /// Steps over `\N` if that is the whole field.
    @inline(__always)
    mutating func skipNull() -> Bool {
      guard unsafe end - next >= 3, unsafe next[0] == UInt8(ascii: "\\"),
        unsafe next[1] == UInt8(ascii: "N")
      else { return false }
      unsafe next += 2
      return true
    }
  }

  @inline(__always)
  private func append(
    _ encoding: ColumnEncoding, _ cursor: inout Cursor, _ buffer: inout ByteBuffer
  ) {
    if unsafe cursor.skipNull() { return buffer.append("null") }
    switch encoding {
    case .integer: unsafe appendText(&cursor, &buffer)
    case .string:
      buffer.append(UInt8(ascii: "\""))
      unsafe appendText(&cursor, &buffer)
      buffer.append(UInt8(ascii: "\""))
    case .number: unsafe appendNumber(&cursor, &buffer)
    case .boolean:
      let isTrue = unsafe cursor.skip(UInt8(ascii: "t"))
      if !isTrue { _ = unsafe cursor.skip(UInt8(ascii: "f")) }
      buffer.append(isTrue ? "true" : "false")
    case .timestamp: unsafe appendTimestamp(&cursor, &buffer, zone: false)
    case .timestampWithZone: unsafe appendTimestamp(&cursor, &buffer, zone: true)
    case .json, .server: unsafe appendJSON(&cursor, &buffer)
    case .serverQuoted:
      let start = buffer.count
      unsafe appendJSON(&cursor, &buffer)
      JSONText.quoteNumbers(in: &buffer, from: start)
    }
  }

  /// Copies text up to the end of the field, as the inside of a JSON string.
  @inline(__always)
  private func appendText(_ cursor: inout Cursor, _ buffer: inout ByteBuffer) {
    while true {
      unsafe cursor.next = unsafe buffer.appendPlain(from: cursor.next, end: cursor.end)
      guard unsafe cursor.next < cursor.end else { return }
      let byte = unsafe cursor.next.pointee
      if byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\n") { return }
      if byte == UInt8(ascii: "\\") {
        unsafe appendEscape(&cursor, &buffer)
      } else {
        // A quote, or a control character that COPY sends as it is.
        JSONText.appendEscape(of: byte, to: &buffer)
        unsafe cursor.next += 1
      }
    }
  }

  /// Copies one escape of COPY; all but `\v` are JSON's too.
  private func appendEscape(_ cursor: inout Cursor, _ buffer: inout ByteBuffer) {
    guard unsafe cursor.end - cursor.next >= 2 else {
      unsafe cursor.next = unsafe cursor.end
      return
    }
    let byte = unsafe cursor.next[1]
    unsafe cursor.next += 2
    if byte == UInt8(ascii: "v") { return buffer.append(#"\u000b"#) }
    buffer.append(UInt8(ascii: "\\"))
    buffer.append(byte)
  }

  /// A number that JSON can hold goes in as it is; `NaN` and the infinities become strings.
  @inline(__always)
  private func appendNumber(_ cursor: inout Cursor, _ buffer: inout ByteBuffer) {
    guard unsafe cursor.next < cursor.end else { return }
    let first = unsafe cursor.next.pointee
    let isMinus = first == UInt8(ascii: "-")
    let second = unsafe isMinus && cursor.end - cursor.next > 1 ? cursor.next[1] : first
    let isFinite = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(second)
    if !isFinite { buffer.append(UInt8(ascii: "\"")) }
    unsafe appendText(&cursor, &buffer)
    if !isFinite { buffer.append(UInt8(ascii: "\"")) }
  }

  /// `2024-01-31 12:00:00+00 BC` becomes `2024-01-31T12:00:00+00:00 BC`.
  private func appendTimestamp(_ cursor: inout Cursor, _ buffer: inout ByteBuffer, zone: Bool) {
    buffer.append(UInt8(ascii: "\""))
    let start = buffer.count
    unsafe appendText(&cursor, &buffer)
    buffer.makeTimestamp(from: start, zone: zone)
    buffer.append(UInt8(ascii: "\""))
  }

  /// Embeds JSON text: COPY's escapes are undone, and line breaks become spaces.
  private func appendJSON(_ cursor: inout Cursor, _ buffer: inout ByteBuffer) {
    while true {
      unsafe cursor.next = unsafe buffer.appendPlain(
        from: cursor.next, end: cursor.end, withQuotes: true)
      guard unsafe cursor.next < cursor.end else { return }
      let byte = unsafe cursor.next.pointee
      if byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\n") { return }
      guard byte == UInt8(ascii: "\\") else {
        buffer.append(byte)
        unsafe cursor.next += 1
        continue
      }
      guard unsafe cursor.end - cursor.next >= 2 else {
        unsafe cursor.next = unsafe cursor.end
        return
      }
      switch unsafe cursor.next[1] {
      case UInt8(ascii: "n"), UInt8(ascii: "r"): buffer.append(UInt8(ascii: " "))
      case UInt8(ascii: "t"): buffer.append(UInt8(ascii: "\t"))
      case let other: buffer.append(other)
      }
      unsafe cursor.next += 2
    }
  }
}
