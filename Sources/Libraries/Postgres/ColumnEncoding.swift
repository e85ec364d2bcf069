/// How a column's COPY text becomes the JSON that `row_to_json` prints.
enum ColumnEncoding: Sendable, Equatable {
  /// Digits as they are.
  case integer
  /// Digits as they are, but `NaN` and the infinities as strings.
  case number
  /// `t` and `f` become `true` and `false`.
  case boolean
  /// ISO 8601 with `T`.
  case timestamp
  /// Likewise, with the zone, which is always UTC here.
  case timestampWithZone
  /// JSON text, embedded; a line break between its tokens becomes a space.
  case json
  /// Everything else, as a string.
  case string
  /// No encoder here: the server sends `to_json(column)`, which is embedded.
  case server
  /// Likewise, and the numbers in it become strings.
  case serverQuoted

  /// `kind` is `pg_type.typtype` of the type below all domains, `isArray` whether it is one, `hasCast` whether a
  /// function casts it to json.
  ///
  /// The choice follows the server's `json_categorize_type`; types that are not built in may have
  /// a cast to json, so they are left to the server.
  init(baseType: Int, kind: String, isArray: Bool, hasCast: Bool = false) {
    if kind == "e", !hasCast {
      self = .string
      return
    }
    guard baseType < 16384, kind == "b" || kind == "r" || kind == "m", !isArray else {
      self = .server
      return
    }
    switch baseType {
    case 16: self = .boolean
    case 20, 21, 23: self = .integer
    case 700, 701, 1700: self = .number
    case 114, 3802: self = .json
    case 1114: self = .timestamp
    case 1184: self = .timestampWithZone
    default: self = .string
    }
  }

  /// The same where every number is to be a string.
  var withQuotedNumbers: ColumnEncoding {
    switch self {
    case .integer, .number: .string
    case .server: .serverQuoted
    default: self
    }
  }

  /// The column as COPY should send it.
  func expression(_ column: String) -> String {
    self == .server ? "pg_catalog.to_json(\(column))" : column
  }
}
