public import Filter
public import Posix
public import Postgres

/// How rows are counted.
public enum CountMode: String, CaseIterable, Sendable {
  case none, estimate, exact
}

/// What is wanted of a list of partitions.
public struct ListingRequest: Sendable {
  /// Where the partitions of a table come from.
  public enum Source: Sendable {
    /// The bounds that the catalog declares.
    case declared
    /// The names of tables.
    case names
    /// Windows over a column.
    case windows(WindowPlan)
  }

  public var source = Source.declared
  /// The first and the last day, both inclusive; nil is unbounded.
  public var firstDay: String?
  public var lastDay: String?
  public var includesOpen = false
  public var timeZone = "UTC"
  /// Nil takes the default layout, which differs for partitions without dates.
  public var key: KeyTemplate?
  public var count = CountMode.estimate

  public init() {}

  var calendar: ServerCalendar {
    ServerCalendar(timeZone: timeZone, firstDay: firstDay, lastDay: lastDay)
  }
}

/// Lists the partitions of tables.
public struct PartitionListing {
  private let request: ListingRequest
  private let message: Message
  /// The worst that happened to a table or partition that was passed over; nil when nothing did.
  public private(set) var worst: ExitCode?

  public init(_ request: ListingRequest, messages: Message) {
    (self.request, message) = (request, messages)
  }

  /// The partitions of `tables`, each table's by time, then by name.
  ///
  /// What may not be read, or cannot be listed, is reported and passed over.
  public mutating func partitions(
    of tables: [TableName], on connection: borrowing Connection
  ) throws -> [Partition] {
    var all: [Partition] = []
    for table in tables {
      try reporting(table.text, on: connection) { listing in
        all += try listing.list(table, on: connection)
      }
    }
    return all
  }

  /// Does `body`; what goes wrong there is reported of `name`, and the rest goes on while there is a server.
  private mutating func reporting(
    _ name: String, on connection: borrowing Connection,
    _ body: (inout PartitionListing) throws -> Void
  ) throws {
    do { try body(&self) } catch let error as Failure {
      report(error)
    } catch let error as PostgresError where connection.isOpen {
      report(
        Failure(error.exitCode, "\(name): \(error.message)", detail: error.detail, hint: error.hint)
      )
    }
  }

  private mutating func report(_ error: any Diagnosable) {
    message.error(error)
    worst = max(worst ?? .success, error.exitCode)
  }

  private mutating func list(
    _ table: TableName, on connection: borrowing Connection
  ) throws -> [Partition] {
    var found = try find(table, on: connection)
    try addFacts(to: &found, on: connection)
    found = found.filter(isWanted)
    found.removeAll { partition in !isReadable(partition) }
    try addPhysical(to: &found, on: connection)
    try addKeys(to: &found)
    return found.sorted(by: Self.comesBefore)
  }

  private func find(
    _ table: TableName, on connection: borrowing Connection
  ) throws -> [Partition] {
    switch request.source {
    case .declared: return try DeclaredPartitions.of(table, on: connection)
    case .names: return try NamedPartitions.of(table, on: connection)
    case .windows(let plan):
      let tree = try PartitionTree(table, on: connection)
      guard tree.root.isReadable else { throw Self.refusal(tree.root) }
      let relation = try Relation(schema: tree.root.schema, name: tree.root.name, on: connection)
      // Somebody who names the days knows that the rest stays behind.
      if request.firstDay == nil || request.lastDay == nil,
        try plan.missesRows(of: relation, on: connection)
      {
        message.warning("rows whose \"\(plan.column)\" is null or infinite lie in no window")
      }
      return try plan.windows(over: relation, request.calendar, on: connection).map { bounds in
        var partition = Partition(
          database: connection.database, table: tree.root, leaf: tree.root, parent: nil)
        partition.bounds = bounds
        partition.filter = plan.condition(bounds)
        return partition
      }
    }
  }

  private func addFacts(
    to partitions: inout [Partition], on connection: borrowing Connection
  ) throws {
    let dated = partitions.indices.filter { partitions[$0].bounds != nil }
    let facts = try request.calendar.facts(
      of: dated.compactMap { partitions[$0].bounds }, on: connection)
    for (index, fact) in zip(dated, facts) { partitions[index].facts = fact }
  }

  /// Of partitions without time bounds nothing can be said; they are left out where days are asked
  /// for, and a default partition, which may get rows at any time, counts as open.
  private func isWanted(_ partition: Partition) -> Bool {
    if let facts = partition.facts {
      return facts.isSelected && (facts.isClosed || request.includesOpen)
    }
    guard request.firstDay == nil, request.lastDay == nil else { return false }
    return partition.leaf.bound != "DEFAULT" || request.includesOpen
  }

  private mutating func isReadable(_ partition: Partition) -> Bool {
    if partition.leaf.isReadable { return true }
    report(Self.refusal(partition.leaf))
    return false
  }

  private static func refusal(_ node: TreeNode) -> Failure {
    Failure(
      .notPermitted, "permission denied for table \(Quoting.qualified(node.schema, node.name))",
      hint: "Grant SELECT on the table and USAGE on its schema.")
  }

  private func addPhysical(
    to partitions: inout [Partition], on connection: borrowing Connection
  ) throws {
    let physical = try PhysicalFacts.read(of: partitions, on: connection)
    let columns = try Relation.columns(
      ofAll: Array(Set(partitions.map(\.leaf.oid))), on: connection)
    for index in partitions.indices {
      let oid = partitions[index].leaf.oid
      partitions[index].physical = physical[oid]
      partitions[index].columns = columns[oid] ?? []
      if request.count == .estimate, partitions[index].filter == nil {
        partitions[index].rowsEstimate = physical[oid]?.rowsEstimate
      }
    }
  }

  private func addKeys(to partitions: inout [Partition]) throws {
    for index in partitions.indices {
      partitions[index].key = try Self.key(of: partitions[index], request.key)
    }
  }

  /// The name of a partition's object; without a template the default layout's.
  static func key(of partition: Partition, _ template: KeyTemplate?) throws -> String {
    var values = partition.facts?.parts ?? [:]
    values["database"] = partition.database
    values["schema"] = partition.table.schema
    values["table"] = partition.table.name
    values["partition"] = partition.leaf.name
    let fallback = values["YYYY"] == nil ? KeyTemplate.byName : KeyTemplate.daily
    let template = try template ?? KeyTemplate(parsing: fallback)
    guard let key = template.expand(values) else {
      throw Failure(
        .badInput, "partition \(partition.shownName) has no lower bound in time for its key",
        detail: "template: \(template.text)",
        hint: "Use --key with {partition} instead of the parts of a date.")
    }
    return key
  }

  private static func comesBefore(_ a: Partition, _ b: Partition) -> Bool {
    let (first, second) = (a.facts?.from ?? "", b.facts?.from ?? "")
    if first != second { return first < second }
    return Array(a.leaf.name.utf8).lexicographicallyPrecedes(Array(b.leaf.name.utf8))
  }

  /// Counts rows where that was asked for; `cache` spares what it still knows.
  ///
  /// A partition that cannot be counted is reported and left out.
  public mutating func count(
    _ partitions: inout [Partition], _ cache: inout CountCache?,
    on connection: borrowing Connection
  ) throws {
    guard request.count == .exact else { return }
    for index in partitions.indices {
      let partition = partitions[index]
      partitions[index].rows = cache?.rows(of: partition)
      guard partitions[index].rows == nil else { continue }
      try reporting(partition.shownName, on: connection) { _ in
        let rows = try partition.countRows(on: connection)
        partitions[index].rows = rows
        cache?.remember(rows, of: partition)
      }
    }
    partitions.removeAll { $0.rows == nil }
  }

  /// Throws a `Failure` (65) naming the first two partitions that share a key.
  public static func checkKeys(_ partitions: [Partition]) throws(Failure) {
    // By their bytes, as stores compare them.
    var seen: [[UInt8]: Partition] = [:]
    for partition in partitions {
      let key = Array(partition.key.utf8)
      if let other = seen[key] {
        throw Failure(
          .badInput, "two partitions share the key \"\(partition.key)\"",
          detail: "\(other.shownName) and \(partition.shownName)",
          hint: "Use --key with {partition}, or with more parts of the date.")
      }
      seen[key] = partition
    }
  }
}

extension Partition {
  fileprivate func countRows(on connection: borrowing Connection) throws -> Int {
    let name = Quoting.qualified(leaf.schema, leaf.name)
    let condition = filter.map { " WHERE \($0)" } ?? ""
    return try connection.query("SELECT count(*) FROM \(name)\(condition)").integer(0, 0) ?? 0
  }
}
