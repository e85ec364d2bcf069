internal import Filter
internal import JSON
public import Posix
public import Postgres

/// Compares tables of two databases, chunk by chunk, down to the rows that differ.
///
/// Each side is read at one moment of its own; what is replicated meanwhile is told as a difference.
public struct TableComparison: ~Copyable {
  /// Rows whose keys are held to find those that differ.
  static var chunkRows: Int { 20_000 }

  private let source: Connection
  private let target: Connection
  /// Differing rows of a table that are told one by one; the rest is counted.
  private let maxRows: Int
  private var output: RecordWriter
  private var hasDifference = false

  private struct Count {
    var source = 0
    var target = 0
    var differing = 0
  }

  public init(
    _ source: ConnectionOptions, _ target: ConnectionOptions, maxRows: Int, tool: String,
    to output: Descriptor
  ) throws {
    let ours = try Connection(source, applicationName: tool)
    let theirs = try Connection(target, applicationName: tool)
    try ours.beginReading(at: nil)
    try theirs.beginReading(at: nil)
    self.source = ours
    self.target = theirs
    self.maxRows = maxRows
    self.output = RecordWriter(to: output)
  }

  /// The tables of a publication of the source, as names in SQL.
  public borrowing func tables(of publication: String) throws -> [String] {
    let tables = try PublishedTable.list(of: [publication], on: source)
    return tables.map { Quoting.qualified($0.schema, $0.name) }
  }

  /// Compares tables named as in SQL, and writes a `verdict` for each, and for rows that differ; true if none does.
  public consuming func run(_ names: [String]) throws -> Bool {
    for name in names {
      let relation = try Relation(named: name, on: source)
      let table = try ComparedTable(relation, source: source, target: target)
      let count = table.key.isEmpty ? try compareWhole(table) : try compareChunks(table)
      try write(table, count)
      try output.flush()
    }
    let isEqual = !hasDifference
    try output.finish()
    return isEqual
  }

  private mutating func write(_ table: ComparedTable, _ count: Count) throws {
    var record = Record(type: "verdict")
    record.set("schema", table.schema)
    record.set("table", table.name)
    record.set("verdict", count.differing == 0 ? "ok" : "differs")
    record.set("rows", count.source)
    record.set("target_rows", count.target)
    record.set("differing_rows", count.differing)
    if count.differing > 0 { hasDifference = true }
    try output.write(record)
  }

  /// Without a key nothing tells which rows differ: at least so many as the numbers of rows say, or one.
  private mutating func compareWhole(_ table: ComparedTable) throws -> Count {
    let (ours, theirs) = try digests(table, after: nil, through: nil)
    var count = Count(source: ours.rows, target: theirs.rows)
    if ours != theirs { count.differing = max(1, abs(ours.rows - theirs.rows)) }
    return count
  }

  private mutating func compareChunks(_ table: ComparedTable) throws -> Count {
    var count = Count()
    var after: [String]?
    while true {
      try StopSignal.check()
      let through = try boundary(table, after: after)
      let (ours, theirs) = try digests(table, after: after, through: through)
      count.source += ours.rows
      count.target += theirs.rows
      if ours != theirs {
        let before = count.differing
        try compareRows(table, after: after, through: through, &count)
        // Rows of one key, of which a table that inherits may have several.
        if count.differing == before { count.differing += max(1, abs(ours.rows - theirs.rows)) }
      }
      // Behind the source's last key there may still be rows of the target.
      guard let through else { return count }
      after = through
    }
  }

  private func boundary(_ table: ComparedTable, after: [String]?) throws -> [String]? {
    let rows = try source.query(table.boundary(after: after, rows: Self.chunkRows))
    guard rows.count > 0 else { return nil }
    let wrapped = try Record(parsing: "{\"key\":\(rows.text(0, 0))}")
    return wrapped["key"]?.array?.compactMap(\.string)
  }

  private struct Digest: Equatable {
    let rows: Int
    let sum: String?
  }

  private func digests(
    _ table: ComparedTable, after: [String]?, through: [String]?
  ) throws -> (Digest, Digest) {
    let sql = table.digest(after: after, through: through)
    return (try Self.digest(sql, source), try Self.digest(sql, target))
  }

  private static func digest(_ sql: String, _ side: borrowing Connection) throws -> Digest {
    let rows = try side.query(sql)
    return Digest(rows: rows.integer(0, 0) ?? 0, sum: rows.string(0, 1))
  }

  // MARK: - Rows

  private mutating func compareRows(
    _ table: ComparedTable, after: [String]?, through: [String]?, _ count: inout Count
  ) throws {
    let sql = table.rows(after: after, through: through)
    let (ours, theirs) = (try Self.hashes(sql, source), try Self.hashes(sql, target))
    for (key, hash) in ours {
      switch theirs[key] {
      case hash?: continue
      case nil: try writeRow(table, key, "missing", &count)
      default: try writeRow(table, key, "differs", &count)
      }
    }
    for (key, _) in theirs where ours[key] == nil { try writeRow(table, key, "extra", &count) }
  }

  /// The rows' hashes by their keys.
  private static func hashes(
    _ sql: String, _ side: borrowing Connection
  ) throws -> KeyedHashes {
    let rows = try side.query(sql)
    var hashes = KeyedHashes()
    for row in 0..<rows.count { hashes.add(rows.text(row, 0), rows.text(row, 1)) }
    return hashes
  }

  private mutating func writeRow(
    _ table: ComparedTable, _ key: String, _ verdict: String, _ count: inout Count
  ) throws {
    count.differing += 1
    guard count.differing <= maxRows else { return }
    var record = Record(type: "verdict")
    record.set("schema", table.schema)
    record.set("table", table.name)
    record.set("verdict", verdict)
    record.set("key", json: Array(key.utf8))
    try output.write(record)
  }
}

/// Hashes of rows by their keys, in order.
private struct KeyedHashes: Sequence {
  private var order: [(String, String)] = []
  /// By bytes: to a `String` two keys that Unicode calls equal are one.
  private var byKey: [[UInt8]: String] = [:]

  mutating func add(_ key: String, _ hash: String) {
    order.append((key, hash))
    byKey[Array(key.utf8)] = hash
  }

  subscript(key: String) -> String? { byKey[Array(key.utf8)] }

  func makeIterator() -> IndexingIterator<[(String, String)]> { order.makeIterator() }
}
