internal import Filter

/// Text with `{placeholders}`, as names of objects and of partitions are told.
struct BraceTemplate: Equatable, Sendable {
  enum Piece: Equatable {
    case text(String)
    case hole(String)
  }

  let text: String
  let pieces: [Piece]

  /// Throws for an unknown placeholder or a brace without its partner; `what` it is cannot be empty.
  init(parsing text: String, known: [String], what: String) throws(UsageError) {
    var pieces: [Piece] = []
    var rest = text[...]
    while !rest.isEmpty {
      let plain = rest.prefix { $0 != "{" && $0 != "}" }
      if !plain.isEmpty { pieces.append(.text(String(plain))) }
      rest = rest[plain.endIndex...]
      guard let brace = rest.popFirst() else { break }
      guard brace == "{", let end = rest.firstIndex(of: "}") else {
        throw UsageError("a brace in \"\(text)\" lacks its partner")
      }
      let name = String(rest[..<end])
      guard known.contains(name) else {
        throw UsageError("{\(name)} is not one of {\(known.joined(separator: "} {"))}")
      }
      pieces.append(.hole(name))
      rest = rest[rest.index(after: end)...]
    }
    guard !pieces.isEmpty else { throw UsageError("a \(what) cannot be empty") }
    (self.text, self.pieces) = (text, pieces)
  }

  init(text: String, pieces: [Piece]) { (self.text, self.pieces) = (text, pieces) }
}
