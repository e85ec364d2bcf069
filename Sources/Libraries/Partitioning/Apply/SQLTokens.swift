/// Reads the tokens of a statement one after the other; only the kinds that statements of plans have.
struct SQLTokens {
  enum Kind: Equatable { case name, literal, number, word, mark }

  struct Token: Equatable {
    let kind: Kind
    let bytes: [UInt8]
  }

  private(set) var rest: ArraySlice<Token>

  var isAtEnd: Bool { rest.isEmpty }

  /// Nil where there is anything else: comments, semicolons, parameters, other quotes.
  init?(_ text: String) {
    var (bytes, tokens) = (Array(text.utf8)[...], [Token]())
    while true {
      bytes = bytes.drop { $0 == 0x20 || $0 == 0x0A }
      if bytes.isEmpty { break }
      guard let token = Self.token(&bytes) else { return nil }
      tokens.append(token)
    }
    rest = tokens[...]
  }

  private static func token(_ bytes: inout ArraySlice<UInt8>) -> Token? {
    guard let first = bytes.first else { return nil }
    switch first {
    case UInt8(ascii: "\""): return quoted(.name, &bytes)
    case UInt8(ascii: "'"): return quoted(.literal, &bytes)
    case UInt8(ascii: "0")...UInt8(ascii: "9"):
      return taken(.number, &bytes) { (0x30...0x39).contains($0) }
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "_"):
      return taken(.word, &bytes) { byte in
        (0x30...0x39).contains(byte) || byte == UInt8(ascii: "_")
          || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
      }
    default:
      guard "(),.=<>".utf8.contains(first) else { return nil }
      bytes.removeFirst()
      return Token(kind: .mark, bytes: [first])
    }
  }

  private static func taken(
    _ kind: Kind, _ bytes: inout ArraySlice<UInt8>, while isPart: (UInt8) -> Bool
  ) -> Token {
    let part = bytes.prefix(while: isPart)
    bytes = bytes.dropFirst(part.count)
    return Token(kind: kind, bytes: Array(part))
  }

  /// With its quotes; a backslash is nothing special.
  private static func quoted(_ kind: Kind, _ bytes: inout ArraySlice<UInt8>) -> Token? {
    guard let quote = bytes.popFirst() else { return nil }
    var text = [quote]
    while let byte = bytes.popFirst() {
      text.append(byte)
      guard byte == quote else { continue }
      guard bytes.first == quote else { return Token(kind: kind, bytes: text) }
      bytes.removeFirst()
      text.append(quote)
    }
    return nil
  }

  /// Steps over these tokens if they come next.
  mutating func skip(_ text: String) -> Bool {
    guard let wanted = SQLTokens(text)?.rest, rest.starts(with: wanted) else { return false }
    rest = rest.dropFirst(wanted.count)
    return true
  }

  mutating func next() -> Token? { rest.popFirst() }

  /// Steps over one token of this kind if it comes next.
  mutating func take(_ kind: Kind) -> Token? {
    guard let first = rest.first, first.kind == kind else { return nil }
    rest.removeFirst()
    return first
  }
}
