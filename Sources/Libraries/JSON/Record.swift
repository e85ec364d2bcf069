public import Bytes

/// One NDJSON object that keeps the order and the exact bytes of the members it was given.
///
/// Filters pass on what they do not know: a record is read, looked into, and gets members added at
/// its end. A member that is set again is moved to the end with its new value.
public struct Record: Sendable {
  private struct Member: Sendable {
    let name: String
    /// Where `"name":value` lies in `bytes`.
    let whole: Range<Int>
    let value: Range<Int>
  }

  private var bytes: [UInt8]
  private var members: [Member] = []

  /// A record with the one member `type`.
  public init(type: String) {
    bytes = []
    set("type", type)
  }

  /// Parses one object, which must fill `line`.
  public init(parsing line: Span<UInt8>) throws(JSONError) {
    bytes = [UInt8](copying: line)
    var scanner = JSONScanner()
    try scanner.expect(UInt8(ascii: "{"), line)
    if !scanner.skip(UInt8(ascii: "}"), line) {
      repeat {
        members.append(try Self.member(line, &scanner))
      } while scanner.skip(UInt8(ascii: ","), line)
      try scanner.expect(UInt8(ascii: "}"), line)
    }
    scanner.skipBlanks(line)
    guard scanner.offset == line.count else {
      throw JSONError(expected: "nothing more", offset: scanner.offset)
    }
  }

  public init(parsing text: String) throws(JSONError) { try self.init(parsing: text.utf8.span) }

  private static func member(
    _ line: Span<UInt8>, _ scanner: inout JSONScanner
  ) throws(JSONError) -> Member {
    scanner.skipBlanks(line)
    let start = scanner.offset
    let (inside, escaped) = try scanner.string(line)
    var name = ByteBuffer(capacity: inside.count)
    if escaped {
      try JSONText.appendUnescaped(line.extracting(inside), to: &name)
    } else {
      name.append(line.extracting(inside))
    }
    try scanner.expect(UInt8(ascii: ":"), line)
    let value = try scanner.value(line)
    return Member(name: String(utf8: name.span), whole: start..<value.upperBound, value: value)
  }

  /// The names of its members, in order.
  public var names: [String] { members.map(\.name) }

  /// The value of `type`; empty when there is none.
  public var type: String { string("type") ?? "" }

  /// The JSON text of a member; `nil` when there is none.
  public func json(_ name: String) -> [UInt8]? {
    // Of two members with one name the last one counts, as in every reader of JSON.
    guard let member = members.last(where: { $0.name == name }) else { return nil }
    return Array(bytes[member.value])
  }

  /// A member as a tree; `nil` when there is none.
  public subscript(name: String) -> JSONValue? {
    guard let text = json(name) else { return nil }
    return try? JSONValue(parsing: text.span)
  }

  public func string(_ name: String) -> String? { self[name]?.string }
  public func integer(_ name: String) -> Int? { self[name]?.integer }
  public func boolean(_ name: String) -> Bool? { self[name]?.boolean }

  /// Gives the record another type, in the place of the one it had.
  public mutating func retype(_ type: String) {
    let place = members.firstIndex { $0.name == "type" } ?? 0
    set("type", type)
    members.insert(members.removeLast(), at: place)
  }

  /// Takes a member away.
  public mutating func remove(_ name: String) { members.removeAll { $0.name == name } }

  /// Adds a string member; nil is `null`.
  public mutating func set(_ name: String, _ value: String?) {
    add(name) { (buffer: inout ByteBuffer) in
      guard let value else { return buffer.append("null") }
      JSONText.appendString(value, to: &buffer)
    }
  }

  /// Adds an integer member; nil is `null`.
  public mutating func set<T: FixedWidthInteger>(_ name: String, _ value: T?) {
    add(name) { (buffer: inout ByteBuffer) in
      guard let value else { return buffer.append("null") }
      buffer.append(decimal: value)
    }
  }

  public mutating func set(_ name: String, _ value: Bool) {
    add(name) { (buffer: inout ByteBuffer) in
      buffer.append(value ? "true" : "false")
    }
  }

  /// Adds a member whose value is JSON text already.
  public mutating func set(_ name: String, json: [UInt8]) {
    add(name) { (buffer: inout ByteBuffer) in buffer.append(json) }
  }

  /// Adds a member that `fill` writes.
  public mutating func set(_ name: String, object fill: (inout JSONWriter) -> Void) {
    var writer = JSONWriter()
    writer.object(fill)
    set(name, json: [UInt8](copying: writer.span))
  }

  private mutating func add(_ name: String, _ value: (inout ByteBuffer) -> Void) {
    remove(name)
    var buffer = ByteBuffer()
    JSONText.appendString(name, to: &buffer)
    buffer.append(UInt8(ascii: ":"))
    let keyCount = buffer.count
    value(&buffer)
    let start = bytes.count
    bytes += [UInt8](copying: buffer.span)
    members.append(
      Member(
        name: name, whole: start..<bytes.count, value: start + keyCount..<bytes.count))
  }

  /// Appends the record as one line.
  public func append(to buffer: inout ByteBuffer) {
    buffer.append(UInt8(ascii: "{"))
    for (index, member) in members.enumerated() {
      if index > 0 { buffer.append(UInt8(ascii: ",")) }
      buffer.append(bytes.span.extracting(member.whole))
    }
    buffer.append("}\n")
  }

  /// The record as text, without a line feed.
  public var text: String {
    var buffer = ByteBuffer()
    append(to: &buffer)
    buffer.truncate(to: buffer.count - 1)
    return String(utf8: buffer.span)
  }
}
