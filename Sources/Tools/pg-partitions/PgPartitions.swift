import Filter
import Partitioning
import Posix
import Postgres

/// Lists the partitions of tables as records.
@main
enum PgPartitions: Tool {
  struct Options: ConnectionOptionsHolder {
    var connection = ConnectionOptions()
    var tables: [TableName] = []
    var request = ListingRequest()
    var byName = false
    var sliceColumn: String?
    var sliceStep: WindowStep?
    var countCache: String?
    var countTimeToLive = 86_400_000
    var statementTimeout = 0
  }

  static let name = "pg-partitions"
  static let summary = "lists the partitions of tables as records"
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] {
    [.badInput, .unavailable, .temporary, .notPermitted, .configuration]
  }
  static var flags: [Flag<Options>] {
    Flag.connection + [
      .option("table", "[SCHEMA.]NAME", "table to list, written as in SQL; may be repeated") {
        $0.tables.append(try TableName(parsing: $1))
      },
      .option("from", "DATE", "first day wanted") {
        $0.request.firstDay = try OptionValue.date($1)
      },
      .option("to", "DATE", "last day wanted, inclusive") {
        $0.request.lastDay = try OptionValue.date($1)
      },
      .toggle("include-open", "also partitions whose upper bound lies in the future") {
        $0.request.includesOpen = true
      },
      .toggle("by-name", "date tables without declared bounds by their names") {
        $0.byName = true
      },
      .option("slice-by", "COLUMN", "cut the table into windows of this column") {
        $0.sliceColumn = try Quoting.onlyIdentifier($1)
      },
      .option("every", "STEP", "length of a window: hour, day, week, month, quarter or year") {
        $0.sliceStep = try OptionValue.word($1, WindowStep.self)
      },
      .option("time-zone", "ZONE", "zone of days and windows; default UTC") {
        $0.request.timeZone = $1
      },
      .option(
        "key", "TEMPLATE", "name of each object; by default a daily one, see pg-partitions(1)"
      ) {
        $0.request.key = try KeyTemplate(parsing: $1)
      },
      .option("count", "HOW", "rows of each partition: none, estimate or exact; default estimate") {
        $0.request.count = try OptionValue.word($1, CountMode.self)
      },
      .option("count-cache", "FILE", "keep exact counts of closed partitions here") {
        $0.countCache = $1
      },
      .option("count-ttl", "DURATION", "how long a kept count holds; default 24h") {
        $0.countTimeToLive = try OptionValue.duration($1)
      },
      .option("statement-timeout", "DURATION", "give up a statement after this; default never") {
        $0.statementTimeout = try OptionValue.statementTimeout($1)
      },
    ]
  }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    let request = try check(options, operands)
    let log = JobLog(tool: name)
    log.start()
    var cache = try (request.count == .exact ? options.countCache : nil).map {
      try CountCache(path: $0, timeToLiveMilliseconds: options.countTimeToLive)
    }
    let connection = try Connection(options.connection, applicationName: name)
    try connection.limitStatements(to: options.statementTimeout)
    var listing = PartitionListing(request, messages: Message(tool: name))
    var partitions = try listing.partitions(of: options.tables, on: connection)
    try PartitionListing.checkKeys(partitions)
    try listing.count(&partitions, &cache, on: connection)
    try cache?.save()
    var output = RecordWriter()
    for partition in partitions { try output.write(partition.record) }
    try output.flush()
    log.done(inBytes: 0, outBytes: output.byteCount, rows: partitions.count)
    return ExitStatus(listing.worst ?? .success)
  }

  private static func check(
    _ options: Options, _ operands: [String]
  ) throws(UsageError) -> ListingRequest {
    if let first = operands.first { throw UsageError("too many arguments (first is \"\(first)\")") }
    // Its fingerprints would be newer than the rows that are read at the snapshot, and hide changes.
    guard environment("SLUICE_SNAPSHOT") == nil else {
      throw UsageError("partitions must be listed before pg-snapshot takes its snapshot")
    }
    guard !options.tables.isEmpty else { throw UsageError("no --table was given") }
    guard (options.sliceColumn == nil) == (options.sliceStep == nil) else {
      throw UsageError("--slice-by and --every go together")
    }
    if let from = options.request.firstDay, let to = options.request.lastDay, from > to {
      throw UsageError("--from \(from) is later than --to \(to)")
    }
    var request = options.request
    if let column = options.sliceColumn, let step = options.sliceStep {
      guard !options.byName else { throw UsageError("--slice-by and --by-name exclude each other") }
      request.source = .windows(WindowPlan(column: column, step: step))
    } else if options.byName {
      request.source = .names
    }
    return request
  }
}
