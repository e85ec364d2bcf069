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

  private let template: BraceTemplate
  public var text: String { template.text }

  /// The layout that the archiver before us had.
  public static var daily: String { "export/{table}/{YYYY}/{MM}/{YYYY}-{MM}-{DD}.jsonl.zst" }
  /// For partitions of which others begin on the same day.
  static var inDay: String { "export/{table}/{YYYY}/{MM}/{YYYY}-{MM}-{DD}/{partition}.jsonl.zst" }
  /// For partitions without dates.
  public static var byName: String { "export/{table}/{partition}.jsonl.zst" }

  /// Throws `UsageError` for an unknown placeholder or a brace without its partner.
  public init(parsing text: String) throws(UsageError) {
    let known = ["database", "schema", "table", "partition"] + Self.dateParts.map(\.name)
    template = try BraceTemplate(parsing: text, known: known, what: "key")
  }

  /// The key with all holes filled; nil where `values` lacks one.
  ///
  /// A slash in a name must not make another folder of it.
  func expand(_ values: [String: String]) -> String? {
    var key = ""
    for piece in template.pieces {
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
