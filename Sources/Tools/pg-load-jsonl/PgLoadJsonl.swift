import Filter
import JSON
import Posix
import Postgres

/// Loads JSON lines into a table, all of them or none.
@main
enum PgLoadJsonl: Tool {
  struct Options: ConnectionOptionsHolder {
    var connection = ConnectionOptions()
    var relation: (schema: String?, name: String)?
    var record: Record?
    var into: (schema: String?, name: String)?
    var creates = false
    var model: (schema: String?, name: String)?
    var missing = LoadPlan.Missing.error
    var ignoresUnknown = false
    var upstream: Upstream?
    var expectedRows: Int?
    var checksRows = true
    var timeoutMilliseconds = 0
    var isDryRun = false
  }

  /// A longer line is refused, so that memory stays bounded; the server's own limit is the same.
  private static var maxLineBytes: Int { 1 << 30 }

  static let name = "pg-load-jsonl"
  static let summary = "loads JSON lines into a table, all of them or none"
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] {
    [.badInput, .unavailable, .temporary, .notPermitted, .configuration]
  }
  static var flags: [Flag<Options>] { Flag.connection + targetFlags + inputFlags }

  private static var targetFlags: [Flag<Options>] {
    [
      .option("relation", "NAME", "table to load, written as in SQL") {
        $0.relation = try Quoting.qualifiedName($1)
      },
      .option(
        "record", "JSON|@FILE", "partition or object record whose partition is the table to load"
      ) {
        $0.record = try Record(option: $1)
      },
      .option("into", "NAME", "load into this table instead of the record's partition") {
        $0.into = try Quoting.qualifiedName($1)
      },
      .toggle("create", "make the table of the record's columns; it must not exist") {
        $0.creates = true
      },
      .option("like", "NAME", "with --create: like this table, without indexes and identities") {
        $0.model = try Quoting.qualifiedName($1)
      },
    ]
  }

  private static var inputFlags: [Flag<Options>] {
    [
      .option("missing", "error|null|default", "what a column without a member gets") {
        $0.missing = try OptionValue.word($1, LoadPlan.Missing.self)
      },
      .toggle("ignore-unknown", "pass over members that are no columns") {
        $0.ignoresUnknown = true
      },
      .option("after", "LIST", "commit only if these stages of the job are done") {
        $0.upstream = try Upstream(parsing: $1)
      },
      .option("expect-rows", "N", "commit only if there are so many rows (default: the record's)") {
        $0.expectedRows = try OptionValue.count($1, in: 0...Int.max)
      },
      .toggle("no-check-rows", "commit whatever number of rows the server took") {
        $0.checksRows = false
      },
      .option("statement-timeout", "DURATION", "give up a statement after this; default never") {
        $0.timeoutMilliseconds = try OptionValue.statementTimeout($1)
      },
      .toggle("dry-run", "do everything but the commit") { $0.isDryRun = true },
    ]
  }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    try check(options, operands)
    let definition = try definition(options)
    let target = try target(options)
    let (log, started) = (JobLog(tool: name), Clock.monotonic())
    log.start()
    let connection = try Connection(options.connection, applicationName: name)
    try begin(options, on: connection)
    if let model = options.model {
      try TableDefinition.create(target, like: sqlName(model), on: connection)
    }
    try definition?.create(target, on: connection)
    let relation = try Relation(named: target, on: connection)
    var plan = try LoadPlan(
      relation, missing: options.missing, ignoresUnknown: options.ignoresUnknown, on: connection)
    if options.creates { plan.storage = .frozen }
    let (rows, inBytes) = try load(plan, options, log, on: connection)
    _ = try options.upstream?.finished(received: inBytes)
    try end(options, on: connection)

    var result = loadRecord(options.record)
    result.set("target_schema", relation.schema)
    result.set("target_table", relation.name)
    result.set("rows", rows)
    result.set("in_bytes", inBytes)
    result.set("elapsed_ms", (Clock.monotonic() - started) / 1_000_000)
    result.set("outcome", options.isDryRun ? "dry-run" : "loaded")
    var output = RecordWriter()
    try output.write(result)
    let outBytes = output.byteCount
    try output.finish()
    log.done(inBytes: inBytes, outBytes: outBytes, rows: rows)
    return .success
  }

  private static func check(_ options: Options, _ operands: [String]) throws(UsageError) {
    if let first = operands.first { throw UsageError("unexpected operand \"\(first)\"") }
    guard (options.relation == nil) != (options.record == nil) else {
      throw UsageError("one of --relation and --record must be given")
    }
    guard options.record != nil || !options.creates && options.into == nil else {
      throw UsageError("--create and --into go with --record")
    }
    guard options.model == nil || options.creates else {
      throw UsageError("--like goes with --create")
    }
  }

  /// The server's warnings would reach us in the middle of the rows, where only errors may come.
  ///
  /// With an older snapshot, types would be looked up as they were before somebody changed them.
  private static func begin(_ options: Options, on connection: borrowing Connection) throws {
    try connection.execute(
      """
      BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL client_min_messages = error;
      SET LOCAL statement_timeout = \(options.timeoutMilliseconds)
      """)
  }

  /// What the record says of the table to make; nil where none is made, or one like another.
  private static func definition(_ options: Options) throws -> TableDefinition? {
    guard options.creates, options.model == nil, let record = options.record else { return nil }
    return try TableDefinition(record)
  }

  private static func sqlName(_ name: (schema: String?, name: String)) -> String {
    name.schema.map { Quoting.qualified($0, name.name) } ?? Quoting.identifier(name.name)
  }

  /// The table to load: named, or the record's partition.
  private static func target(_ options: Options) throws(Failure) -> String {
    if let named = options.relation ?? options.into { return sqlName(named) }
    guard let schema = try options.record?.optional("partition_schema", \.string),
      let name = try options.record?.optional("partition", \.string)
    else { throw Failure(.badInput, "record names no partition") }
    return Quoting.qualified(schema, name)
  }

  private static func load(
    _ plan: LoadPlan, _ options: Options, _ log: JobLog, on connection: borrowing Connection
  ) throws -> (rows: Int, inBytes: Int) {
    Descriptor.standardInput.growPipe(to: 1 << 20)
    var lines = LineReader(from: .standardInput, maxLineBytes: maxLineBytes)
    var table = TableLoad(plan)
    var progress = Progress(log)
    do {
      while try lines.next() {
        guard try table.append(lines.line, on: connection) else { continue }
        progress.report(inBytes: lines.bytesRead, outBytes: 0, rows: table.lines)
      }
    } catch let error as LineError {
      throw Failure(.badInput, error.description)
    }
    let rows = try table.finish(on: connection)
    if options.checksRows { try checkRows(rows, of: table.lines, options) }
    return (rows, lines.bytesRead)
  }

  private static func checkRows(_ rows: Int, of lines: Int, _ options: Options) throws(Failure) {
    guard rows == lines else {
      throw Failure(
        .badInput, "the server took \(rows) of \(lines) rows, nothing was loaded",
        detail: "A trigger of the table leaves rows out or puts them elsewhere.",
        hint: "--no-check-rows accepts that.")
    }
    let recorded = try options.record?.optional("rows", \.integer)
    guard let expected = options.expectedRows ?? recorded else { return }
    guard rows == expected else {
      throw Failure(
        .badInput, "\(rows) rows came, but \(expected) are expected, nothing was loaded")
    }
  }

  private static func end(_ options: Options, on connection: borrowing Connection) throws {
    guard options.isDryRun else { return try connection.commit() }
    try connection.execute("SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK")
  }

  /// A record of type load with what it was given.
  private static func loadRecord(_ given: Record?) -> Record {
    var record = Record(type: "load")
    for name in given?.names ?? [] where name != "type" {
      if let value = given?.json(name) { record.set(name, json: value) }
    }
    return record
  }
}
