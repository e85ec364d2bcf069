import Filter
import Partitioning
import Posix
import Postgres

/// Holds the partitions that are there against what their policies say.
@main
enum PgPartcheck: Tool {
  enum Format: String, CaseIterable { case ndjson, openmetrics }

  struct Options: ConnectionOptionsHolder {
    var connection = ConnectionOptions()
    var at: Int64?
    var tables: [TableName] = []
    var grace = 86_400_000
    var format = Format.ndjson
  }

  static let name = "pg-partcheck"
  static let summary = "holds partitions against what their policies say"
  static var usage: String { "[OPTION]... POLICY" }
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] {
    [.negative, .badInput, .unavailable, .temporary, .notPermitted]
  }
  static var flags: [Flag<Options>] {
    Flag.connection + [
      .option("at", "TIME", "check as of then: a date, or a time as in RFC 3339") {
        $0.at = try OptionValue.moment($1)
      },
      .option("table", "[SCHEMA.]NAME", "check only this table; may be repeated") {
        $0.tables.append(try TableName(parsing: $1))
      },
      .option("grace", "DURATION", "how long retirement may be late; default 1d") {
        $0.grace = try OptionValue.duration($1)
      },
      .option("format", "HOW", "ndjson or openmetrics; default ndjson") {
        $0.format = try OptionValue.word($1, Format.self)
      },
    ]
  }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    guard let file = operands.first else { throw UsageError("no policy file was given") }
    guard operands.count == 1 else {
      throw UsageError("too many arguments (first is \"\(operands[1])\")")
    }
    var wanted = PlanRequest(try PolicyFile.read(file))
    try wanted.restrict(to: options.tables)
    var request = CheckRequest(wanted.policies)
    (request.now, request.grace) = (options.at, options.grace)
    let connection = try Connection(options.connection, applicationName: name)
    var check = PartitionCheck(request)
    let reports = try check.reports(on: connection)
    try write(reports, options.format, now: check.now)
    return reports.contains(where: \.isBad) ? ExitStatus(.negative) : .success
  }

  private static func write(_ reports: [TableReport], _ format: Format, now: Int64) throws {
    switch format {
    case .ndjson:
      var output = RecordWriter()
      for report in reports {
        for record in report.records { try output.write(record) }
      }
      try output.finish()
    case .openmetrics:
      try Descriptor.standardOutput.writeAll(MetricsText(of: reports, now: now).utf8.span)
    }
  }
}
