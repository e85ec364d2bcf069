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
  let message: Message
  var session = SinkSession()
  var sources: [[UInt8]: SourceRelation] = [:]
  var tables: [[UInt8]: TableChanges] = [:]
  /// What `sources` held before the open transaction changed it.
  var replaced: [(name: [UInt8], source: SourceRelation?)] = []
  /// The table in use, and its name as it stands in lines.
  var current: TableChanges?
  var currentName: [UInt8] = []
  /// Tables with waiting changes, in the order in which they came.
  var dirty: [TableChanges] = []
  /// The run that took the last change, where the order matters.
  var lastRun: (table: TableChanges, run: PendingRun)?
  /// The statement that the server is at work on.
  var inFlight: Flight?
  /// Rows may be there already: they replace what is, and deletes may find nothing.
  private(set) var writesAgain = false
  /// Each change is a statement of its own.
  var isCareful = false
  var keepsOrder: Bool
  /// Changes are sent in the order in which they came.
  var mindsOrder: Bool { keepsOrder || isCareful }
  var misses = MissCount()
  /// Where changes go that the target refuses; nil where there is no such place.
  var parked: ParkedChanges?
  /// The keys of the change last taken in.
  var lastKeys: [UInt64] = []
  private var records: [[UInt8]: Record] = [:]

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

  /// What is done about a row that is there.
  var conflict: ConflictAction { writesAgain ? .upsert : options.onConflict }

  /// Begins to write rows that may be there already, or ends that.
  mutating func write(again: Bool) throws {
    guard again != writesAgain else { return }
    try flush()
    writesAgain = again
    // Their statements were made for the other way.
    forgetTables()
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
    if parked != nil { records[name] = record }
    tables[name] = nil
    currentName = []
  }

  static func name(_ schema: String, _ table: String) -> [UInt8] {
    Array(schema.utf8) + [0] + Array(table.utf8)
  }

  /// The table of an event.
  mutating func table(_ event: EventLine, _ line: Span<UInt8>) throws -> TableChanges {
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

  mutating func open(
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
      try TargetTable(source, relation, on: connection),
      try TextValues(of: relation, on: connection))
    if !found.target.hasIndex { try connection.execute(Self.resetPlans) }
    if found.target.hasAlwaysTriggers, !keepsOrder {
      try flush()
      keepsOrder = true
    }
    found.relation = records[name]
    tables[name] = found
    return found
  }

  /// Makes the table for all to see at once: were the open transaction prepared with it, those that come before
  /// it is committed would find none.
  private borrowing func createTable(_ source: SourceRelation) throws {
    let name = Quoting.qualified(source.schema, source.name)
    let query = "SELECT to_regclass($1) IS NOT NULL"
    if try connection.query(query, [name]).boolean(0, 0) { return }
    let other = try Connection(options.connection, applicationName: message.tool)
    // The name that no stream has.
    guard try SessionLock.take("", on: other) else {
      throw Failure(.temporary, "another applier is making tables")
    }
    // One who was killed may just have finished.
    if try other.query(query, [name]).boolean(0, 0) { return }
    let role = try connection.query("SHOW session_replication_role").text(0, 0)
    if role == "replica" { try other.execute("SET session_replication_role = replica") }
    let schema = Quoting.identifier(source.schema)
    if try !other.query("SELECT to_regnamespace($1) IS NOT NULL", [schema]).boolean(0, 0) {
      try other.execute("CREATE SCHEMA \(schema)")
    }
    try other.execute(source.createStatement)
  }
}

/// Where a session stands.
struct SinkSession {
  var isOpen = false
  var hasSavepoint = false
  private var statements = 0

  mutating func end() { (isOpen, hasSavepoint) = (false, false) }

  /// Tables whose rows have long values may have as many statements as rows.
  var hasManyStatements: Bool { statements > 1000 }

  mutating func forgetStatements() { statements = 0 }

  mutating func nextName() -> String {
    statements += 1
    return "sluice_\(statements)"
  }
}
