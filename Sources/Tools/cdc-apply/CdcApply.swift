import Changes
import Filter
import Posix
import Postgres

/// Applies change events to a database, each transaction exactly once.
@main
enum CdcApply: Tool {
  struct Options: ConnectionOptionsHolder {
    var apply = ApplyOptions()
    var connection: ConnectionOptions {
      get { apply.connection }
      set { apply.connection = newValue }
    }
    var replays = false
  }

  static let name = "cdc-apply"
  static let summary = "applies change events to a database, each transaction exactly once"
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] {
    [.negative, .badInput, .unavailable, .temporary, .notPermitted, .configuration]
  }
  static var flags: [Flag<Options>] { Flag.connection + streamFlags + changeFlags }

  private static var streamFlags: [Flag<Options>] {
    [
      .option("source", "NAME", "name of the stream, whose position is kept (default: default)") {
        $0.apply.source = try nonempty($1)
      },
      .option("origin", "NAME", "keep the position as this replication origin's progress") {
        $0.apply.origin = try nonempty($1)
      },
      .option("batch-changes", "N", "commit when so many changes are together (10000)") {
        $0.apply.batchChanges = try OptionValue.count($1, in: 1...1_000_000)
      },
      .option("batch-ms", "N", "commit after so many milliseconds (200)") {
        $0.apply.batchMilliseconds = try OptionValue.count($1, in: 0...3_600_000)
      },
    ]
  }

  private static var changeFlags: [Flag<Options>] {
    [
      .option("on-conflict", "error|upsert|skip", "what an insert does where the row is there") {
        $0.apply.onConflict = try OptionValue.word($1, ConflictAction.self)
      },
      .option("park", "DIR", "set changes aside there that the target refuses, and go on") {
        $0.apply.park = try nonempty($1)
      },
      .option("replay", "DIR", "apply what is set aside there, and nothing else") {
        $0.apply.park = try nonempty($1)
        $0.replays = true
      },
      .toggle("create-tables", "make tables that the target lacks") {
        $0.apply.createsTables = true
      },
      .toggle("fire-triggers", "have triggers and foreign keys of the target in force") {
        $0.apply.firesTriggers = true
      },
    ]
  }

  private static func nonempty(_ text: String) throws(UsageError) -> String {
    guard !text.isEmpty else { throw UsageError("a name may not be empty") }
    return text
  }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    if let first = operands.first { throw UsageError("unexpected operand \"\(first)\"") }
    var application = try ChangeApplication(options.apply, Message(tool: name))
    if options.replays {
      let (done, left) = try application.replay()
      Message(tool: name).info("\(done) changes were applied, \(left) are still set aside")
      return left == 0 ? .success : ExitStatus(.negative)
    }
    let log = JobLog(tool: name)
    log.start()
    let input = Descriptor.standardInput
    input.growPipe(to: 1 << 20)
    let (inBytes, outBytes) = try application.run(input, log)
    log.done(inBytes: inBytes, outBytes: outBytes, rows: application.changesApplied)
    return application.changesParked == 0 ? .success : ExitStatus(.negative)
  }
}
