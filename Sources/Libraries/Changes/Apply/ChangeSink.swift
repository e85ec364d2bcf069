internal import Bytes
internal import Filter
internal import JSON
internal import Posix
internal import Postgres

/// A target's session, with the changes that wait to be sent to it.
///
/// Changes of several tables wait side by side, and those of one table by kind, because with triggers
/// and foreign keys off nobody can see in which order a transaction made them. Where somebody can, and in
/// careful mode, they are sent in the order in which they came.
struct ChangeSink: ~Copyable {
  let options: ApplyOptions
  let connection: Connection
  private let message: Message
  private var session = SinkSession()
  private var sources: [[UInt8]: SourceRelation] = [:]
  private var tables: [[UInt8]: TableChanges] = [:]
  /// What `sources` held before the open transaction changed it.
  private var replaced: [(name: [UInt8], source: SourceRelation?)] = []
  /// The table in use, and its name as it stands in lines.
  private var current: TableChanges?
  private var currentName: [UInt8] = []
  /// Tables with waiting changes, in the order in which they came.
  private var dirty: [TableChanges] = []
  /// The run that took the last change, where the order matters.
  private var lastRun: PendingRun?
  /// The statement that the server is at work on.
  private var inFlight: Flight?
  /// Each change is a statement of its own.
  var isCareful = false
  private var keepsOrder: Bool
  private(set) var misses = MissCount()

  init(
    _ connection: consuming Connection, _ options: ApplyOptions, _ message: Message,
    keepsOrder: Bool
  ) {
    self.connection = connection
    self.options = options
    self.message = message
    self.keepsOrder = keepsOrder
  }

  /// Plans are kept, and must not be those that were best when a table was empty.
  ///
  /// What such a plan costs is beyond all measure where no index is used, so it must not be compiled.
  static var planSettings: String {
    "SET jit = off; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off"
  }

  /// Without an index the best plan depends on the number of rows at hand.
  private static var resetPlans: String {
    """
    RESET enable_seqscan; RESET enable_hashjoin; RESET enable_mergejoin;
    SET plan_cache_mode = force_custom_plan
    """
  }

  // -- relations

  /// Takes a description of a table in; it `holds` even when the transaction is rolled back.
  mutating func learn(
    _ lines: borrowing HeldLines, _ index: Int, holds: Bool
  ) throws {
    let record: Record
    do throws(JSONError) { record = try Record(parsing: lines[index]) } catch {
      throw Failure(.badInput, "\(error)")
    }
    let source = try SourceRelation(record)
    let name = Self.name(source.schema, source.name)
    guard sources[name] != source || tables[name] == nil else { return }
    try flush()
    if !holds { replaced.append((name, sources[name])) }
    sources[name] = source
    tables[name] = nil
    currentName = []
  }

  private static func name(_ schema: String, _ table: String) -> [UInt8] {
    Array(schema.utf8) + [0] + Array(table.utf8)
  }

  /// The table of an event.
  private mutating func table(_ event: EventLine, _ line: Span<UInt8>) throws -> TableChanges {
    guard !event.schema.isEmpty, event.table.lowerBound >= event.schema.upperBound else {
      throw Failure(.badInput, "a change names no schema and table, in this order")
    }
    let text = line.extracting(event.schema.lowerBound..<event.table.upperBound)
    if let current, currentName.span.equals(text) { return current }
    guard let schema = try? JSONValue(parsing: line.extracting(event.schema)).string,
      let table = try? JSONValue(parsing: line.extracting(event.table)).string
    else { throw Failure(.badInput, "a change names no schema and table") }
    let name = Self.name(schema, table)
    let found = try tables[name] ?? open(name, schema, table)
    (current, currentName) = (found, [UInt8](copying: text))
    return found
  }

  private mutating func open(
    _ name: [UInt8], _ schema: String, _ table: String
  ) throws -> TableChanges {
    let shown = Quoting.qualified(schema, table)
    guard let source = sources[name] else {
      throw Failure(.badInput, "a change of \(shown) came before the relation event of the table")
    }
    try begin()
    try collect()
    if options.createsTables { try createTable(source) }
    let relation: Relation
    do { relation = try Relation(schema: schema, name: table, on: connection) } catch is Failure {
      throw Failure(
        .badInput, "the target has no table \(shown)",
        hint: options.createsTables ? nil : "--create-tables makes missing tables.")
    }
    let found = TableChanges(
      try TargetTable(source, relation, on: connection), try TextValues(of: relation, on: connection))
    if !found.target.hasIndex { try connection.execute(Self.resetPlans) }
    if found.target.hasAlwaysTriggers, !keepsOrder {
      try flush()
      keepsOrder = true
    }
    tables[name] = found
    return found
  }

  private borrowing func createTable(_ source: SourceRelation) throws {
    let name = Quoting.qualified(source.schema, source.name)
    guard try !connection.query("SELECT to_regclass($1) IS NOT NULL", [name]).boolean(0, 0) else {
      return
    }
    let schema = Quoting.identifier(source.schema)
    if try !connection.query("SELECT to_regnamespace($1) IS NOT NULL", [schema]).boolean(0, 0) {
      try connection.execute("CREATE SCHEMA \(schema)")
    }
    try connection.execute(source.createStatement)
  }

  // -- changes

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
    try located(table) { () throws(RowProblem) in try table.readNew(line, event.new) }
    if case .key(let key) = table.target.match, let hash = table.new.hash(key),
      !table.noteInsert(hash)
    {
      try flush(table)
      _ = table.noteInsert(hash)
    }
    if table.insertRun(table.new.present) == nil { try flush(table) }
    guard let run = table.insertRun(table.new.present) else { return }
    try turn(to: run)
    table.new.append(run.columns, to: &run.rows)
    mark(table)
    try flush(table, ifFull: run)
  }

  private mutating func update(_ event: EventLine, _ line: Span<UInt8>) throws {
    let table = try table(event, line)
    let hasOld = !event.old.isEmpty
    try located(table) { () throws(RowProblem) in
      try table.readNew(line, event.new)
      if hasOld { try table.readOld(line, event.old) }
    }
    let match = try match(table, isOld: hasOld, "update")
    let set = table.setColumns(match, hasOld: hasOld)
    guard !set.isEmpty else { return }
    try prepare(table, match, isOld: hasOld)
    let run = table.updateRun(match, set)
    try turn(to: run)
    if hasOld {
      table.old.append(match, to: &run.rows)
    } else {
      table.new.append(match, to: &run.rows)
    }
    table.new.append(set, to: &run.rows)
    mark(table)
    if case .row = table.target.match { try flush(table) }
    try flush(table, ifFull: run)
  }

  private mutating func delete(_ event: EventLine, _ line: Span<UInt8>) throws {
    let table = try table(event, line)
    try located(table) { () throws(RowProblem) in try table.readOld(line, event.old) }
    let match = try match(table, isOld: true, "delete")
    table.forgetNew()
    try prepare(table, match, isOld: true)
    let run = table.deleteRun(match)
    try turn(to: run)
    table.old.append(match, to: &run.rows)
    mark(table)
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
    let cascade = record.boolean("cascade") ?? false ? " CASCADE" : ""
    let list = names.joined(separator: ", ")
    try Flight(kind: .truncate, table: list).refusable {
      try connection.execute("TRUNCATE \(list)\(restart)\(cascade)")
    }
  }

  private func located(
    _ table: TableChanges, _ read: () throws(RowProblem) -> Void
  ) throws(Failure) {
    do throws(RowProblem) { try read() } catch {
      let column = error.column.map { ", column \(Quoting.identifier($0))" } ?? ""
      throw Failure(.badInput, "\(table.target.sqlName)\(column): \(error.problem)")
    }
  }

  /// Where the order matters, sends what waits unless it goes into the same run.
  private mutating func turn(to run: PendingRun) throws {
    guard keepsOrder || isCareful else { return }
    if let lastRun, lastRun !== run { try flush() }
    lastRun = run
  }

  private mutating func mark(_ table: TableChanges) {
    guard !table.isDirty else { return }
    table.isDirty = true
    dirty.append(table)
  }

  // -- sending

  /// Sends everything that waits, and waits for what the server says to it.
  mutating func flush() throws {
    for table in dirty { try send(table) }
    dirty.removeAll(keepingCapacity: true)
    lastRun = nil
    try collect()
  }

  private mutating func flush(_ table: TableChanges) throws {
    if keepsOrder || isCareful { return try flush() }
    try send(table)
    dirty.removeAll { $0 === table }
  }

  /// Sends a run once it has some rows, so that the server is at work while the next ones are read.
  private mutating func flush(_ table: TableChanges, ifFull run: PendingRun) throws {
    let isCopied = isCopied(run)
    guard run.rows.byteCount >= (isCopied ? Self.copyBytes : Self.arrayBytes) else { return }
    // Until the table is flushed, its keys stay in use: a change of one ends the COPY.
    if isCopied, table.hasOnly(run) { return try copy(run, table.target) }
    try flush(table)
  }

  private static var copyBytes: Int { 32 << 10 }
  private static var arrayBytes: Int { 128 << 10 }

  private func isCopied(_ run: PendingRun) -> Bool {
    run.kind == .insert && options.onConflict == .error && !isCareful
  }

  private mutating func send(_ table: TableChanges) throws {
    try begin()
    for run in table.runs where run.rows.count > 0 {
      let isLong = run.rows.count >= Self.copyRows || inFlight?.copied === run
      if isCopied(run), isLong {
        try copy(run, table.target)
      } else {
        try execute(run, table.target)
      }
    }
    table.clear()
  }

  /// Sends rows by COPY: by the statement that is open, if it is the run's own.
  private mutating func copy(_ run: PendingRun, _ table: TargetTable) throws {
    if inFlight?.copied !== run {
      try begin()
      try collect()
      let flight = Flight(kind: .insert, table: table.sqlName, copied: run)
      try flight.refusable { try connection.beginCopy(table.copyStatement(run.columns)) }
      inFlight = flight
    }
    try inFlight?.refusable { try connection.sendCopy(run.rows) }
    run.rows.removeAll()
  }

  private mutating func execute(_ run: PendingRun, _ table: TargetTable) throws {
    try collect()
    let key = run.rows.count == 1 ? table.keyText(run) : nil
    let flight = Flight(kind: run.kind, table: table.sqlName, key: key, rows: run.rows.count)
    let name = try run.prepared ?? prepare(run, table, flight)
    try flight.refusable { try connection.send(prepared: name, run.rows) }
    inFlight = flight
  }

  /// Waits for the statement that the server is at work on.
  private mutating func collect() throws {
    guard let flight = inFlight else { return }
    inFlight = nil
    let done = try flight.refusable { try connection.collect(isCopy: flight.copied != nil) }
    if flight.kind != .insert { misses.add(max(0, flight.rows - done), flight.table) }
  }

  /// With fewer rows a prepared INSERT is quicker than COPY, which takes two round trips.
  private static var copyRows: Int { 32 }

  private mutating func prepare(
    _ run: PendingRun, _ table: TargetTable, _ flight: Flight
  ) throws -> String {
    let name = session.nextName()
    try flight.refusable {
      try connection.prepare(name, table.statement(run, options.onConflict))
    }
    run.prepared = name
    return name
  }

  // -- transactions

  /// Begins a transaction of the target unless one is open.
  mutating func begin() throws {
    guard !session.isOpen else { return }
    try connection.execute("BEGIN")
    session.isOpen = true
  }

  var isOpen: Bool { session.isOpen }

  /// Makes what was sent the part that `rollBack` keeps.
  mutating func keep() throws {
    try connection.execute(
      session.hasSavepoint
        ? "RELEASE SAVEPOINT sluice_kept; SAVEPOINT sluice_kept" : "SAVEPOINT sluice_kept")
    session.hasSavepoint = true
    misses.keep()
    replaced.removeAll()
  }

  var hasKept: Bool { session.hasSavepoint }

  /// Undoes what was sent, and forgets what waits.
  ///
  /// Without `all`, what was kept stays.
  mutating func rollBack(all: Bool) throws {
    // What comes of it does not matter any more.
    do { try collect() } catch is Refusal {}
    for table in dirty { table.clear() }
    dirty.removeAll()
    lastRun = nil
    misses.forget()
    for (name, source) in replaced.reversed() {
      sources[name] = source
      tables[name] = nil
    }
    if !replaced.isEmpty || options.createsTables { forgetTables() }
    replaced.removeAll()
    guard session.isOpen else { return }
    if session.hasSavepoint, !all {
      try connection.execute("ROLLBACK TO SAVEPOINT sluice_kept")
    } else {
      try connection.execute("ROLLBACK")
      session.end()
    }
  }

  private mutating func forgetTables() {
    tables.removeAll()
    (current, currentName) = (nil, [])
  }

  /// Has everything that was learned so far hold.
  mutating func hold() { replaced.removeAll() }

  /// Says that the transaction has ended; what was learned in it holds.
  mutating func ended() {
    session.end()
    replaced.removeAll()
    for text in misses.commit() { message.warning(text) }
  }

  func finish() { for text in misses.totals() { message.warning(text) } }
}

/// Where a session stands.
private struct SinkSession {
  var isOpen = false
  var hasSavepoint = false
  private var statements = 0

  mutating func end() { (isOpen, hasSavepoint) = (false, false) }

  mutating func nextName() -> String {
    statements += 1
    return "sluice_\(statements)"
  }
}
