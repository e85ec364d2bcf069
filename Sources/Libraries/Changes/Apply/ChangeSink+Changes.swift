internal import Bytes
internal import Filter
internal import JSON
internal import Posix
internal import Postgres

/// Taking changes in.
extension ChangeSink {
  /// Takes a change of rows, or of tables as a whole.
  mutating func apply(
    _ event: EventLine, _ lines: borrowing HeldLines, _ index: Int
  ) throws {
    let line = lines[index]
    switch event.kind {
    case .insert, .read: try insert(event, line)
    case .update: try update(event, line)
    case .delete: try delete(event, line)
    case .truncate: try truncate(line)
    default: return
    }
    if isCareful { try flush() }
  }

  private mutating func insert(_ event: EventLine, _ line: Span<UInt8>) throws {
    let table = try table(event, line)
    _ = try readNew(table, event, line)
    if try follows(table, line, hasNew: true, hasOld: false) { return }
    if mindsOrder { try turn(to: table, .insert, table.new.present, []) }
    if table.new.present.isEmpty { return try insertDefaults(table) }
    let run = try insertRun(table)
    if !table.noteInsert() {
      try flush(table)
      _ = table.noteInsert()
    }
    table.appendNew(to: run)
    mark(table, run)
    try flush(table, ifFull: run)
  }

  /// Inserts a row that tells of no column, as of a table that has none.
  private mutating func insertDefaults(_ table: TableChanges) throws {
    try flush()
    try begin()
    try Flight(kind: .insert, table: table.target.sqlName).refusable {
      try connection.execute("INSERT INTO \(table.target.sqlName) DEFAULT VALUES")
    }
  }

  /// The run for the table's new row, others sent before where they must.
  private mutating func insertRun(_ table: TableChanges) throws -> PendingRun {
    if let run = table.insertRun() { return run }
    try flush(table)
    return table.newInsertRun()
  }

  private mutating func update(_ event: EventLine, _ line: Span<UInt8>) throws {
    let table = try table(event, line)
    let event = try readNew(table, event, line)
    let hasOld = !event.old.isEmpty
    if hasOld { try readOld(table, event, line) }
    let match = try match(table, isOld: hasOld, "update")
    if try follows(table, line, hasNew: true, hasOld: hasOld) { return }
    let set = table.setColumns(match, hasOld: hasOld)
    guard !set.isEmpty else { return }
    try turn(to: table, .update, match, set)
    try prepare(table, match, isOld: hasOld)
    let run = table.updateRun(match, set)
    if hasOld {
      table.old.append(match, to: &run.rows)
    } else {
      table.new.append(match, to: &run.rows)
    }
    table.new.append(set, to: &run.rows)
    mark(table, run)
    if case .row = table.target.match { try flush(table) }
    try flush(table, ifFull: run)
  }

  private mutating func delete(_ event: EventLine, _ line: Span<UInt8>) throws {
    let table = try table(event, line)
    try readOld(table, event, line)
    let match = try match(table, isOld: true, "delete")
    if try follows(table, line, hasNew: false, hasOld: true) { return }
    table.forgetNew()
    try turn(to: table, .delete, match, [])
    try prepare(table, match, isOld: true)
    let run = table.deleteRun(match)
    table.old.append(match, to: &run.rows)
    mark(table, run)
    if case .row = table.target.match { try flush(table) }
    try flush(table, ifFull: run)
  }

  /// The columns by which the row is found; all of them have values.
  private func match(_ table: TableChanges, isOld: Bool, _ action: String) throws -> [Int] {
    let columns: [Int]
    switch table.target.match {
    case .key(let key), .row(let key): columns = key
    case .nothing:
      throw Failure(
        .badInput, "\(action) of \(table.target.sqlName), whose rows have no identity",
        hint: "The table of the source needs a primary key or REPLICA IDENTITY.")
    }
    for column in columns where isOld ? !table.old.has(column) : !table.new.has(column) {
      let name = Quoting.identifier(table.target.columns[column].name)
      throw Failure(
        .badInput, "\(action) of \(table.target.sqlName) lacks the value of the key column \(name)")
    }
    return columns
  }

  /// Sends what the change depends on.
  private mutating func prepare(_ table: TableChanges, _ match: [Int], isOld: Bool) throws {
    if case .row = table.target.match { return try flush(table) }
    guard let key = isOld ? table.old.hash(match) : table.new.hash(match) else { return }
    let other = table.new.hash(match)
    guard !table.noteChange(key, to: other) else { return }
    try flush(table)
    _ = table.noteChange(key, to: other)
  }

  private mutating func truncate(_ line: Span<UInt8>) throws {
    let record: Record
    do throws(JSONError) { record = try Record(parsing: line) } catch {
      throw Failure(.badInput, "\(error)")
    }
    var names: [String] = []
    for item in record["relations"]?.array ?? [] {
      guard let schema = item["schema"]?.string, let table = item["table"]?.string else {
        throw Failure(.badInput, "a truncate event lacks schema or table")
      }
      names.append(Quoting.qualified(schema, table))
    }
    guard !names.isEmpty else { return }
    try flush()
    try begin()
    let restart = record.boolean("restart_identity") ?? false ? " RESTART IDENTITY" : ""
    // The event lists all that was emptied; what else refers to it here is not the source's to empty.
    let list = names.joined(separator: ", ")
    try Flight(kind: .truncate, table: list).refusable {
      try connection.execute("TRUNCATE \(list)\(restart)")
    }
  }

  /// Reads the new row, and what of the event comes behind it.
  private func readNew(
    _ table: TableChanges, _ event: EventLine, _ line: Span<UInt8>
  ) throws -> EventLine {
    guard !event.new.isEmpty else { throw Failure(.badInput, "a change lacks its new row") }
    let end = try located(table) { () throws(RowProblem) in
      try table.readNew(line, event.new.lowerBound)
    }
    guard event.isOpen else { return event }
    var event = event
    do throws(JSONError) { try event.close(line, at: end) } catch {
      throw Failure(.badInput, "\(error)")
    }
    return event
  }

  private func readOld(
    _ table: TableChanges, _ event: EventLine, _ line: Span<UInt8>
  ) throws {
    guard !event.old.isEmpty else { throw Failure(.badInput, "a delete lacks its old row") }
    try located(table) { () throws(RowProblem) in
      try table.readOld(line, event.old.lowerBound)
    }
  }

  private func located<Value>(
    _ table: TableChanges, _ read: () throws(RowProblem) -> Value
  ) throws(Failure) -> Value {
    do throws(RowProblem) { return try read() } catch {
      let column = error.column.map { ", column \(Quoting.identifier($0))" } ?? ""
      throw Failure(.badInput, "\(table.target.sqlName)\(column): \(error.problem)")
    }
  }

  /// Where the order matters, sends what waits unless the change goes into the run that took the last one.
  ///
  /// That comes before the change's key is noted, because sending forgets the keys.
  private mutating func turn(
    to table: TableChanges, _ kind: PendingRun.Kind, _ match: [Int], _ written: [Int]
  ) throws {
    guard mindsOrder, let last = lastRun else { return }
    let isSame =
      last.table === table && last.run.kind == kind
      && last.run.columns.elementsEqual([match, written].joined())
    if !isSame { try flush() }
  }

  private mutating func mark(_ table: TableChanges, _ run: PendingRun) {
    if mindsOrder { lastRun = (table, run) }
    guard !table.isDirty else { return }
    table.isDirty = true
    dirty.append(table)
  }
}
