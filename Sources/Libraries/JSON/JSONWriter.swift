internal import Bytes

/// Builds JSON text in one buffer, member by member, in call order.
public struct JSONWriter: ~Copyable {
  private var buffer: ByteBuffer
  /// True where the next member or element needs no comma before it.
  private var isFirst = true

  public init(capacity: Int = 512) { buffer = ByteBuffer(capacity: capacity) }

  /// The text so far.
  public var span: Span<UInt8> {
    @_lifetime(borrow self)
    get { buffer.span }
  }

  public var count: Int { buffer.count }

  /// Forgets the text and keeps the memory.
  public mutating func removeAll() {
    buffer.removeAll()
    isFirst = true
  }

  /// Writes `{`, what `fill` writes, and `}`.
  public mutating func object(_ fill: (inout JSONWriter) -> Void) {
    nest(UInt8(ascii: "{"), fill, UInt8(ascii: "}"))
  }

  /// Writes the member `name` as an object.
  public mutating func object(_ name: StaticString, _ fill: (inout JSONWriter) -> Void) {
    key(name)
    nest(UInt8(ascii: "{"), fill, UInt8(ascii: "}"))
  }

  /// Writes the member `name` as an array; in it each call without a name adds an element.
  public mutating func array(_ name: StaticString, _ fill: (inout JSONWriter) -> Void) {
    key(name)
    nest(UInt8(ascii: "["), fill, UInt8(ascii: "]"))
  }

  /// Writes an element of an array as an object.
  public mutating func element(_ fill: (inout JSONWriter) -> Void) {
    comma()
    nest(UInt8(ascii: "{"), fill, UInt8(ascii: "}"))
  }

  /// Writes an element of an array as a string.
  public mutating func element(_ value: String) {
    comma()
    JSONText.appendString(value, to: &buffer)
  }

  /// Writes a string member; nil is `null`.
  public mutating func field(_ name: StaticString, _ value: String?) {
    key(name)
    guard let value else { return buffer.append("null") }
    JSONText.appendString(value, to: &buffer)
  }

  /// Writes an integer member; nil is `null`.
  public mutating func field<T: FixedWidthInteger>(_ name: StaticString, _ value: T?) {
    key(name)
    guard let value else { return buffer.append("null") }
    buffer.append(decimal: value)
  }

  public mutating func field(_ name: StaticString, _ value: Bool) {
    key(name)
    buffer.append(value ? "true" : "false")
  }

  /// Writes a member whose value is JSON text already.
  public mutating func field(_ name: StaticString, json: Span<UInt8>) {
    key(name)
    buffer.append(json)
  }

  /// Writes a line feed and makes ready for the next line.
  public mutating func endLine() {
    buffer.append(UInt8(ascii: "\n"))
    isFirst = true
  }

  private mutating func nest(_ open: UInt8, _ fill: (inout JSONWriter) -> Void, _ close: UInt8) {
    buffer.append(open)
    isFirst = true
    fill(&self)
    buffer.append(close)
    isFirst = false
  }

  private mutating func comma() {
    if !isFirst { buffer.append(UInt8(ascii: ",")) }
    isFirst = false
  }

  private mutating func key(_ name: StaticString) {
    comma()
    buffer.append(UInt8(ascii: "\""))
    buffer.append(name)
    buffer.append(#"":"#)
  }
}
