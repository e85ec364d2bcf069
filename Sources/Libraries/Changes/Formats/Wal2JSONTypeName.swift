internal import Postgres

/// The name of a type as wal2json writes it.
enum Wal2JSONTypeName {
  /// Of a name as a relation event has it.
  ///
  /// A type of the schema `public` stands without it, as it does in a session whose search path has it.
  static func name(of type: String) -> String {
    guard type.hasPrefix("\""), let (schema, name) = try? Quoting.qualifiedName(type) else {
      return type
    }
    // wal2json takes the quotes around such a name for those of the JSON string.
    guard let schema else { return name }
    let isArray = name.hasPrefix("_")
    let element = isArray ? String(name.dropFirst()) : name
    if schema == "public", !isArray { return element }
    let prefix = schema == "public" ? "" : quoted(schema) + "."
    return prefix + quoted(element) + (isArray ? "[]" : "")
  }

  /// In quotes where PostgreSQL would put it there, keywords left aside.
  private static func quoted(_ name: String) -> String {
    let isPlain = name.utf8.allSatisfy {
      (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "_")
    }
    let startsWithDigit = name.utf8.first.map { (0x30...0x39).contains($0) } ?? true
    return isPlain && !startsWithDigit ? name : Quoting.identifier(name)
  }
}
