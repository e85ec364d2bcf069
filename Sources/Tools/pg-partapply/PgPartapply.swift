import Filter
import JSON
import Partitioning
import Posix
import Postgres

/// Carries out a plan of partitions.
@main
enum PgPartapply: Tool {
  struct Options: ConnectionOptionsHolder {
    var connection = ConnectionOptions()
    var request = ApplyRequest()
  }

  static let name = "pg-partapply"
  static let summary = "carries out the actions of pg-partplan"
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] {
    [.negative, .badInput, .unavailable, .temporary, .notPermitted, .configuration]
  }
  static var flags: [Flag<Options>] {
    Flag.connection + [
      .option("lock-timeout", "DURATION", "give up a try when a lock takes longer; default 100ms") {
        $0.request.lockTimeout = try OptionValue.duration($1)
      },
      .option("budget", "DURATION", "try an action again for so long; default 30s") {
        $0.request.budget = try OptionValue.duration($1)
      },
      .option("batch-rows", "N", "rows that one transaction of a drain moves; default 1000") {
        $0.request.batchRows = try OptionValue.count($1, in: 1...1_000_000)
      },
      .option("manifest", "FILE", "receipts that prove what is in the archive") {
        $0.request.manifest = $1
      },
      .option("verdicts", "FILE", "take proofs only of objects that s3verify found ok here") {
        $0.request.verdicts = $1
      },
      .option("cool", "DURATION", "age of a proof before the partition is dropped; default 24h") {
        $0.request.cool = try OptionValue.duration($1)
      },
      .option("hook", "COMMAND", "ask this command before an action, with its record") {
        $0.request.hook = $1
      },
      .option("hook-for", "KINDS", "actions to ask for; default detach,move,drop,archive") {
        $0.request.hookKinds = try ApplyRequest.kinds($1)
      },
      .option("hook-timeout", "DURATION", "kill a hook that takes longer; default 1h") {
        $0.request.hookTimeout = try OptionValue.duration($1)
      },
      .toggle("dry-run", "say what would be done, and do nothing") { $0.request.isDryRun = true },
    ]
  }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    if let first = operands.first { throw UsageError("too many arguments (first is \"\(first)\")") }
    var reader = RecordReader(from: .standardInput)
    var actions: [Action] = []
    while let record = try reader.next() {
      guard actions.count < Applier.maxActions else {
        throw Failure(.badInput, "there are more than \(Applier.maxActions) actions")
      }
      actions.append(try Action(record))
    }
    var output = RecordWriter()
    var applier = Applier(options.request, options.connection, tool: name)
    let code = try applier.run(actions) { result in
      try output.write(result)
      try output.flush()
    }
    return ExitStatus(code)
  }
}
