internal import Bytes
internal import JSON

/// Why a JSON value cannot be a value of the column's type.
struct ValueError: Error, Equatable {
  let problem: String
  init(_ problem: String) { self.problem = problem }
  init(_ error: JSONError) { problem = error.description }
  init(expected: String, found: JSONKind) {
    problem = "expected \(expected), found \(found.article) \(found)"
  }
}

extension JSONKind {
  fileprivate var article: String { self == .object || self == .array ? "an" : "a" }
}

/// Turns nested JSON into the literals of arrays, composites and the like, not yet escaped for COPY.
struct LiteralWriter: ~Copyable {
  private var out = ByteBuffer()
  private var scratch = ByteBuffer()
  /// A longer literal is an error; no server takes one, and each level of nesting may double its length.
  private let maxBytes: Int

  init(maxBytes: Int = 1 << 30) { self.maxBytes = maxBytes }

  /// The literal last written.
  var span: Span<UInt8> {
    @_lifetime(borrow self)
    get { out.span }
  }

  /// Writes the literal of `value`, one JSON value; false for SQL null.
  mutating func write(
    _ value: Span<UInt8>, as shape: ValueShape
  ) throws(ValueError) -> Bool {
    out.removeAll()
    var scanner = JSONScanner()
    let kind: JSONKind
    do throws(JSONError) { kind = try scanner.kind(value) } catch { throw ValueError(error) }
    if kind == .null { return false }
    try append(value, kind, shape)
    try checkLength()
    return true
  }

  private func checkLength() throws(ValueError) {
    guard out.count <= maxBytes else {
      throw ValueError("the value's text is longer than \(maxBytes) bytes")
    }
  }

  private mutating func append(
    _ value: Span<UInt8>, _ kind: JSONKind, _ shape: ValueShape
  ) throws(ValueError) {
    switch shape {
    case .json: out.append(value)
    case .foreign where kind == .object || kind == .array: out.append(value)
    case .scalar, .foreign: try appendScalar(value, kind)
    case .array(let element, let delimiter):
      if try isNested(kind, .array, value) { try appendArray(value, element, delimiter) }
    case .vector:
      if try isNested(kind, .array, value) { try appendVector(value) }
    case .composite(let attributes):
      if try isNested(kind, .object, value) { try appendComposite(value, attributes) }
    case .hstore:
      if try isNested(kind, .object, value) { try appendPairs(value) }
    }
  }

  /// True when the value is of the wanted kind and is to be taken apart.
  ///
  /// A string is taken for the type's own literal, which is what other writers of JSON may send.
  private mutating func isNested(
    _ kind: JSONKind, _ wanted: JSONKind, _ value: Span<UInt8>
  ) throws(ValueError) -> Bool {
    if kind == wanted { return true }
    guard kind == .string else {
      throw ValueError(expected: "\(wanted.article) \(wanted)", found: kind)
    }
    try appendScalar(value, kind)
    return false
  }

  private mutating func appendScalar(
    _ value: Span<UInt8>, _ kind: JSONKind
  ) throws(ValueError) {
    switch kind {
    case .number, .boolean: out.append(value)
    case .string:
      let start = out.count
      do throws(JSONError) {
        try JSONText.appendUnescaped(value.extracting(1..<value.count - 1), to: &out)
      } catch { throw ValueError(error) }
      guard out.span.firstIndex(of: 0, from: start) == nil else {
        throw ValueError(#"\u0000 cannot be stored as text"#)
      }
    default: throw ValueError(expected: "a string, number or boolean", found: kind)
    }
  }

  /// The server's own limit; without one, hostile nesting would exhaust the stack.
  private static var maxDimensions: Int { 6 }

  private mutating func appendArray(
    _ value: Span<UInt8>, _ element: ValueShape, _ delimiter: UInt8, dimension: Int = 1
  ) throws(ValueError) {
    guard dimension <= Self.maxDimensions else {
      throw ValueError("more than \(Self.maxDimensions) dimensions")
    }
    out.append(UInt8(ascii: "{"))
    var isFirst = true
    var reader = ValueReader(inside: value)
    while let (range, kind) = try reader.nextElement(value) {
      if !isFirst { out.append(delimiter) }
      isFirst = false
      let part = value.extracting(range)
      if kind == .null {
        out.append("NULL")
      } else if kind == .array, element.isFlat {
        try appendArray(part, element, delimiter, dimension: dimension + 1)
      } else {
        try appendQuoted(part, kind, element)
      }
    }
    out.append(UInt8(ascii: "}"))
  }

  private mutating func appendVector(_ value: Span<UInt8>) throws(ValueError) {
    var isFirst = true
    var reader = ValueReader(inside: value)
    while let (range, kind) = try reader.nextElement(value) {
      if !isFirst { out.append(UInt8(ascii: " ")) }
      isFirst = false
      guard kind == .number || kind == .string else {
        throw ValueError(expected: "a number", found: kind)
      }
      try appendScalar(value.extracting(range), kind)
    }
  }

  private mutating func appendComposite(
    _ value: Span<UInt8>, _ attributes: [ValueShape.Attribute]
  ) throws(ValueError) {
    var found = [Range<Int>?](repeating: nil, count: attributes.count)
    var reader = ValueReader(inside: value)
    while let (name, range) = try reader.nextMember(value) {
      guard let index = attributes.firstIndex(where: { name.elementsEqual($0.name.utf8) }) else {
        throw ValueError("unknown attribute \"\(String(utf8: name.span))\"")
      }
      guard found[index] == nil else {
        throw ValueError("attribute \"\(attributes[index].name)\" is there twice")
      }
      found[index] = range
    }
    out.append(UInt8(ascii: "("))
    for (index, attribute) in attributes.enumerated() {
      if index > 0 { out.append(UInt8(ascii: ",")) }
      guard let range = found[index] else {
        throw ValueError("attribute \"\(attribute.name)\" is missing")
      }
      let (part, kind) = (value.extracting(range), try ValueReader.kind(value, range))
      if kind != .null { try appendQuoted(part, kind, attribute.shape) }
    }
    out.append(UInt8(ascii: ")"))
  }

  private mutating func appendPairs(_ value: Span<UInt8>) throws(ValueError) {
    var isFirst = true
    var reader = ValueReader(inside: value)
    while let (name, range) = try reader.nextMember(value) {
      if !isFirst { out.append(", ") }
      isFirst = false
      let start = out.count
      out.append(name)
      try quote(from: start)
      out.append("=>")
      let kind = try ValueReader.kind(value, range)
      if kind == .null {
        out.append("NULL")
      } else {
        try appendQuoted(value.extracting(range), kind, .foreign)
      }
    }
  }

  /// A number or boolean as it is, everything else in quotes.
  private mutating func appendQuoted(
    _ value: Span<UInt8>, _ kind: JSONKind, _ shape: ValueShape
  ) throws(ValueError) {
    let start = out.count
    try append(value, kind, shape)
    if kind != .number && kind != .boolean || shape == .json { try quote(from: start) }
  }

  private mutating func quote(from start: Int) throws(ValueError) {
    try checkLength()
    Self.quote(&out, from: start, &scratch)
  }

  /// Puts what was written since `start` in quotes; arrays, rows and hstore agree on how.
  private static func quote(
    _ out: inout ByteBuffer, from start: Int, _ scratch: inout ByteBuffer
  ) {
    scratch.removeAll()
    scratch.append(out.span(from: start))
    out.truncate(to: start)
    out.append(UInt8(ascii: "\""))
    let value = scratch.span
    for index in value.indices {
      let byte = value[index]
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { out.append(UInt8(ascii: "\\")) }
      out.append(byte)
    }
    out.append(UInt8(ascii: "\""))
  }
}

/// Steps through the elements of an array or the members of an object.
struct ValueReader {
  private var scanner = JSONScanner(at: 0)
  private var isFirst = true

  /// `value` is the whole array or object; it stands on its opening bracket.
  init(inside value: Span<UInt8>) {
    scanner.skipBlanks(value)
    scanner = JSONScanner(at: scanner.offset + 1)
  }

  /// Where the reader stands.
  var offset: Int { scanner.offset }

  static func kind(_ text: Span<UInt8>, _ range: Range<Int>) throws(ValueError) -> JSONKind {
    var scanner = JSONScanner(at: range.lowerBound)
    do throws(JSONError) { return try scanner.kind(text) } catch { throw ValueError(error) }
  }

  mutating func nextElement(
    _ text: Span<UInt8>
  ) throws(ValueError) -> (value: Range<Int>, kind: JSONKind)? {
    do throws(JSONError) {
      guard try hasNext(text, close: UInt8(ascii: "]")) else { return nil }
      let kind = try scanner.kind(text)
      return (try scanner.value(text), kind)
    } catch { throw ValueError(error) }
  }

  mutating func nextMember(
    _ text: Span<UInt8>
  ) throws(ValueError) -> (name: [UInt8], value: Range<Int>)? {
    do throws(JSONError) {
      guard try hasNext(text, close: UInt8(ascii: "}")) else { return nil }
      let (inside, escaped) = try scanner.string(text)
      try scanner.expect(UInt8(ascii: ":"), text)
      var name = ByteBuffer(capacity: inside.count)
      if escaped {
        try JSONText.appendUnescaped(text.extracting(inside), to: &name)
      } else {
        name.append(text.extracting(inside))
      }
      return ([UInt8](copying: name.span), try scanner.value(text))
    } catch { throw ValueError(error) }
  }

  private mutating func hasNext(_ text: Span<UInt8>, close: UInt8) throws(JSONError) -> Bool {
    defer { isFirst = false }
    if isFirst { return !scanner.skip(close, text) }
    if scanner.skip(UInt8(ascii: ","), text) { return true }
    try scanner.expect(close, text)
    return false
  }
}
