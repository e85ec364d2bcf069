public import Bytes

/// A JSON value as a tree, for what is small: an option's value, a member of a record.
///
/// Numbers keep their text, so that no digit is lost.
public indirect enum JSONValue: Equatable, Sendable {
  case null
  case boolean(Bool)
  case number(String)
  case string(String)
  case array([JSONValue])
  case object([(name: String, value: JSONValue)])

  /// Parses one value, which must fill `text`.
  public init(parsing text: Span<UInt8>) throws(JSONError) {
    var scanner = JSONScanner()
    self = try Self.parse(text, &scanner, depth: 0)
    scanner.skipBlanks(text)
    guard scanner.offset == text.count else {
      throw JSONError(expected: "nothing more", offset: scanner.offset)
    }
  }

  /// A tree is for what is small; deeper nesting is refused.
  private static var maxDepth: Int { 512 }

  private static func parse(
    _ text: Span<UInt8>, _ scanner: inout JSONScanner, depth: Int
  ) throws(JSONError) -> JSONValue {
    guard depth < Self.maxDepth else {
      throw JSONError(expected: "no deeper nesting", offset: scanner.offset)
    }
    switch try scanner.kind(text) {
    case .null:
      _ = try scanner.value(text)
      return .null
    case .boolean: return .boolean(try scanner.value(text).count == 4)
    case .number: return .number(String(utf8: text.extracting(try scanner.value(text))))
    case .string: return .string(try string(text, &scanner))
    case .array: return try array(text, &scanner, depth)
    case .object: return try object(text, &scanner, depth)
    }
  }

  private static func string(
    _ text: Span<UInt8>, _ scanner: inout JSONScanner
  ) throws(JSONError) -> String {
    let (inside, escaped) = try scanner.string(text)
    guard escaped else { return String(utf8: text.extracting(inside)) }
    var buffer = ByteBuffer(capacity: inside.count)
    try JSONText.appendUnescaped(text.extracting(inside), to: &buffer)
    return String(utf8: buffer.span)
  }

  private static func array(
    _ text: Span<UInt8>, _ scanner: inout JSONScanner, _ depth: Int
  ) throws(JSONError) -> JSONValue {
    var values: [JSONValue] = []
    try scanner.expect(UInt8(ascii: "["), text)
    if scanner.skip(UInt8(ascii: "]"), text) { return .array(values) }
    repeat {
      values.append(try parse(text, &scanner, depth: depth + 1))
    } while scanner.skip(UInt8(ascii: ","), text)
    try scanner.expect(UInt8(ascii: "]"), text)
    return .array(values)
  }

  private static func object(
    _ text: Span<UInt8>, _ scanner: inout JSONScanner, _ depth: Int
  ) throws(JSONError) -> JSONValue {
    var members: [(name: String, value: JSONValue)] = []
    try scanner.expect(UInt8(ascii: "{"), text)
    if scanner.skip(UInt8(ascii: "}"), text) { return .object(members) }
    repeat {
      let name = try string(text, &scanner)
      try scanner.expect(UInt8(ascii: ":"), text)
      members.append((name, try parse(text, &scanner, depth: depth + 1)))
    } while scanner.skip(UInt8(ascii: ","), text)
    try scanner.expect(UInt8(ascii: "}"), text)
    return .object(members)
  }

  public static func == (a: JSONValue, b: JSONValue) -> Bool {
    switch (a, b) {
    case (.null, .null): true
    case (.boolean(let a), .boolean(let b)): a == b
    case (.number(let a), .number(let b)), (.string(let a), .string(let b)): a == b
    case (.array(let a), .array(let b)): a == b
    case (.object(let a), .object(let b)):
      a.elementsEqual(b) { $0.name == $1.name && $0.value == $1.value }
    default: false
    }
  }

  /// The member `name` of an object; `nil` when there is none.
  public subscript(name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.last { $0.name == name }?.value
  }

  public var string: String? {
    guard case .string(let text) = self else { return nil }
    return text
  }

  public var boolean: Bool? {
    guard case .boolean(let value) = self else { return nil }
    return value
  }

  /// The value of a number that is a whole one; `nil` for any other.
  public var integer: Int? {
    guard case .number(let text) = self, !text.hasPrefix("+") else { return nil }
    return Int(text)
  }

  public var array: [JSONValue]? {
    guard case .array(let values) = self else { return nil }
    return values
  }
}
