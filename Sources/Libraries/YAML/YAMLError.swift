/// What is wrong with a YAML document, and where.
public struct YAMLError: Error, Equatable, CustomStringConvertible {
  /// Lower case, no full stop.
  public let reason: String
  /// From 1; 0 where the text is not to blame.
  public let line: Int
  /// From 1, in characters.
  public let column: Int

  public init(_ reason: String, line: Int, column: Int) {
    (self.reason, self.line, self.column) = (reason, line, column)
  }

  public var description: String { "line \(line), column \(column): \(reason)" }
}
