internal import Postgres

extension PartitionBound {
  /// The bound as `pg_get_expr` prints it, and as ATTACH PARTITION takes it.
  ///
  /// `types` are those of the key's columns: the server quotes all values but `integer` ones.
  func text(types: [String]) -> String {
    switch self {
    case .range(let from, let to):
      "FOR VALUES FROM (\(Self.list(from, types))) TO (\(Self.list(to, types)))"
    case .list(let values):
      "FOR VALUES IN ("
        + values.map { $0.map { Self.value($0, types.first) } ?? "NULL" }.joined(separator: ", ")
        + ")"
    case .hash(let modulus, let remainder):
      "FOR VALUES WITH (modulus \(modulus), remainder \(remainder))"
    case .default: "DEFAULT"
    }
  }

  private static func list(_ limits: [Limit], _ types: [String]) -> String {
    limits.enumerated().map { index, limit in
      switch limit {
      case .minimum: "MINVALUE"
      case .maximum: "MAXVALUE"
      case .value(let text): value(text, index < types.count ? types[index] : nil)
      }
    }.joined(separator: ", ")
  }

  private static func value(_ text: String, _ type: String?) -> String {
    let isPlain = !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    return isPlain && type == "int4" ? text : Quoting.literal(text)
  }
}
