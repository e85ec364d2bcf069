internal import Bytes
internal import Postgres

/// Writes the values of a column as `row_to_json` prints them.
struct ColumnEncoder: Sendable {
  private let value: ValueEncoder
  /// What stands between the elements of an array; nil where values are none.
  private let delimiter: UInt8?

  /// Makes a string of PostgreSQL's own text of every value.
  static var text: ColumnEncoder { ColumnEncoder(value: .plain, delimiter: nil) }

  private init(value: ValueEncoder, delimiter: UInt8?) {
    (self.value, self.delimiter) = (value, delimiter)
  }

  /// For a column of the type, an OID of `pg_type`.
  ///
  /// What a type that is not built in is made of, the server does not tell: arrays and composites of such are text.
  init(type: UInt32, _ types: TypeNames, quoteNumbers: Bool) {
    let base = types.base(of: type)
    let element = types.element(of: base)
    value = ValueEncoder(type: element ?? base, quoteNumbers: quoteNumbers)
    delimiter = element.map { $0 == Self.box ? UInt8(ascii: ";") : UInt8(ascii: ",") }
  }

  private static var box: UInt32 { 603 }

  /// Appends `text` as JSON.
  @inline(__always)
  func append(_ text: Span<UInt8>, to buffer: inout ByteBuffer) {
    if let delimiter {
      appendArray(text, delimiter, to: &buffer)
    } else {
      value.append(text, to: &buffer)
    }
  }

  /// JSON has no place for the bounds of an array that does not begin at 1, so that is left as text.
  private func appendArray(_ text: Span<UInt8>, _ delimiter: UInt8, to buffer: inout ByteBuffer) {
    let hasBounds = text.count > 0 && text[0] == UInt8(ascii: "[")
    let isWritten =
      !hasBounds
      && ArrayText.append(text, delimiter: delimiter, to: &buffer) { element, out in
        value.append(element, to: &out)
      }
    if !isWritten { ValueEncoder.plain.append(text, to: &buffer) }
  }
}
