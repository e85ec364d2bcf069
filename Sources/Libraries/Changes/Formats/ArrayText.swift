internal import Bytes

/// Turns PostgreSQL's text of an array, `{1,NULL,"a b"}`, into a JSON array.
struct ArrayText: ~Copyable {
  private let delimiter: UInt8
  /// What the element at hand stands for.
  private var item = ByteBuffer()
  private var at = 0
  private var depth = 0
  /// A value has come, so that only a delimiter or an end can follow.
  private var isBehindValue = false

  private init(delimiter: UInt8) { self.delimiter = delimiter }

  /// Appends the array, its elements as `element` writes them; false, and nothing appended, for what is none.
  static func append(
    _ text: Span<UInt8>, delimiter: UInt8, to out: inout ByteBuffer,
    element: (Span<UInt8>, inout ByteBuffer) -> Void
  ) -> Bool {
    let start = out.count
    var reader = ArrayText(delimiter: delimiter)
    reader.skipBounds(text)
    repeat {
      guard reader.next(text, &out, element) else {
        out.truncate(to: start)
        return false
      }
    } while reader.depth > 0
    guard reader.at == text.count else {
      out.truncate(to: start)
      return false
    }
    return true
  }

  /// Steps over what stands before an array that does not begin at 1: `[0:2]={…}`.
  private mutating func skipBounds(_ text: Span<UInt8>) {
    guard text.count > 0, text[0] == UInt8(ascii: "["),
      let end = text.firstIndex(of: UInt8(ascii: "="))
    else { return }
    at = end + 1
  }

  /// Steps over a brace, a delimiter or an element; false where none can stand.
  private mutating func next(
    _ text: Span<UInt8>, _ out: inout ByteBuffer, _ element: (Span<UInt8>, inout ByteBuffer) -> Void
  ) -> Bool {
    guard at < text.count else { return false }
    switch text[at] {
    case UInt8(ascii: "{") where !isBehindValue:
      out.append(UInt8(ascii: "["))
      (at, depth) = (at + 1, depth + 1)
      if at < text.count, text[at] == UInt8(ascii: "}") { isBehindValue = true }
    case UInt8(ascii: "}") where isBehindValue:
      out.append(UInt8(ascii: "]"))
      (at, depth) = (at + 1, depth - 1)
    case delimiter where isBehindValue:
      out.append(UInt8(ascii: ","))
      (at, isBehindValue) = (at + 1, false)
    default:
      guard depth > 0, !isBehindValue else { return false }
      return self.element(text, &out, element)
    }
    return true
  }

  private mutating func element(
    _ text: Span<UInt8>, _ out: inout ByteBuffer, _ element: (Span<UInt8>, inout ByteBuffer) -> Void
  ) -> Bool {
    item.removeAll()
    isBehindValue = true
    if text[at] == UInt8(ascii: "\"") {
      guard quoted(text) else { return false }
    } else {
      plain(text)
      guard !item.isEmpty else { return false }
      if item.span.equals("NULL") {
        out.append("null")
        return true
      }
    }
    element(item.span, &out)
    return true
  }

  private mutating func quoted(_ text: Span<UInt8>) -> Bool {
    at += 1
    while at < text.count {
      var byte = text[at]
      at += 1
      if byte == UInt8(ascii: "\"") { return true }
      if byte == UInt8(ascii: "\\") {
        guard at < text.count else { return false }
        byte = text[at]
        at += 1
      }
      item.append(byte)
    }
    return false
  }

  private mutating func plain(_ text: Span<UInt8>) {
    while at < text.count, text[at] != delimiter, text[at] != UInt8(ascii: "{"),
      text[at] != UInt8(ascii: "}")
    {
      item.append(text[at])
      at += 1
    }
  }
}
