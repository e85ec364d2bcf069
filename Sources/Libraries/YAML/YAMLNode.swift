/// A value of a YAML document, and where it begins.
public struct YAMLNode: Equatable, Sendable {
  public indirect enum Content: Equatable, Sendable {
    case scalar(String, ScalarStyle)
    case sequence([YAMLNode])
    case mapping([YAMLPair])
  }

  /// How a scalar was written; only plain ones can stand for anything but text.
  public enum ScalarStyle: Equatable, Sendable {
    case plain
    /// Quoted either way, or a block.
    case quoted
  }

  public let content: Content
  /// From 1.
  public let line: Int
  /// From 1, in characters.
  public let column: Int

  public init(_ content: Content, line: Int, column: Int) {
    (self.content, self.line, self.column) = (content, line, column)
  }

  /// True for nothing, `~` and `null`, unquoted.
  public var isNull: Bool {
    guard case .scalar(let text, .plain) = content else { return false }
    return ["", "~", "null", "Null", "NULL"].contains(text)
  }

  /// What it is, for messages.
  public var kind: String {
    switch content {
    case .scalar: isNull ? "nothing" : "a single value"
    case .sequence: "a list"
    case .mapping: "a mapping"
    }
  }
}

/// A key of a mapping with its value.
public struct YAMLPair: Equatable, Sendable {
  public let key: String
  public let value: YAMLNode
  /// Where the key stands, from 1.
  public let line: Int
  public let column: Int

  public init(key: String, value: YAMLNode, line: Int, column: Int) {
    (self.key, self.value, self.line, self.column) = (key, value, line, column)
  }
}
