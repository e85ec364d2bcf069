import Bytes
import Filter
import Posix
import Postgres

/// Writes the rows of a relation as JSON lines.
@main
enum PgExtractJsonl: Tool {
  struct Options: ConnectionOptionsHolder {
    var connection = ConnectionOptions()
    var relation: String?
  }

  static let name = "pg-extract-jsonl"
  static let summary = "writes the rows of a table or partition as JSON lines"
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] { [.badInput, .unavailable, .temporary, .notPermitted] }
  static var flags: [Flag<Options>] {
    Flag.connection + [
      .option("relation", "NAME", "table to read, written as in SQL") { $0.relation = $1 }
    ]
  }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    let connection = try Connection(options.connection, applicationName: name)
    let relation = try Relation(named: options.relation ?? "", on: connection)
    let plan = try ExtractPlan(relation)
    let encoder = RowEncoder(plan.columns)
    var buffer = ByteBuffer(capacity: 300 << 10)
    try CopyOut.run(plan.copyStatement(), on: connection) { row in
      try encoder.append(row, to: &buffer)
      if buffer.count >= 256 << 10 {
        try Descriptor.standardOutput.writeAll(buffer.span)
        buffer.removeAll()
      }
    }
    try Descriptor.standardOutput.writeAll(buffer.span)
    return .success
  }
}
