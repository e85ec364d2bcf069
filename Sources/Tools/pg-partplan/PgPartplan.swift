import Filter
import Partitioning
import Posix
import Postgres

/// Plans how partitions are made and retired.
@main
enum PgPartplan: Tool {
  struct Options: ConnectionOptionsHolder {
    var connection = ConnectionOptions()
    var at: Int64?
    var tables: [TableName] = []
  }

  static let name = "pg-partplan"
  static let summary = "plans how partitions are made and retired"
  static var usage: String { "[OPTION]... POLICY" }
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] {
    [.negative, .badInput, .unavailable, .temporary, .notPermitted]
  }
  static var flags: [Flag<Options>] {
    Flag.connection + [
      .option("at", "TIME", "plan as of then: a date, or a time as in RFC 3339") {
        $0.at = try OptionValue.moment($1)
      },
      .option("table", "[SCHEMA.]NAME", "plan only this table; may be repeated") {
        $0.tables.append(try TableName(parsing: $1))
      },
    ]
  }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    guard let file = operands.first else { throw UsageError("no policy file was given") }
    guard operands.count == 1 else {
      throw UsageError("too many arguments (first is \"\(operands[1])\")")
    }
    var request = PlanRequest(try PolicyFile.read(file))
    try request.restrict(to: options.tables)
    request.now = options.at
    let connection = try Connection(options.connection, applicationName: name)
    var planning = Planning(request, messages: Message(tool: name))
    var output = RecordWriter()
    for action in try planning.actions(on: connection) { try output.write(action.record) }
    try output.finish()
    return ExitStatus(planning.worst ?? .success)
  }
}
