internal import JSON
internal import Posix
internal import Postgres

/// What a snapshot that can be resumed has done, folded from the records of its journal.
///
///     {"type":"snapshot","system_identifier":"73…","database":"d","slot":"s","publications":["p"]}
///     {"type":"slot"}
///     {"type":"run","run":1,"lsn":"0/1A2B400","xmin":740}
///     {"type":"table","table_oid":16385,"schema":"public","table":"t","file":16385,"first":0,"end":5000,"step":512}
///     {"type":"begun","table_oid":16385,"first":0}
///     {"type":"read","table_oid":16385,"first":0,"part":"1/4"}
///     {"type":"removed","part":"2/1"}
///     {"type":"ack","part":"1/4"}
///     {"type":"whole","lsn":"0/1A2B400"}
struct SnapshotProgress: Sendable {
  /// Pages in a range of a table with so many: 4 MiB, or more where that would be very many ranges.
  static func step(pages: Int) -> Int { min(max(512, pages / 512), 8192) }

  /// The reading under one snapshot of the source.
  struct Run: Sendable {
    let position: LSN
    /// Transactions before it had ended: their rows are in the snapshot, if they are.
    let xmin: Int
  }

  enum Status: Sendable, Equatable {
    /// None of its rows has been written.
    case untouched
    /// Some of them may have arrived.
    case begun
    /// The rows that the snapshot of that run sees have arrived.
    case done(run: Int)
  }

  struct Range: Sendable {
    let end: Int
    var status: Status
  }

  /// A table with pages of its own.
  struct Table: Sendable {
    /// The name under which its rows are published.
    let schema: String
    let name: String
    /// What of it was published.
    let publishes: String
    /// Another one has the rows elsewhere.
    let file: Int
    /// By their first pages.
    var ranges: [Int: Range] = [:]

    /// The pages that ranges were made of.
    var end: Int { ranges.values.lazy.map(\.end).max() ?? 0 }
  }

  /// A range, by its table's number and its first page.
  struct Place: Sendable, Hashable {
    let table: Int
    let first: Int
  }

  private(set) var header: Record?
  /// The slot is about to be made: one of its name is ours.
  private(set) var makesSlot = false
  private(set) var runs: [Run] = []
  private(set) var tables: [Int: Table] = [:]
  /// The run whose removals have arrived; those of the first are none.
  private(set) var removedRun = 1
  private(set) var isWhole = false
  /// The last part of each run that was acknowledged.
  private var acknowledged: [Int: Int] = [:]
  /// What is done once a part is acknowledged; a nil place is the run's removals.
  private var waiting: [(part: LSN, place: Place?)] = []

  init() {}

  /// The run and the number in it that `part` stands for.
  static func part(_ run: Int, _ number: Int) -> LSN {
    LSN(rawValue: UInt64(run) << 32 | UInt64(number))
  }

  /// The last part that was acknowledged.
  var lastPart: LSN {
    acknowledged.max { $0.key < $1.key }.map { Self.part($0.key, $0.value) } ?? .invalid
  }

  /// Takes the record that comes next in the journal; false for one that is none of it.
  mutating func take(_ record: Record) -> Bool {
    switch record.type {
    case "snapshot": header = record
    case "slot": makesSlot = true
    case "run": return takeRun(record)
    case "table": return takeTable(record)
    case "begun":
      guard let place = place(record) else { return false }
      set(.begun, at: place, unless: { $0 != .untouched })
    case "read":
      guard let place = place(record), let part = part(record) else { return false }
      waiting.append((part, place))
    case "removed":
      guard let part = part(record) else { return false }
      waiting.append((part, nil))
    case "ack":
      guard let part = part(record) else { return false }
      let (run, number) = Self.split(part)
      acknowledged[run] = max(number, acknowledged[run] ?? 0)
    case "whole": isWhole = true
    default: return false
    }
    settle()
    return true
  }

  private static func split(_ part: LSN) -> (run: Int, number: Int) {
    (Int(part.rawValue >> 32), Int(part.rawValue & 0xFFFF_FFFF))
  }

  /// A part of a run that has begun; nil for any other.
  private func part(_ record: Record) -> LSN? {
    guard let part = record.string("part").flatMap({ LSN($0) }),
      (1...max(1, runs.count)).contains(Self.split(part).run), !runs.isEmpty
    else { return nil }
    return part
  }

  private func place(_ record: Record) -> Place? {
    guard let table = record.integer("table_oid"), let first = record.integer("first"),
      tables[table]?.ranges[first] != nil
    else { return nil }
    return Place(table: table, first: first)
  }

  private mutating func takeRun(_ record: Record) -> Bool {
    guard record.integer("run") == runs.count + 1, let xmin = record.integer("xmin"),
      let position = record.string("lsn").flatMap({ LSN($0) }),
      position >= runs.last?.position ?? .invalid
    else { return false }
    runs.append(Run(position: position, xmin: xmin))
    return true
  }

  /// Pages are added to a table; those of another file are all that it has, and what was done of the old ones
  /// is void.
  private mutating func takeTable(_ record: Record) -> Bool {
    guard let oid = record.integer("table_oid"), let schema = record.string("schema"),
      let name = record.string("table"), let file = record.integer("file"),
      let first = record.integer("first"), let end = record.integer("end"), first <= end,
      let step = record.integer("step"), step > 0
    else { return false }
    let isRewritten = tables[oid].map { $0.file != file } ?? false
    var table = Table(
      schema: schema, name: name, publishes: record.string("publishes") ?? "", file: file)
    if !isRewritten, let known = tables[oid] { table.ranges = known.ranges }
    for start in stride(from: first, to: end, by: step) {
      table.ranges[start] = Range(
        end: min(end, start + step), status: isRewritten ? .begun : .untouched)
    }
    if isRewritten { waiting.removeAll { $0.place?.table == oid } }
    tables[oid] = table
    return true
  }

  private mutating func set(_ status: Status, at place: Place, unless isBetter: (Status) -> Bool) {
    guard let known = tables[place.table]?.ranges[place.first], !isBetter(known.status) else {
      return
    }
    tables[place.table]?.ranges[place.first]?.status = status
  }

  /// What has come with a part that was acknowledged is done.
  private mutating func settle() {
    var left: [(part: LSN, place: Place?)] = []
    for (part, place) in waiting {
      let (run, number) = Self.split(part)
      // Number 0: nothing of it had to be written.
      guard number == 0 || number <= acknowledged[run] ?? 0 else {
        left.append((part, place))
        continue
      }
      guard let place else {
        removedRun = max(removedRun, run)
        continue
      }
      set(.done(run: run), at: place) { known in
        if case .done(let other) = known { return other >= run }
        return false
      }
    }
    waiting = left
  }
}

extension SnapshotProgress {
  static func header(
    system: String, database: String, slot: String, publications: [String]
  ) -> Record {
    var record = Record(type: "snapshot")
    record.set("system_identifier", system)
    record.set("database", database)
    record.set("slot", slot)
    var list = JSONWriter()
    list.object { object in
      object.array("publications") { list in
        for name in publications { list.element(name) }
      }
    }
    let members = try? Record(parsing: list.span)
    record.set("publications", json: members?.json("publications") ?? Array("[]".utf8))
    return record
  }

  static func record(_ type: String, _ place: Place) -> Record {
    var record = Record(type: type)
    record.set("table_oid", place.table)
    record.set("first", place.first)
    return record
  }
}
