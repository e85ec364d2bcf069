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
}
