internal import Posix
internal import YAML

/// A value of a policy file, and what to call it when it is wrong.
struct PolicyEntry {
  /// As it is shown.
  let file: String
  /// The way to it: `sub.interval`.
  let path: String
  let line: Int
  let node: YAMLNode

  func error(_ reason: String) -> Failure {
    Failure(.badInput, "\(file):\(line): \(path.isEmpty ? reason : "\(path): \(reason)")")
  }

  /// The text of a single value that is something.
  func text(_ wanted: String) throws(Failure) -> String {
    guard case .scalar(let text, let style) = node.content, !text.isEmpty || style == .quoted,
      !node.isNull
    else { throw error("\(wanted) is wanted, not \(node.kind)") }
    return text
  }

  /// A name or the like: a text that is not empty.
  func name(_ wanted: String) throws(Failure) -> String {
    let text = try text(wanted)
    // The server would not take it, and cuts what is too long without an error.
    guard !text.isEmpty, !text.utf8.contains(0), text.utf8.count <= 63 else {
      throw error("\(wanted) of 1 to 63 bytes is wanted")
    }
    return text
  }

  func integer(_ wanted: String, in range: ClosedRange<Int64>) throws(Failure) -> Int64 {
    let text = try text(wanted)
    guard let value = PolicyEntry.integer(text), range.contains(value) else {
      let limits =
        range.upperBound == .max
        ? "from \(range.lowerBound)" : "from \(range.lowerBound) to \(range.upperBound)"
      throw error("\"\(text)\" is no whole number \(limits)")
    }
    return value
  }

  /// Digits behind at most a minus, with `_` between them for the eye; nil for anything else.
  static func integer(_ text: String) -> Int64? {
    let digits = text.utf8.filter { $0 != UInt8(ascii: "_") }
    guard text.utf8.first != UInt8(ascii: "+"), text.utf8.first != UInt8(ascii: "_") else {
      return nil
    }
    return Int64(String(decoding: digits, as: UTF8.self))
  }

  func boolean() throws(Failure) -> Bool {
    switch try text("true or false") {
    case "true": return true
    case "false": return false
    case let other: throw error("\"\(other)\" is neither true nor false")
    }
  }

  /// The items of a list, each an entry of its own.
  func items(_ wanted: String) throws(Failure) -> [PolicyEntry] {
    guard case .sequence(let items) = node.content else {
      throw error("\(wanted) is wanted, not \(node.kind)")
    }
    return items.map { PolicyEntry(file: file, path: path, line: $0.line, node: $0) }
  }

  func mapping() throws(Failure) -> PolicyMapping {
    guard case .mapping(let pairs) = node.content else {
      throw error("keys with values are wanted, not \(node.kind)")
    }
    return PolicyMapping(self, pairs)
  }

  /// An interval in PostgreSQL's words, with its parts; every part of it above zero, or all of it zero.
  func interval() throws(Failure) -> IntervalText {
    let text = try text("an interval such as 30 days")
    do throws(IntervalText.Fault) { return try IntervalText(parsing: text) } catch {
      throw self.error("\"\(text)\" \(error.reason)")
    }
  }

  /// An interval that is longer than nothing.
  func positiveInterval() throws(Failure) -> IntervalText {
    let interval = try interval()
    guard !interval.isZero else { throw error("an interval cannot be zero") }
    return interval
  }
}

/// The keys of a mapping, taken out one after the other, so that what is left is unknown.
struct PolicyMapping {
  /// The mapping itself, for what is wrong with it as a whole.
  let entry: PolicyEntry
  private var pairs: [(key: String, entry: PolicyEntry)]
  private var known: [String] = []

  init(_ entry: PolicyEntry, _ pairs: [YAMLPair]) {
    self.entry = entry
    self.pairs = pairs.map { pair in
      let path = entry.path.isEmpty ? pair.key : "\(entry.path).\(pair.key)"
      return (
        pair.key, PolicyEntry(file: entry.file, path: path, line: pair.line, node: pair.value)
      )
    }
  }

  /// The value of `key`; nil where there is none, and where it says null.
  mutating func take(_ key: String) -> PolicyEntry? {
    known.append(key)
    guard let index = pairs.firstIndex(where: { $0.key == key }) else { return nil }
    let entry = pairs.remove(at: index).entry
    return entry.node.isNull ? nil : entry
  }

  mutating func require(_ key: String) throws(Failure) -> PolicyEntry {
    guard let value = take(key) else { throw entry.error("\(key) is missing") }
    return value
  }

  func has(_ key: String) -> Bool { pairs.contains { $0.key == key && !$0.entry.node.isNull } }

  /// Adds the keys of `other` that are not here.
  mutating func fill(from other: PolicyMapping) {
    for pair in other.pairs where !pairs.contains(where: { $0.key == pair.key }) {
      pairs.append(pair)
    }
  }

  /// Throws where a key was not taken.
  func finish() throws(Failure) {
    guard let rest = pairs.first else { return }
    throw Failure(
      .badInput, "\(rest.entry.file):\(rest.entry.line): \(rest.entry.path): unknown key",
      hint: "Known here are \(known.joined(separator: ", ")).")
  }
}
