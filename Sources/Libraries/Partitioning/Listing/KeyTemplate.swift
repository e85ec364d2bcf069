public import Filter

/// The names of objects, made from what is known of a partition.
public struct KeyTemplate: Sendable {
  /// The parts of a date that a key may hold, as the server spells them for `to_char`.
  static var dateParts: [(name: String, format: String)] {
    [
      ("YYYY", "YYYY"), ("MM", "MM"), ("DD", "DD"), ("HH", "HH24"), ("Q", "Q"), ("IYYY", "IYYY"),
      ("IW", "IW"),
    ]
  }

  private enum Piece: Equatable {
    case text(String)
    case hole(String)
  }

  private let pieces: [Piece]
  public let text: String

  /// The layout that the archiver before us had.
  public static var daily: String { "export/{table}/{YYYY}/{MM}/{YYYY}-{MM}-{DD}.jsonl.zst" }
  /// For partitions without dates.
  public static var byName: String { "export/{table}/{partition}.jsonl.zst" }

  /// Throws `UsageError` for an unknown placeholder or a brace without its partner.
  public init(parsing text: String) throws(UsageError) {
    self.text = text
    let known = ["database", "schema", "table", "partition"] + Self.dateParts.map(\.name)
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
    guard !pieces.isEmpty else { throw UsageError("a key cannot be empty") }
    self.pieces = pieces
  }

  /// The key with all holes filled; nil where `values` lacks one.
  ///
  /// A slash in a name must not make another folder of it.
  func expand(_ values: [String: String]) -> String? {
    var key = ""
    for piece in pieces {
      switch piece {
      case .text(let text): key += text
      case .hole(let name):
        guard let value = values[name] else { return nil }
        for scalar in value.unicodeScalars {
          if scalar == "/" { key += "%2F" } else { key.unicodeScalars.append(scalar) }
        }
      }
    }
    return key
  }
}
