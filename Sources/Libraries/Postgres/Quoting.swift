public import Filter

/// How names and values are written in SQL.
public enum Quoting {
  /// A name in double quotes.
  public static func identifier(_ name: String) -> String {
    "\"" + doubling("\"", in: name) + "\""
  }

  /// A schema and a name, as `"public"."My Table"`.
  public static func qualified(_ schema: String, _ name: String) -> String {
    identifier(schema) + "." + identifier(name)
  }

  /// A string constant; the session has `standard_conforming_strings` on.
  public static func literal(_ text: String) -> String { "'" + doubling("'", in: text) + "'" }

  // By scalars: a combining character behind a quote would make another Character of it.
  private static func doubling(_ quote: Unicode.Scalar, in text: String) -> String {
    var scalars = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      scalars.append(scalar)
      if scalar == quote { scalars.append(scalar) }
    }
    return String(scalars)
  }

  /// Reads a list of names written as in SQL: `a, "B c"` is a and B c, and `A` is a.
  ///
  /// Throws `UsageError` for what is no such list.
  public static func identifiers(_ text: String) throws(UsageError) -> [String] {
    var names: [String] = []
    var rest = text.unicodeScalars[...]
    repeat {
      rest = rest.drop { $0 == " " }
      names.append(try identifier(from: &rest, in: text))
      rest = rest.drop { $0 == " " }
    } while rest.popFirst(if: ",")
    guard rest.isEmpty else { throw UsageError("\"\(text)\" is not a list of names") }
    return names
  }

  /// Reads one name written as in SQL.
  public static func onlyIdentifier(_ text: String) throws(UsageError) -> String {
    let names = try identifiers(text)
    guard names.count == 1 else { throw UsageError("\"\(text)\" is not one name") }
    return names[0]
  }

  /// Reads `[SCHEMA.]NAME` written as in SQL.
  public static func qualifiedName(
    _ text: String
  ) throws(UsageError) -> (schema: String?, name: String) {
    var rest = text.unicodeScalars[...]
    let first = try identifier(from: &rest, in: text)
    guard rest.popFirst(if: ".") else {
      guard rest.isEmpty else { throw UsageError("\"\(text)\" is not a name") }
      return (nil, first)
    }
    let second = try identifier(from: &rest, in: text)
    guard rest.isEmpty else { throw UsageError("\"\(text)\" is not a name") }
    return (first, second)
  }

  /// An array constant of text, for a parameter; nil is NULL.
  public static func array(_ values: [String?]) -> String {
    let items = values.map { value in
      guard let value else { return "NULL" }
      var item = "\""
      for scalar in value.unicodeScalars {
        if scalar == "\"" || scalar == "\\" { item += "\\" }
        item.unicodeScalars.append(scalar)
      }
      return item + "\""
    }
    return "{" + items.joined(separator: ",") + "}"
  }

  private static func identifier(
    from rest: inout String.UnicodeScalarView.SubSequence, in text: String
  ) throws(UsageError) -> String {
    var name = String.UnicodeScalarView()
    if rest.popFirst(if: "\"") {
      while let scalar = rest.popFirst() {
        // Two quotes in a quoted name are one; a single one ends it.
        if scalar == "\"", !rest.popFirst(if: "\"") { return String(name) }
        name.append(scalar)
      }
      throw UsageError("\"\(text)\" lacks a closing quote")
    }
    while let scalar = rest.first, ![",", " ", "."].contains(scalar) {
      name.append(contentsOf: String(rest.removeFirst()).asciiLowercased.unicodeScalars)
    }
    guard !name.isEmpty else { throw UsageError("\"\(text)\" is not a list of names") }
    return String(name)
  }
}

extension String.UnicodeScalarView.SubSequence {
  fileprivate mutating func popFirst(if wanted: Unicode.Scalar) -> Bool {
    guard first == wanted else { return false }
    removeFirst()
    return true
  }
}

extension String {
  /// As PostgreSQL folds a name that is not quoted.
  fileprivate var asciiLowercased: String {
    String(decoding: utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
  }
}
