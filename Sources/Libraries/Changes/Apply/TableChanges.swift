internal import Bytes
internal import JSON
internal import Postgres

/// Changes of one kind that one statement makes.
///
/// A class, because runs stand in lists and are filled in place.
final class PendingRun {
  enum Kind { case insert, update, delete, truncate }

  let kind: Kind
  /// Columns that rows are found by, at the front of `columns`.
  let matchCount: Int
  let columns: [Int]
  var rows: TextRows
  /// The name of the statement that the server has parsed for it.
  var prepared: String?
  /// How its values are copied; nil for text.
  var forms: [BinaryForm]?

  init(_ kind: Kind, match: [Int], written: [Int]) {
    self.kind = kind
    matchCount = match.count
    columns = match + written
    rows = TextRows(width: columns.count)
  }

  var match: [Int] { Array(columns.prefix(matchCount)) }
  var written: [Int] { Array(columns.dropFirst(matchCount)) }
}

/// A table and the changes of it that wait to be sent.
///
/// Until they are, each key occurs once in all of them, so that the order in which they are sent does not
/// matter. A class, because the list of tables and that of the tables with changes share it.
final class TableChanges {
  let target: TargetTable
  /// The target's columns by the bytes of their names; -1 for those that are passed over.
  private let places: [[UInt8]: Int]
  private var texts: TextValues
  var new: RowReader
  var old: RowReader
  private(set) var deletes: PendingRun?
  private(set) var updates: [PendingRun] = []
  private(set) var inserts: PendingRun?
  /// Hashes of the keys of rows that wait to be inserted, and of those that wait to be changed.
  private var inserted = KeySet()
  private var touched: Set<UInt64> = []
  var isDirty = false
  /// A value had no binary form, or the target's table was altered.
  private var needsText = false
  /// The event that described the table.
  var relation: Record?

  init(_ target: TargetTable, _ texts: consuming TextValues) {
    self.target = target
    self.texts = texts
    new = RowReader(columnCount: target.columns.count)
    old = RowReader(columnCount: target.columns.count)
    var places: [[UInt8]: Int] = [:]
    for (index, column) in target.columns.enumerated() {
      places[Array(column.name.utf8)] = column.isGenerated ? -1 : index
    }
    self.places = places
  }

  /// Reads the row at `start`, and returns where it ends.
  func readNew(_ line: Span<UInt8>, _ start: Int) throws(RowProblem) -> Int {
    try new.read(line, start, target, places, &texts)
  }

  func readOld(_ line: Span<UInt8>, _ start: Int) throws(RowProblem) {
    _ = try old.read(line, start, target, places, &texts)
  }

  /// There is no new row, as with a delete.
  func forgetNew() { new.clear() }

  /// The columns that an update sets: what the new row has, without the key where it stays the same.
  func setColumns(_ match: [Int], hasOld: Bool) -> [Int] {
    let keepsKey = !hasOld || match.allSatisfy(isUnchanged)
    return new.present.filter { column in
      if match.contains(column), keepsKey { return false }
      return !(hasOld && target.columns[column].isAlwaysIdentity && isUnchanged(column))
    }
  }

  private func isUnchanged(_ column: Int) -> Bool {
    old.has(column) && !new.has(column) || old.agrees(column, with: new)
  }

  /// The hashes of the keys that a change has to do with; none where rows have no key.
  func keyHashes(hasNew: Bool, hasOld: Bool) -> [UInt64] {
    guard case .key(let key) = target.match else { return [] }
    return [hasOld ? old.hash(key) : nil, hasNew ? new.hash(key) : nil].compactMap { $0 }
  }

  // -- runs

  /// The run for the new row; nil when there is none, or one of rows with other columns.
  func insertRun() -> PendingRun? {
    guard let inserts, new.hasColumns(inserts.columns) else { return nil }
    return inserts
  }

  /// Makes the run for the new row; the one before must have been sent.
  func newInsertRun() -> PendingRun {
    let run = PendingRun(.insert, match: [], written: new.present)
    let forms = new.present.compactMap { target.columns[$0].binaryForm }
    if !needsText, forms.count == new.present.count { run.forms = forms }
    inserts = run
    return run
  }

  /// Adds the new row to a run for it.
  func appendNew(to run: PendingRun) { new.appendAll(to: &run.rows) }

  /// Has the rows of the run go as text, and all that come later.
  func sendText(_ run: PendingRun) {
    run.forms = nil
    needsText = true
  }

  func deleteRun(_ match: [Int]) -> PendingRun {
    if let deletes, deletes.columns == match { return deletes }
    let run = PendingRun(.delete, match: match, written: [])
    deletes = run
    return run
  }

  func updateRun(_ match: [Int], _ written: [Int]) -> PendingRun {
    if let run = updates.first(where: {
      $0.matchCount == match.count && $0.columns.count == match.count + written.count
        && $0.columns[match.count...] == written[...] && $0.columns[..<match.count] == match[...]
    }) {
      return run
    }
    let run = PendingRun(.update, match: match, written: written)
    updates.append(run)
    return run
  }

  /// The runs in the order in which they are sent: what frees a value goes before what takes it.
  var runs: [PendingRun] { [deletes].compactMap { $0 } + updates + [inserts].compactMap { $0 } }

  /// Nothing else of the table waits.
  func hasOnly(_ run: PendingRun) -> Bool {
    runs.allSatisfy { $0 === run || $0.rows.count == 0 }
  }

  // -- keys

  /// Notes the insert of the new row; false when its key waits to be changed.
  func noteInsert() -> Bool {
    guard case .key(let key) = target.match, let hash = new.hash(key) else { return true }
    guard !touched.contains(hash) else { return false }
    inserted.insert(hash)
    return true
  }

  /// Notes a change of the row with that key; false when the key is in use.
  func noteChange(_ key: UInt64, to other: UInt64?) -> Bool {
    guard !touched.contains(key), !inserted.contains(key) else { return false }
    if let other, other != key {
      guard !touched.contains(other), !inserted.contains(other) else { return false }
      touched.insert(other)
    }
    touched.insert(key)
    return true
  }

  /// Forgets what waits.
  func clear() {
    deletes?.rows.removeAll()
    for run in updates { run.rows.removeAll() }
    // Of tables whose rows have long values there may be as many sets of columns as rows.
    if updates.count > 32 { updates.removeAll() }
    inserts?.rows.removeAll()
    inserted.removeAll()
    touched.removeAll(keepingCapacity: true)
    isDirty = false
  }
}

/// Hashes of keys, which are put in order only once somebody asks: of rows that are inserted nobody mostly does.
struct KeySet {
  private var added: [UInt64] = []
  private var known: Set<UInt64> = []

  mutating func insert(_ hash: UInt64) { added.append(hash) }

  mutating func contains(_ hash: UInt64) -> Bool {
    if !added.isEmpty {
      known.formUnion(added)
      added.removeAll(keepingCapacity: true)
    }
    return known.contains(hash)
  }

  mutating func removeAll() {
    added.removeAll(keepingCapacity: true)
    known.removeAll(keepingCapacity: true)
  }
}
