internal import Filter
internal import Posix
internal import YAML

extension TablePolicy {
  /// Takes a table's keys out of `mapping`; what it does not know is an error.
  init(_ mapping: inout PolicyMapping) throws(Failure) {
    let table = try Self.table(try mapping.require("table"))
    let range = try RangeRule(&mapping, zone: nil)
    self.init(table: table, range: range)
    place = "\(mapping.entry.file):\(mapping.entry.line)"
    tenants = try TenantRule(&mapping)
    retention = try RetentionRule(&mapping, for: range.kind)
    if let entry = mapping.take("default") {
      defaultPartition = try Self.word(entry, DefaultRule.self)
    }
    if let entry = mapping.take("sub") { sub = try SubRule(entry, zone: range.timeZone) }
    naming = try Self.naming(&mapping, range, hasTenants: tenants != nil)
    if let entry = mapping.take("inherit") { inheritance = try InheritanceRule(entry) }
    try mapping.finish()
    if let tenants, tenants.column == range.column {
      throw mapping.entry.error("tenant_key and key are both \"\(range.column)\"")
    }
  }

  private static func table(_ entry: PolicyEntry) throws(Failure) -> TableName {
    let text = try entry.text("a table's name, as in SQL,")
    do throws(UsageError) { return try TableName(parsing: text) } catch {
      throw entry.error(error.message)
    }
  }

  private static func naming(
    _ mapping: inout PolicyMapping, _ range: RangeRule, hasTenants: Bool
  ) throws(Failure) -> NamingTemplate {
    guard let entry = mapping.take("name") else {
      return hasTenants ? .standardForTenants : .standard
    }
    let text = try entry.text("a template such as {table}_{from}")
    let fault: String?
    do throws(UsageError) {
      let template = try NamingTemplate(parsing: text)
      fault = template.fault(for: range, hasTenants: hasTenants)
      if fault == nil { return template }
    } catch { fault = error.message }
    throw entry.error(fault ?? "")
  }

  fileprivate static func word<T: RawRepresentable & CaseIterable>(
    _ entry: PolicyEntry, _ type: T.Type
  ) throws(Failure) -> T where T.RawValue == String {
    let words = T.allCases.map(\.rawValue).joined(separator: ", ")
    let text = try entry.text("one of \(words)")
    guard let value = T(rawValue: text) else {
      throw entry.error("\"\(text)\" is not one of \(words)")
    }
    return value
  }
}

extension TenantRule {
  /// Nil where no tenants are asked for.
  fileprivate init?(_ mapping: inout PolicyMapping) throws(Failure) {
    let (key, entry) = (mapping.take("tenant_key"), mapping.take("tenants"))
    guard let entry else {
      if let key { throw key.error("tenants are missing: a list, or {query: SQL}") }
      return nil
    }
    guard let key else {
      throw entry.error("tenant_key is missing: the column that tells tenants apart")
    }
    self.init(column: try key.name("a column's name"), source: try Self.source(entry))
  }

  private static func source(_ entry: PolicyEntry) throws(Failure) -> Source {
    guard case .mapping = entry.node.content else {
      let tenants = try tenants(entry.items("a list, or {query: SQL},"))
      guard !tenants.isEmpty else { throw entry.error("no tenant is named") }
      return .list(tenants)
    }
    var mapping = try entry.mapping()
    let query = try mapping.require("query")
    try mapping.finish()
    return .query(try query.text("a query"))
  }

  private static func tenants(_ items: [PolicyEntry]) throws(Failure) -> [String] {
    var tenants: [String] = []
    var seen: Set<String> = []
    for item in items {
      let tenant = try item.text("a tenant")
      guard seen.insert(tenant).inserted else {
        throw item.error("\"\(tenant)\" is named twice")
      }
      tenants.append(tenant)
    }
    return tenants
  }
}

extension RetentionRule {
  fileprivate init(_ mapping: inout PolicyMapping, for kind: KeyKind) throws(Failure) {
    self.init()
    if let entry = mapping.take("retention") { keep = try Self.keep(entry, for: kind) }
    if let entry = mapping.take("retire") { retirement = try Self.retirement(entry) }
    if let entry = mapping.take("keep_at_least") {
      keepAtLeast = Int(try entry.integer("a number of partitions", in: 0...1_000_000))
    }
  }

  /// Nothing and zero keep everything: they never stand for a limit of "now".
  private static func keep(_ entry: PolicyEntry, for kind: KeyKind) throws(Failure) -> String? {
    let text = try entry.text("an interval or a number")
    if PolicyEntry.integer(text) == 0 { return nil }
    guard kind.isTime else {
      return String(try entry.integer("a number", in: 0...Int64.max))
    }
    let interval = try entry.interval()
    return interval.isZero ? nil : interval.text
  }

  private static func retirement(_ entry: PolicyEntry) throws(Failure) -> Retirement {
    let text = try entry.text("a way to retire")
    switch text {
    case "drop": return .drop
    case "detach": return .detach
    case "archive then drop": return .archiveThenDrop
    default: break
    }
    let start = "move to "
    guard text.hasPrefix(start) || text == "move" || text == "move to" else {
      throw entry.error(
        "\"\(text)\" is not one of drop, detach, move to SCHEMA, archive then drop")
    }
    let schema = text.dropFirst(start.count).drop { $0 == " " }
    guard !schema.isEmpty, schema.utf8.count <= 63 else {
      throw entry.error("move needs a schema: move to SCHEMA")
    }
    return .move(schema: String(schema))
  }
}

extension InheritanceRule {
  fileprivate init(_ entry: PolicyEntry) throws(Failure) {
    self.init()
    var mapping = try entry.mapping()
    if let entry = mapping.take("owner") { owner = try entry.name("a role") }
    if let entry = mapping.take("tablespace") { tablespace = try entry.name("a tablespace") }
    if let entry = mapping.take("storage") { storage = try Self.storage(entry) }
    if let entry = mapping.take("publications") {
      publications = try entry.items("a list of publications").map { (item) throws(Failure) in
        try item.name("a publication")
      }
    }
    if let entry = mapping.take("from_sibling") { followsNewestSibling = try entry.boolean() }
    try mapping.finish()
  }

  /// Parameters go into the statement as they are, so they are letters and little else.
  private static func storage(_ entry: PolicyEntry) throws(Failure) -> [String: String] {
    guard case .mapping(let pairs) = entry.node.content else {
      throw entry.error("parameters with values are wanted, such as {fillfactor: 70}")
    }
    var storage: [String: String] = [:]
    for pair in pairs {
      let item = PolicyEntry(
        file: entry.file, path: "\(entry.path).\(pair.key)", line: pair.line, node: pair.value)
      guard isPlain(pair.key, and: "_.") else { throw item.error("no storage parameter") }
      let value = try item.text("a value")
      guard isPlain(value, and: "_.-") else { throw item.error("\"\(value)\" is no such value") }
      storage[pair.key] = value
    }
    return storage
  }

  private static func isPlain(_ text: String, and others: String) -> Bool {
    !text.isEmpty
      && text.utf8.allSatisfy {
        (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || others.utf8.contains($0)
      }
  }
}
