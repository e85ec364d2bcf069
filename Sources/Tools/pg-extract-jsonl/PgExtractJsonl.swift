import Bytes
import Digests
import Filter
import JSON
import Posix
import Postgres

/// Writes the rows of a table or partition as JSON lines.
@main
enum PgExtractJsonl: Tool {
  struct Options: ConnectionOptionsHolder {
    var connection = ConnectionOptions()
    var record: String?
    var relation: String?
    var filter: String?
    var columns: [String] = []
    var excluded: [String] = []
    var order: String?
    var jobs = 1
    var quoteNumbers = false
    var snapshot: Snapshot?
    var statementTimeout = 0

    /// Such as may count on the search path.
    var hasOwnSQL: Bool { filter != nil || order != nil }
  }

  static let name = "pg-extract-jsonl"
  static let summary = "writes the rows of a table or partition as JSON lines"
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] {
    [.badInput, .unavailable, .temporary, .notPermitted, .configuration]
  }
  static var flags: [Flag<Options>] {
    Flag.connection + [
      .option("record", "JSON|@FILE", "partition record that says what to read") { $0.record = $1 },
      .option("relation", "NAME", "relation to read, written as in SQL") { $0.relation = $1 },
      .option("where", "SQL", "condition on the rows of --relation") { $0.filter = $1 },
      .option("columns", "LIST", "only these columns, in this order") {
        $0.columns = try Quoting.identifiers($1)
      },
      .option("exclude-columns", "LIST", "all columns but these") {
        $0.excluded = try Quoting.identifiers($1)
      },
      .option("order-by", "SQL", "order of the rows; default is the table's own") { $0.order = $1 },
      .option("jobs", short: "j", "N", "connections that read one table together; default 1") {
        $0.jobs = try OptionValue.count($1, in: 1...64)
      },
      .toggle("quote-numbers", "write numbers as strings, those in arrays and composites too") {
        $0.quoteNumbers = true
      },
      .option("snapshot", "ID", "read at this exported snapshot") {
        $0.snapshot = try Snapshot(id: $1)
      },
      .option("statement-timeout", "DURATION", "give up a statement after this; default never") {
        $0.statementTimeout = try OptionValue.statementTimeout($1)
      },
    ]
  }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    let source = try ExtractSource(options, operands)
    let log = JobLog(tool: name)
    log.start()
    Descriptor.standardOutput.growPipe(to: 1 << 20)
    let connection = try open(options, at: options.snapshot)
    let plan = try source.plan(options, on: connection)
    try plan.relation.holdStill(on: connection)
    let isShared = options.jobs > 1 && plan.isDivisible
    try settle(options, connection, byPages: isShared)
    let output = ExtractOutput(log)
    let extraction = Extraction(plan, quoteNumbers: options.quoteNumbers)
    let rows: Int
    if isShared {
      let shared = try options.snapshot ?? connection.exportSnapshot()
      let pages = try plan.relation.pages(on: connection)
      rows = try ParallelExtraction(extraction, pages: pages, jobs: options.jobs)
        .run(on: connection, connect: { try openAnother(options, at: shared) }, output.write)
    } else {
      rows = try extraction.run(on: connection, output.write)
    }
    try output.finish(rows: rows)
    return .success
  }

  private static func openAnother(
    _ options: Options, at snapshot: Snapshot
  ) throws -> Connection {
    let connection = try open(options, at: snapshot)
    try settle(options, connection, byPages: true)
    return connection
  }

  /// How rows are to come; behind the lookup of a name, which may need the search path.
  private static func settle(
    _ options: Options, _ connection: borrowing Connection, byPages: Bool
  ) throws {
    try connection.keepTableOrder(byPages: byPages)
    if !options.hasOwnSQL { try connection.qualifyNames() }
  }

  private static func open(_ options: Options, at snapshot: Snapshot?) throws -> Connection {
    let connection = try Connection(options.connection, applicationName: name)
    try connection.limitStatements(to: options.statementTimeout)
    try connection.beginReading(at: snapshot)
    return connection
  }
}

/// Which relation is meant, and by whom: an option or a record.
struct ExtractSource {
  private let record: Record?
  private let relation: String?

  init(_ options: PgExtractJsonl.Options, _ operands: [String]) throws {
    if let operand = operands.first {
      throw UsageError("too many arguments (first is \"\(operand)\")")
    }
    guard options.record == nil || options.relation == nil else {
      throw UsageError("--record and --relation exclude each other")
    }
    guard options.filter == nil || options.relation != nil else {
      throw UsageError("--where goes with --relation")
    }
    guard options.order == nil || options.jobs == 1 else {
      throw UsageError("--order-by goes with one job only")
    }
    relation = options.relation
    if relation != nil {
      record = nil
    } else if let text = options.record {
      record = try Record(option: text)
    } else {
      record = try Record(onlyOneFrom: .standardInput)
    }
  }

  func plan(
    _ options: PgExtractJsonl.Options, on connection: borrowing Connection
  ) throws -> ExtractPlan {
    let found = try lookUp(on: connection)
    if let record { try found.checkColumns(of: record) }
    var plan = try ExtractPlan(found, only: options.columns, excluding: options.excluded)
    plan.filter = try record?.optional("where", \.string) ?? options.filter
    plan.order = options.order
    return plan
  }

  private func lookUp(on connection: borrowing Connection) throws -> Relation {
    guard let record else { return try Relation(named: relation ?? "", on: connection) }
    guard
      let schema = try record.optional("partition_schema", \.string)
        ?? record.optional("schema", \.string),
      let name = try record.optional("partition", \.string) ?? record.optional("table", \.string)
    else { throw Failure(.badInput, "the record lacks \"partition_schema\" or \"partition\"") }
    return try Relation(schema: schema, name: name, on: connection)
  }
}

/// Standard output with its digest and its progress; the turns of the workers keep calls apart.
final class ExtractOutput: @unchecked Sendable {
  private let log: JobLog
  private var progress: Progress
  private var bytes = 0
  /// Only a job log has a reader for it, and it costs half a second a gigabyte.
  private var digest: SHA256?

  init(_ log: JobLog) {
    self.log = log
    progress = Progress(log)
    digest = log.isKept ? SHA256() : nil
  }

  func write(_ batch: borrowing ByteBuffer, rows: Int) throws {
    try Descriptor.standardOutput.writeAll(batch.span)
    digest?.update(batch.span)
    bytes += batch.count
    progress.report(inBytes: 0, outBytes: bytes, rows: rows)
  }

  func finish(rows: Int) throws {
    var sum: String?
    if var digest = digest.take() { sum = Hex.encode(digest.finish()) }
    log.done(inBytes: 0, outBytes: bytes, rows: rows, outSHA256: sum)
    try Descriptor.standardOutput.close()
  }
}
