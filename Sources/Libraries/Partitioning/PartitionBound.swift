public import Posix

/// The bound of a partition, as `pg_get_expr(relpartbound, oid)` prints it.
public enum PartitionBound: Equatable, Sendable {
  /// One end of a range, in one key column.
  public enum Limit: Equatable, Sendable {
    case minimum
    case value(String)
    case maximum
  }

  /// From (inclusive) and to (exclusive), one limit a key column.
  case range(from: [Limit], to: [Limit])
  /// The values; nil is NULL.
  case list([String?])
  case hash(modulus: Int, remainder: Int)
  case `default`

  /// Parses `FOR VALUES FROM ('2024-01-01') TO (MAXVALUE)` and its like.
  ///
  /// Throws a `Failure` for any other text.
  public init(parsing text: String) throws(Failure) {
    var scanner = SQLScanner(text)
    if scanner.skip("DEFAULT") {
      self = .default
    } else if scanner.skip("FOR VALUES FROM"), let from = scanner.list() {
      guard scanner.skip("TO"), let to = scanner.list() else { throw Self.malformed(text) }
      self = .range(from: from.map(Self.limit), to: to.map(Self.limit))
    } else if scanner.skip("FOR VALUES IN"), let values = scanner.list() {
      self = .list(values.map { $0.isQuoted || $0.text != "NULL" ? $0.text : nil })
    } else if scanner.skip("FOR VALUES WITH (modulus"), let modulus = scanner.number(),
      scanner.skip(", remainder"), let remainder = scanner.number(), scanner.skip(")")
    {
      self = .hash(modulus: modulus, remainder: remainder)
    } else {
      throw Self.malformed(text)
    }
    guard scanner.isAtEnd else { throw Self.malformed(text) }
  }

  private static func malformed(_ text: String) -> Failure {
    Failure(.bug, "could not understand the partition bound \(text)")
  }

  private static func limit(_ word: SQLScanner.Word) -> Limit {
    if word.isQuoted { return .value(word.text) }
    switch word.text {
    case "MINVALUE": return .minimum
    case "MAXVALUE": return .maximum
    default: return .value(word.text)
    }
  }
}

/// Reads the few forms of SQL that a partition bound has.
struct SQLScanner {
  struct Word: Equatable {
    let text: String
    let isQuoted: Bool
  }

  private var rest: ArraySlice<UInt8>

  init(_ text: String) { rest = Array(text.utf8)[...] }

  var isAtEnd: Bool {
    mutating get {
      skipBlanks()
      return rest.isEmpty
    }
  }

  private mutating func skipBlanks() { rest = rest.drop { $0 == 0x20 } }

  /// Steps over `words` if they come next.
  mutating func skip(_ words: String) -> Bool {
    skipBlanks()
    guard rest.starts(with: words.utf8) else { return false }
    rest = rest.dropFirst(words.utf8.count)
    return true
  }

  mutating func number() -> Int? {
    skipBlanks()
    let digits = rest.prefix { (0x30...0x39).contains($0) }
    rest = rest.dropFirst(digits.count)
    return Int(String(decoding: digits, as: UTF8.self))
  }

  /// A list in parentheses; nil where there is none.
  mutating func list() -> [Word]? {
    guard skip("(") else { return nil }
    var words: [Word] = []
    repeat {
      guard let word = word() else { return nil }
      words.append(word)
    } while skip(",")
    return skip(")") ? words : nil
  }

  private mutating func word() -> Word? {
    skipBlanks()
    let isEscaped = rest.starts(with: "E'".utf8)
    if isEscaped { rest = rest.dropFirst() }
    if rest.first == UInt8(ascii: "'") { return quoted(escaped: isEscaped) }
    let bare = rest.prefix { $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: ")") && $0 != 0x20 }
    rest = rest.dropFirst(bare.count)
    return bare.isEmpty ? nil : Word(text: String(decoding: bare, as: UTF8.self), isQuoted: false)
  }

  private mutating func quoted(escaped: Bool) -> Word? {
    rest = rest.dropFirst()
    var text: [UInt8] = []
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "'") {
        guard rest.first == byte else {
          return Word(text: String(decoding: text, as: UTF8.self), isQuoted: true)
        }
        rest = rest.dropFirst()
      } else if escaped, byte == UInt8(ascii: "\\") {
        rest = rest.dropFirst()  // of `\\` one is left
      }
      text.append(byte)
    }
    return nil
  }
}
