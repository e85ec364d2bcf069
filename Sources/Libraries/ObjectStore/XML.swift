internal import Bytes

/// Where and why a text stopped being the XML that stores write.
struct XMLError: Error, Equatable, CustomStringConvertible {
  let expected: String
  let offset: Int
  var description: String { "expected \(expected) at byte \(offset)" }
}

/// An element of a store's answer: names without their namespace, no attributes.
struct XMLElement {
  let name: String
  private(set) var text = ""
  private(set) var children: [XMLElement] = []

  /// The text of the first child of that name.
  subscript(name: String) -> String? { children.first { $0.name == name }?.text }

  func all(_ name: String) -> [XMLElement] { children.filter { $0.name == name } }

  /// Parses a document.
  init(parsing bytes: Span<UInt8>) throws(XMLError) {
    var reader = XMLReader()
    try reader.skipProlog(bytes)
    self = try Self.element(bytes, &reader, depth: 0)
    try reader.skipProlog(bytes)
    guard reader.isAtEnd(bytes) else { throw reader.wanted("nothing more") }
  }

  private init(name: String) { self.name = name }

  private static func element(
    _ bytes: Span<UInt8>, _ reader: inout XMLReader, depth: Int
  ) throws(XMLError) -> XMLElement {
    guard depth < 32 else { throw reader.wanted("no deeper nesting") }
    guard let tag = try reader.openTag(bytes) else { throw reader.wanted("an element") }
    var element = XMLElement(name: tag.name)
    if tag.isEmpty { return element }
    var text: [UInt8] = []
    while true {
      try reader.text(bytes, into: &text)
      if let name = try reader.closeTag(bytes) {
        guard name == tag.name else { throw reader.wanted("</\(tag.name)>") }
        element.text = String(utf8: text.span)
        return element
      }
      element.children.append(try Self.element(bytes, &reader, depth: depth + 1))
    }
  }
}

/// Steps over XML; each call borrows the same bytes again.
struct XMLReader {
  private var position = 0

  func wanted(_ what: String) -> XMLError { XMLError(expected: what, offset: position) }

  func isAtEnd(_ bytes: Span<UInt8>) -> Bool { position == bytes.count }

  /// Steps over blanks, `<?…?>`, `<!…>` and comments.
  mutating func skipProlog(_ bytes: Span<UInt8>) throws(XMLError) {
    while true {
      while position < bytes.count, Self.isBlank(bytes[position]) { position += 1 }
      if skip("<?", bytes) {
        _ = try upTo("?>", bytes)
      } else if skip("<!--", bytes) {
        _ = try upTo("-->", bytes)
      } else if !startsWith("<![CDATA[", bytes), skip("<!", bytes) {
        _ = try upTo(">", bytes)
      } else {
        return
      }
    }
  }

  /// Steps over `<name …>` or `<name …/>`; nil when no element starts here.
  mutating func openTag(
    _ bytes: Span<UInt8>
  ) throws(XMLError) -> (name: String, isEmpty: Bool)? {
    guard skip("<", bytes) else { return nil }
    let name = try name(bytes)
    var quote: UInt8? = nil
    let start = position
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      if let open = quote {
        if byte == open { quote = nil }
      } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
        quote = byte
      } else if byte == UInt8(ascii: ">") {
        let isEmpty = position - 2 >= start && bytes[position - 2] == UInt8(ascii: "/")
        return (name, isEmpty)
      }
    }
    throw wanted("\">\"")
  }

  /// Steps over `</name>`; nil when none starts here.
  mutating func closeTag(_ bytes: Span<UInt8>) throws(XMLError) -> String? {
    guard skip("</", bytes) else { return nil }
    let name = try name(bytes)
    _ = try upTo(">", bytes)
    return name
  }

  /// Appends text, references resolved, up to the next tag.
  mutating func text(_ bytes: Span<UInt8>, into text: inout [UInt8]) throws(XMLError) {
    while position < bytes.count {
      if skip("<![CDATA[", bytes) {
        let inside = try upTo("]]>", bytes)
        text += [UInt8](copying: bytes.extracting(inside))
      } else if skip("<!--", bytes) {
        _ = try upTo("-->", bytes)
      } else if bytes[position] == UInt8(ascii: "<") {
        return
      } else if skip("&", bytes) {
        try reference(bytes, into: &text)
      } else {
        text.append(bytes[position])
        position += 1
      }
    }
    throw wanted("a closing tag")
  }

  private mutating func reference(
    _ bytes: Span<UInt8>, into text: inout [UInt8]
  ) throws(XMLError) {
    let name = String(utf8: bytes.extracting(try upTo(";", bytes)))
    switch name {
    case "amp": text.append(UInt8(ascii: "&"))
    case "lt": text.append(UInt8(ascii: "<"))
    case "gt": text.append(UInt8(ascii: ">"))
    case "quot": text.append(UInt8(ascii: "\""))
    case "apos": text.append(UInt8(ascii: "'"))
    default:
      let isHex = name.hasPrefix("#x") || name.hasPrefix("#X")
      let digits = name.dropFirst(isHex ? 2 : 1)
      guard name.hasPrefix("#"), let code = UInt32(digits, radix: isHex ? 16 : 10),
        let scalar = Unicode.Scalar(code)
      else { throw wanted("a known reference") }
      text += Array(String(Character(scalar)).utf8)
    }
  }

  private mutating func name(_ bytes: Span<UInt8>) throws(XMLError) -> String {
    var start = position
    while position < bytes.count, Self.isName(bytes[position]) {
      if bytes[position] == UInt8(ascii: ":") { start = position + 1 }
      position += 1
    }
    guard position > start else { throw wanted("a name") }
    return String(utf8: bytes.extracting(start..<position))
  }

  /// Steps behind the next `end` and returns what lies before it.
  private mutating func upTo(
    _ end: StaticString, _ bytes: Span<UInt8>
  ) throws(XMLError) -> Range<Int> {
    let start = position
    while position < bytes.count {
      if skip(end, bytes) { return start..<position - end.utf8CodeUnitCount }
      position += 1
    }
    throw wanted("\"\(end)\"")
  }

  private func startsWith(_ text: StaticString, _ bytes: Span<UInt8>) -> Bool {
    let length = text.utf8CodeUnitCount
    return bytes.count - position >= length
      && bytes.extracting(position..<position + length).equals(text)
  }

  private mutating func skip(_ text: StaticString, _ bytes: Span<UInt8>) -> Bool {
    guard startsWith(text, bytes) else { return false }
    position += text.utf8CodeUnitCount
    return true
  }

  private static func isBlank(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
  }

  private static func isName(_ byte: UInt8) -> Bool {
    !isBlank(byte) && byte != UInt8(ascii: ">") && byte != UInt8(ascii: "/")
      && byte != UInt8(ascii: "<") && byte != UInt8(ascii: "=")
  }
}
