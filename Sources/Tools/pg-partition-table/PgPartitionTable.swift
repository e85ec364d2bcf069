import Filter
import JSON
import Partitioning
import Posix
import Postgres

/// Plans how a plain table becomes a partitioned one, or a partitioned one plain again.
@main
enum PgPartitionTable: Tool {
  struct Options: ConnectionOptionsHolder {
    var connection = ConnectionOptions()
    var table: TableName?
    var margin = 1
    var isWayBack = false
  }

  static let name = "pg-partition-table"
  static let summary = "plans how a plain table becomes a partitioned one"
  static var usage: String { "[OPTION]... --table TABLE POLICY" }
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] { [.badInput, .unavailable, .temporary, .notPermitted] }
  static var flags: [Flag<Options>] {
    Flag.connection + [
      .option("table", "TABLE", "the one of the policy's tables, as in SQL; required") {
        $0.table = try TableName(parsing: $1)
      },
      .option("margin", "N", "ranges left for rows to come until the swap; default 1") {
        $0.margin = try OptionValue.count($1, in: 0...1000)
      },
      .toggle("undo", "plan the way back, while the new partitions are empty") {
        $0.isWayBack = true
      },
    ]
  }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    guard let table = options.table else { throw UsageError("--table is missing") }
    guard operands.count == 1 else { throw UsageError("one POLICY is wanted") }
    let policies = try PolicyFile.read(operands[0])
    guard let policy = policies.first(where: { $0.table == table }) else {
      throw Failure(.badInput, "\(operands[0]) has no table \(table.text)")
    }
    let adoption = try Adoption(policy, margin: options.margin)
    let connection = try Connection(options.connection, applicationName: name)
    var output = RecordWriter()
    let steps =
      options.isWayBack
      ? try adoption.stepsBack(on: connection) : try adoption.steps(on: connection)
    for step in steps { try output.write(step.record) }
    try output.finish()
    return .success
  }
}
