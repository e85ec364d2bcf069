/// Reads configuration that is written as YAML.
///
/// Of YAML's means, those that make a text say something else than it seems to are refused: anchors and aliases (a few
/// lines can stand for gigabytes), tags, keys given twice, keys that are no single value, and a second document.
public enum YAMLDocument {
  /// Bytes.
  public static var maxBytes: Int { 1 << 20 }
  /// Lists and mappings within one another.
  public static var maxDepth: Int { 32 }

  /// The tree of the one document in `text`; an empty one is a null scalar.
  public static func parse(_ text: Span<UInt8>) throws(YAMLError) -> YAMLNode {
    guard text.count <= maxBytes else {
      throw YAMLError("longer than \(maxBytes) bytes", line: 1, column: 1)
    }
    var builder = YAMLBuilder(events: try YAMLEvents(text))
    return try builder.document()
  }

  /// The tree of the one document in `text`.
  public static func parse(_ text: [UInt8]) throws(YAMLError) -> YAMLNode { try parse(text.span) }
}

/// Makes a tree of events.
private struct YAMLBuilder: ~Copyable {
  var events: YAMLEvents

  init(events: consuming YAMLEvents) { self.events = events }

  mutating func document() throws(YAMLError) -> YAMLNode {
    let start = try events.next()
    guard start.kind == .document else {
      return YAMLNode(.scalar("", .plain), line: 1, column: 1)
    }
    let root = try node(try events.next(), depth: 0)
    _ = try events.next()
    let next = try events.next()
    if next.kind != .end { throw error("a second document begins here", next) }
    return root
  }

  private mutating func node(_ event: YAMLEvent, depth: Int) throws(YAMLError) -> YAMLNode {
    if event.kind == .alias || event.hasAnchor {
      throw error("anchors and aliases are not understood", event)
    }
    if event.hasTag { throw error("tags are not understood", event) }
    if depth > YAMLDocument.maxDepth {
      throw error("more than \(YAMLDocument.maxDepth) levels within one another", event)
    }
    let content: YAMLNode.Content =
      switch event.kind {
      case .sequence: .sequence(try items(depth: depth + 1))
      case .mapping: .mapping(try pairs(depth: depth + 1))
      default: .scalar(event.text, event.style)
      }
    return YAMLNode(content, line: event.line, column: event.column)
  }

  private mutating func items(depth: Int) throws(YAMLError) -> [YAMLNode] {
    var items: [YAMLNode] = []
    while true {
      let event = try events.next()
      if event.kind == .sequenceEnd { return items }
      items.append(try node(event, depth: depth))
    }
  }

  private mutating func pairs(depth: Int) throws(YAMLError) -> [YAMLPair] {
    var pairs: [YAMLPair] = []
    var lines: [String: Int] = [:]
    while true {
      let event = try events.next()
      if event.kind == .mappingEnd { return pairs }
      guard case .scalar(let key, _) = try node(event, depth: depth).content else {
        throw error("a key has to be a single value", event)
      }
      if let line = lines.updateValue(event.line, forKey: key) {
        throw error("\"\(key)\" is given twice, first in line \(line)", event)
      }
      let value = try node(try events.next(), depth: depth)
      pairs.append(YAMLPair(key: key, value: value, line: event.line, column: event.column))
    }
  }

  private func error(_ reason: String, _ event: YAMLEvent) -> YAMLError {
    YAMLError(reason, line: event.line, column: event.column)
  }
}
