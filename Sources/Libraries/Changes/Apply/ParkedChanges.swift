internal import Bytes
internal import Filter
internal import JSON
internal import Posix
internal import Postgres

/// Changes that the target refused, set aside in a file, and the keys whose later changes follow them.
///
/// Each line is the change's event with more members: the hashes of its keys, what the target said (null for
/// a change that only follows another), the end of the batch that it belongs to, and the name of the
/// transaction where that was prepared. The relation event of its table stands before it. The file is written
/// before the batch is committed: lines of a batch that was not are dropped when it is read.
struct ParkedChanges {
  private let path: String
  private var keys: [String: Set<UInt64>] = [:]
  private var pending: [Entry] = []
  /// Entries in front of `pending` that no longer hang on what may be undone.
  private var keptCount = 0
  private var described: Set<String> = []
  /// Changes that this process has set aside.
  private(set) var count = 0

  private struct Entry {
    let table: String
    var record: Record
    let keys: [UInt64]
  }

  /// An empty collection for the file of a source, whatever is in it.
  init(directory: String, source: String) { path = Self.path(directory, source) }

  static func path(_ directory: String, _ source: String) -> String {
    // A slash cannot stand in the name of a file.
    "\(directory)/\(String(source.map { $0 == "/" ? "_" : $0 })).ndjson"
  }

  /// Reads the file, and drops what was not committed with `position`.
  init(directory: String, source: String, committed position: LSN) throws {
    self.init(directory: directory, source: source)
    try Directory.make(directory)
    guard try FileFacts.of(path) != nil else { return }
    let (records, isTorn) = try Self.records(path)
    let kept = records.filter { Self.isCommitted($0, position) }
    for record in kept { note(Self.keys(record), Self.table(record)) }
    if isTorn || kept.count < records.count { try Self.write(kept, path) }
  }

  /// The records of a file, all of which were committed with `position`.
  ///
  /// Throws a `Failure` (78) for others: they wait for the stream to begin anew, or are of another one.
  static func committedRecords(_ path: String, _ position: LSN) throws -> [Record] {
    let (records, isTorn) = try records(path)
    guard !isTorn, records.allSatisfy({ isCommitted($0, position) }) else {
      throw Failure(
        .configuration, "\"\(path)\" has changes that the target does not know to be set aside",
        hint: "Name the database and the source or origin of the stream, or let it run once before."
      )
    }
    return records
  }

  private static func isCommitted(_ record: Record, _ position: LSN) -> Bool {
    record.string("batch_lsn").flatMap { LSN($0) }.map { $0 <= position } ?? false
  }

  /// The records of a file; a last line that was cut off is none.
  static func records(_ path: String) throws -> (records: [Record], isTorn: Bool) {
    let file = try File(reading: path)
    var lines = LineReader(from: file.descriptor, maxLineBytes: 1 << 30)
    var records: [Record] = []
    do {
      while try lines.next() { records.append(try Record(parsing: lines.line)) }
    } catch is LineError {
      return (records, true)
    } catch let error as JSONError {
      throw Failure(.badInput, "\"\(path)\", line \(lines.number): \(error)")
    }
    return (records, false)
  }

  static func write(_ records: [Record], _ path: String) throws {
    var buffer = ByteBuffer()
    for record in records { record.append(to: &buffer) }
    let file = try DurableFile(path)
    try file.descriptor.writeAll(buffer.span)
    try file.publish()
  }

  private static func table(_ record: Record) -> String {
    Quoting.qualified(record.string("schema") ?? "", record.string("table") ?? "")
  }

  private static func keys(_ record: Record) -> [UInt64] {
    (record["key_hashes"]?.array ?? []).compactMap { $0.string.flatMap { UInt64($0, radix: 16) } }
  }

  private mutating func note(_ hashes: [UInt64], _ table: String) {
    if !hashes.isEmpty { keys[table, default: []].formUnion(hashes) }
  }

  /// True where an earlier change of one of the keys is set aside.
  func holds(_ hashes: [UInt64], of table: String) -> Bool {
    guard !keys.isEmpty, let known = keys[table] else { return false }
    return hashes.contains { known.contains($0) }
  }

  /// Sets a change aside; without an error it follows another.
  mutating func park(
    _ line: Span<UInt8>, _ relation: Record?, _ hashes: [UInt64], _ error: PostgresError?
  ) throws {
    var record = try Record(parsing: line)
    let table = Self.table(record)
    if let relation, described.insert(table).inserted {
      pending.append(Entry(table: table, record: relation, keys: []))
    }
    record.set("key_hashes", json: Self.json(hashes))
    if let error {
      record.set("error", error.message)
    } else {
      record.set("error", json: Array("null".utf8))
    }
    pending.append(Entry(table: table, record: record, keys: hashes))
    note(hashes, table)
  }

  private static func json(_ hashes: [UInt64]) -> [UInt8] {
    Array(("[" + hashes.map { "\"\(String($0, radix: 16))\"" }.joined(separator: ",") + "]").utf8)
  }

  /// What is pending stays when less than all is undone.
  mutating func keep() { keptCount = pending.count }

  mutating func forget(all: Bool) {
    let dropped = pending[(all ? 0 : keptCount)...]
    for entry in dropped { keys[entry.table]?.subtract(entry.keys) }
    described.subtract(dropped.filter(\.keys.isEmpty).map(\.table))
    pending.removeSubrange((all ? 0 : keptCount)...)
    if all { keptCount = 0 }
    // A key may have been noted before, too.
    for entry in pending { note(entry.keys, entry.table) }
  }

  /// Appends what is pending to the file, durably; the batch ends at `position`.
  ///
  /// `prepared` is the name of the transaction, where it may still be rolled back.
  mutating func write(_ position: LSN, prepared: String? = nil) throws {
    guard !pending.isEmpty else { return }
    var buffer = ByteBuffer()
    for index in pending.indices {
      pending[index].record.set("batch_lsn", position.description)
      if let prepared, pending[index].record.type != "relation" {
        pending[index].record.set("prepared", prepared)
      }
      pending[index].record.append(to: &buffer)
    }
    let file = try File(appending: path)
    try file.descriptor.writeAll(buffer.span)
    try file.sync()
    try Directory.sync(Directory.parent(of: path))
  }

  /// The batch was committed.
  mutating func committed() {
    count += pending.count { $0.record.type != "relation" }
    pending.removeAll()
    keptCount = 0
  }

  /// Drops the changes of a prepared transaction, which was rolled back.
  mutating func drop(prepared name: String) throws {
    guard try FileFacts.of(path) != nil else { return }
    let records = try Self.records(path).records
    let kept = records.filter { $0.string("prepared") != name }
    guard kept.count < records.count else { return }
    keys = [:]
    for record in kept { note(Self.keys(record), Self.table(record)) }
    try Self.write(kept, path)
  }

  /// Makes what is pending all that the file holds.
  mutating func replaceFile(_ position: LSN) throws {
    for index in pending.indices {
      pending[index].record.set("batch_lsn", position.description)
    }
    try Self.write(pending.map(\.record), path)
    committed()
  }
}
