public import Bytes

/// Where and why a text stopped being JSON.
public typealias JSONError = DecodeError

/// What kind of JSON value a text is, by its first byte.
public enum JSONKind: Sendable {
  case object, array, string, number, boolean, null
}

/// Steps over JSON text in place, checking every byte (RFC 8259), without building anything.
///
/// It holds no text of its own: each call borrows the same bytes again.
public struct JSONScanner {
  /// Deeper nesting than this is refused, so that hostile input cannot fill the memory; it costs no stack here.
  ///
  /// PostgreSQL's own limit, its stack, ends at tens of thousands.
  public static var maxDepth: Int { 1 << 20 }

  /// The offset of the next byte to look at.
  @usableFromInline var position: Int
  public var offset: Int { position }

  public init(at offset: Int = 0) { position = offset }

  /// Steps over blanks.
  @inlinable
  public mutating func skipBlanks(_ text: Span<UInt8>) {
    while position < text.count {
      let byte = unsafe text[unchecked: position]
      guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
      position += 1
    }
  }

  /// Steps over `byte` if it comes next, after blanks.
  @inlinable
  public mutating func skip(_ byte: UInt8, _ text: Span<UInt8>) -> Bool {
    skipBlanks(text)
    guard position < text.count, unsafe text[unchecked: position] == byte else { return false }
    position += 1
    return true
  }

  /// Steps over `bytes` if they are the very next ones.
  @inlinable
  public mutating func skip(exactly bytes: Span<UInt8>, _ text: Span<UInt8>) -> Bool {
    guard text.count - position >= bytes.count,
      text.extracting(position..<position + bytes.count).equals(bytes)
    else { return false }
    position += bytes.count
    return true
  }

  /// Steps over `byte`, which must come next.
  @inlinable
  public mutating func expect(_ byte: UInt8, _ text: Span<UInt8>) throws(JSONError) {
    guard skip(byte, text) else {
      throw JSONError(expected: "\"\(Character(Unicode.Scalar(byte)))\"", offset: position)
    }
  }

  /// The kind of the value that comes next.
  @inlinable
  public mutating func kind(_ text: Span<UInt8>) throws(JSONError) -> JSONKind {
    skipBlanks(text)
    guard position < text.count else { throw JSONError(expected: "a value", offset: position) }
    switch unsafe text[unchecked: position] {
    case UInt8(ascii: "\""): return .string
    case UInt8(ascii: "{"): return .object
    case UInt8(ascii: "["): return .array
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .boolean
    case UInt8(ascii: "n"): return .null
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
    default: throw JSONError(expected: "a value", offset: position)
    }
  }

  /// Steps over a value and returns where it lies.
  public mutating func value(_ text: Span<UInt8>) throws(JSONError) -> Range<Int> {
    let first = try kind(text)
    let start = position
    guard first == .object || first == .array else {
      try scalar(first, text)
      return start..<position
    }
    // The objects (true) and arrays that are open: a list, so that depth costs no stack.
    var open: [Bool] = []
    repeat {
      let kind = try kind(text)
      if kind == .object || kind == .array {
        if try enter(isObject: kind == .object, text, &open) { continue }
      } else {
        try scalar(kind, text)
      }
      try leave(text, &open)
    } while !open.isEmpty
    return start..<position
  }

  /// Steps into an object or array; false if it is empty, and so at its end already.
  private mutating func enter(
    isObject: Bool, _ text: Span<UInt8>, _ open: inout [Bool]
  ) throws(JSONError) -> Bool {
    guard open.count < Self.maxDepth else {
      throw JSONError(expected: "no deeper nesting than \(Self.maxDepth)", offset: position)
    }
    position += 1
    if skip(isObject ? UInt8(ascii: "}") : UInt8(ascii: "]"), text) { return false }
    open.append(isObject)
    if isObject { try name(text) }
    return true
  }

  /// Steps over what follows a value: the ends of what it was the last of, or a comma.
  private mutating func leave(_ text: Span<UInt8>, _ open: inout [Bool]) throws(JSONError) {
    while let isObject = open.last {
      if skip(UInt8(ascii: ","), text) {
        if isObject { try name(text) }
        return
      }
      try expect(isObject ? UInt8(ascii: "}") : UInt8(ascii: "]"), text)
      open.removeLast()
    }
  }

  private mutating func name(_ text: Span<UInt8>) throws(JSONError) {
    _ = try string(text)
    try expect(UInt8(ascii: ":"), text)
  }

  private mutating func scalar(_ kind: JSONKind, _ text: Span<UInt8>) throws(JSONError) {
    switch kind {
    case .string: _ = try string(text)
    case .number: try number(text)
    case .boolean: try word(text[position] == UInt8(ascii: "t") ? "true" : "false", text)
    default: try word("null", text)
    }
  }

  /// Steps over a string and returns what lies between its quotes, and whether it has escapes.
  @inlinable
  public mutating func string(
    _ text: Span<UInt8>
  ) throws(JSONError) -> (inside: Range<Int>, escaped: Bool) {
    var (at, escaped) = (try openString(text), false)
    let start = at
    while true {
      at = text.endOfPlain(from: at)
      if try closeString(text, at) { return (start..<at, escaped) }
      escaped = true
      at = try Self.escape(text, at)
    }
  }

  /// Steps over a string and appends what it stands for, as UTF-8; true if it has escapes.
  ///
  /// A lone half of a surrogate pair is refused.
  public mutating func string(
    _ text: Span<UInt8>, appendingTo buffer: inout ByteBuffer
  ) throws(JSONError) -> Bool {
    var (at, escaped) = (try openString(text), false)
    while true {
      at = buffer.appendPlain(text, from: at)
      if try closeString(text, at) { return escaped }
      escaped = true
      _ = try Self.escape(text, at)
      at = try JSONText.appendUnescaped(text, at, to: &buffer)
    }
  }

  /// The offset behind the quote that comes next.
  @inlinable
  mutating func openString(_ text: Span<UInt8>) throws(JSONError) -> Int {
    skipBlanks(text)
    guard position < text.count, unsafe text[unchecked: position] == UInt8(ascii: "\"") else {
      throw JSONError(expected: "a string", offset: position)
    }
    return position + 1
  }

  /// Steps behind the quote at `at`, where plain text ends; false for an escape.
  @inlinable
  mutating func closeString(_ text: Span<UInt8>, _ at: Int) throws(JSONError) -> Bool {
    guard at < text.count else {
      throw JSONError(expected: "the end of a string", offset: text.count)
    }
    let byte = unsafe text[unchecked: at]
    if byte < 0x20 { throw JSONError(expected: "no control character in a string", offset: at) }
    if byte == UInt8(ascii: "\\") { return false }
    position = at + 1
    return true
  }

  /// The offset behind the escape at `at`.
  @usableFromInline
  static func escape(_ text: Span<UInt8>, _ at: Int) throws(JSONError) -> Int {
    guard at + 1 < text.count else { throw JSONError(expected: "an escape", offset: at) }
    switch text[at + 1] {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"),
      UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      return at + 2
    case UInt8(ascii: "u"):
      for index in at + 2..<at + 6 {
        guard index < text.count, Hex.value(text[index]) != nil else {
          throw JSONError(expected: "four hexadecimal digits", offset: index)
        }
      }
      return at + 6
    default: throw JSONError(expected: "an escape", offset: at)
    }
  }

  private mutating func word(_ word: StaticString, _ text: Span<UInt8>) throws(JSONError) {
    let length = word.utf8CodeUnitCount
    guard text.count - position >= length,
      text.extracting(position..<position + length).equals(word)
    else { throw JSONError(expected: "\(word)", offset: position) }
    position += length
  }

  private mutating func number(_ text: Span<UInt8>) throws(JSONError) {
    if text[position] == UInt8(ascii: "-") { position += 1 }
    if position < text.count, text[position] == UInt8(ascii: "0") {
      position += 1
    } else {
      try digits(text)
    }
    if position < text.count, text[position] == UInt8(ascii: ".") {
      position += 1
      try digits(text)
    }
    guard position < text.count, text[position] | 0x20 == UInt8(ascii: "e") else { return }
    position += 1
    if position < text.count,
      text[position] == UInt8(ascii: "+") || text[position] == UInt8(ascii: "-")
    {
      position += 1
    }
    try digits(text)
  }

  private mutating func digits(_ text: Span<UInt8>) throws(JSONError) {
    let start = position
    while position < text.count,
      case UInt8(ascii: "0")...UInt8(ascii: "9") = unsafe text[unchecked: position]
    {
      position += 1
    }
    if position == start { throw JSONError(expected: "a digit", offset: position) }
  }
}
