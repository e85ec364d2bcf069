public import JSON
public import ObjectStore
public import Posix

/// How the archive that is to be pruned is read.
public struct PruneOptions: Sendable {
  /// A filter that each history goes through before it is decompressed.
  public var decrypt: String?
  public var store = S3Options()

  public init() {}
}

/// Plans for the clusters of which there are records of backups; deletes nothing.
public struct Pruning {
  private let source: PruneSource
  private let rules: Retention
  private let options: PruneOptions
  /// Microseconds since 1970.
  private let now: Int64
  private var backups: [String: [BaseBackup]] = [:]

  public init(_ source: PruneSource, _ rules: Retention, _ options: PruneOptions, at now: Int64) {
    (self.source, self.rules, self.options, self.now) = (source, rules, options, now)
  }

  /// Takes a backup; of two records of one backup the last one counts.
  public mutating func add(_ backup: BaseBackup) {
    var others = backups[backup.systemIdentifier] ?? []
    others.removeAll { $0.id == backup.id }
    backups[backup.systemIdentifier] = others + [backup]
  }

  /// Hands the plan to `emit`, a record a file, and returns why of some clusters nothing is pruned.
  public func run(
    printsBackups: Bool, _ emit: (Record) throws -> Void
  ) throws -> [Failure] {
    guard !backups.isEmpty else {
      return [Failure(.negative, "nothing is pruned: there is no record of a backup")]
    }
    if case .directory = source, backups.count > 1 {
      throw Failure(.badInput, "a directory has the WAL of one cluster, the backups are of more")
    }
    var refusals: [Failure] = []
    for (system, backups) in backups.sorted(by: { $0.key < $1.key }) {
      do {
        let plan = try plan(system, backups)
        if printsBackups { for backup in plan.expired { try emit(backup.record) } }
        try printSegments(plan, system, backups[0].segmentSize, emit)
      } catch let refusal as Failure where refusal.exitCode == .negative {
        refusals.append(refusal)
      }
    }
    return refusals
  }

  private func plan(_ system: String, _ backups: [BaseBackup]) throws -> PrunePlan {
    let size = backups[0].segmentSize
    if let other = backups.first(where: { $0.segmentSize != size }) {
      throw Failure(
        .badInput, "backups of system \(system) differ in their size of segments",
        detail: "\"\(backups[0].label)\" and \"\(other.label)\"")
    }
    var inventory = ArchiveInventory(size: size)
    var histories: [UInt32] = []
    try visit(system, size) { entry in
      try inventory.add(entry.name, arrival: entry.arrival)
      if case .history(let timeline) = entry.name { histories.append(timeline) }
    }
    for timeline in histories {
      inventory.add(try source.history(of: timeline, system: system, options))
    }
    return try PrunePlan(rules, backups, inventory, at: now)
  }

  /// Looks at the archive a second time, rather than hold all its names.
  private func printSegments(
    _ plan: PrunePlan, _ system: String, _ size: SegmentSize, _ emit: (Record) throws -> Void
  ) throws {
    try visit(system, size) { entry in
      switch entry.name {
      case .segment(let digits), .partial(let digits):
        guard let segment = Segment(digits, size: size), !plan.needs(segment) else { return }
        try emit(entry.record(of: segment))
      case .history, .backupLabel: return
      }
    }
  }

  private func visit(
    _ system: String, _ size: SegmentSize, _ body: (PruneSource.Entry) throws -> Void
  ) throws {
    try source.visit(system: system, size: size, store: options.store, body)
  }
}
