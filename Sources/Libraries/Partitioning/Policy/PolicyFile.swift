internal import Filter
public import Posix
internal import Postgres
internal import YAML

/// A file that says how tables are partitioned (sluice-policy(5)).
public enum PolicyFile {
  /// The policies in `path`, `-` for standard input, in their order.
  ///
  /// Throws a `Failure` (65) that names file, line and key of what is wrong.
  public static func read(_ path: String) throws -> [TablePolicy] {
    if path == "-" { return try parse(bytes(of: .standardInput), named: "standard input") }
    let file = try File(reading: path)
    return try parse(bytes(of: file.descriptor), named: path)
  }

  /// The policies in `text`; messages say that it is `file`.
  public static func parse(_ text: [UInt8], named file: String) throws(Failure) -> [TablePolicy] {
    let root: YAMLNode
    do throws(YAMLError) { root = try YAMLDocument.parse(text) } catch {
      guard error.line > 0 else { throw Failure(.configuration, error.reason) }
      throw Failure(.badInput, "\(file):\(error.line): \(error.reason)")
    }
    var document = try PolicyEntry(file: file, path: "", line: 1, node: root).mapping()
    let defaults = try document.take("defaults").map { (entry) throws(Failure) in
      try Self.defaults(entry)
    }
    let tables = try document.require("tables")
    try document.finish()
    return try policies(of: tables, defaults)
  }

  private static func defaults(_ entry: PolicyEntry) throws(Failure) -> PolicyMapping {
    let mapping = try entry.mapping()
    if mapping.has("table") { throw entry.error("table cannot be given for all tables") }
    return mapping
  }

  private static func policies(
    of tables: PolicyEntry, _ defaults: PolicyMapping?
  ) throws(Failure) -> [TablePolicy] {
    var policies: [TablePolicy] = []
    var lines: [[String?]: Int] = [:]
    for (index, item) in try tables.items("a list of tables").enumerated() {
      let entry = PolicyEntry(
        file: item.file, path: "tables[\(index)]", line: item.line, node: item.node)
      var mapping = try entry.mapping()
      if let defaults { mapping.fill(from: defaults) }
      let policy = try TablePolicy(&mapping)
      let name = [policy.table.schema, policy.table.name]
      if let line = lines.updateValue(entry.line, forKey: name) {
        throw entry.error("\(policy.table.text) has an entry already, in line \(line)")
      }
      policies.append(policy)
    }
    guard !policies.isEmpty else { throw tables.error("no table is named") }
    // A key of `defaults` that no table reads is found when the first table is finished.
    return policies
  }

  /// All that can be read, but little more than a document may be long.
  private static func bytes(of source: Descriptor) throws -> [UInt8] {
    var text: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while text.count <= YAMLDocument.maxBytes {
      let count = try source.read(into: &buffer)
      if count == 0 { break }
      text.append(contentsOf: buffer[..<count])
    }
    return text
  }
}
