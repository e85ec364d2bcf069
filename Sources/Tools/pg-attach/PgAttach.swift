import Filter
import JSON
import Partitioning
import Posix
import Postgres

/// Makes tables partitions again.
@main
enum PgAttach: Tool {
  struct Options: ConnectionOptionsHolder {
    var connection = ConnectionOptions()
    var lockTimeout = 10_000
  }

  static let name = "pg-attach"
  static let summary = "attaches tables to what they were partitions of"
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] {
    [.badInput, .unavailable, .temporary, .notPermitted, .configuration]
  }
  static var flags: [Flag<Options>] {
    Flag.connection + [
      .option("lock-timeout", "DURATION", "give up when a lock takes longer; default 10s") {
        $0.lockTimeout = try OptionValue.duration($1)
      }
    ]
  }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    if let first = operands.first { throw UsageError("too many arguments (first is \"\(first)\")") }
    var reader = RecordReader(from: .standardInput)
    var output = RecordWriter()
    while var record = try reader.next() {
      let attach = try PartitionAttach(record)
      let connection = try Connection(options.connection, applicationName: name)
      let isNew = try attach.run(on: connection, lockTimeout: options.lockTimeout)
      record.set("outcome", isNew ? "attached" : "exists")
      try output.write(record)
      try output.flush()
    }
    return .success
  }
}
