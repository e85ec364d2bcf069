internal import Filter
internal import Posix
internal import YAML

extension SubRule {
  /// Reads how partitions are cut in turn; `zone` is that of the table.
  init(_ entry: PolicyEntry, zone: String) throws(Failure) {
    var mapping = try entry.mapping()
    let forms = ["list", "hash", "interval"].filter { mapping.has($0) }
    guard forms.count == 1 else {
      throw entry.error(
        forms.isEmpty
          ? "one of list, hash and interval is missing"
          : "\(forms.joined(separator: " and ")) exclude each other")
    }
    switch forms[0] {
    case "interval":
      let rule = try RangeRule(&mapping, zone: zone)
      self = .range(rule, sub: try Self.below(&mapping, zone))
    case "hash":
      let column = try mapping.require("key").name("a column's name")
      let modulus = try mapping.require("hash").integer("a number of partitions", in: 1...10_000)
      self = .hash(column: column, modulus: Int(modulus), sub: try Self.below(&mapping, zone))
    default:
      let column = try mapping.require("key").name("a column's name")
      let values = try Self.groups(try mapping.require("list"))
      self = .list(column: column, values: values, sub: try Self.below(&mapping, zone))
    }
    try mapping.finish()
  }

  private static func below(
    _ mapping: inout PolicyMapping, _ zone: String
  ) throws(Failure) -> SubRule? {
    guard let entry = mapping.take("sub") else { return nil }
    return try SubRule(entry, zone: zone)
  }

  /// `[a, b]` is a partition each, `[[a, b], c]` one for the first two.
  private static func groups(_ entry: PolicyEntry) throws(Failure) -> [[String?]] {
    var groups: [[String?]] = []
    var seen: Set<String?> = []
    for item in try entry.items("a list of values") {
      var group: [String?] = []
      let isGroup = if case .sequence = item.node.content { true } else { false }
      for value in isGroup ? try item.items("values") : [item] {
        let text = value.node.isNull ? nil : try value.text("a value")
        guard seen.insert(text).inserted else {
          throw value.error("\(text.map { "\"\($0)\"" } ?? "null") is named twice")
        }
        group.append(text)
      }
      guard !group.isEmpty else { throw item.error("no value is named") }
      groups.append(group)
    }
    guard !groups.isEmpty else { throw entry.error("no value is named") }
    return groups
  }
}
