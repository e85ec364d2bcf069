import Changes
import Filter
import Posix

/// Turns a publication's messages into change events.
@main
enum CdcDecode: Tool {
  struct Options {
    var decode = DecodeOptions()
  }

  static let name = "cdc-decode"
  static let summary = "turns the messages of a replication stream into change events"
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] { [.badInput, .io] }

  static var flags: [Flag<Options>] {
    [
      .option("format", "FORMAT", "events, debezium or wal2json (events)") {
        (options, text) throws(UsageError) in
        options.decode.format = try OptionValue.word(text, EventFormat.self)
      },
      .option("name", "NAME", "debezium: what its events call the source (sluice)") {
        $0.decode.source.name = $1
      },
      .option("database", "NAME", "debezium: the database they name (none)") {
        $0.decode.source.database = $1
      },
      .toggle("quote-numbers", "make every number a string") { $0.decode.quoteNumbers = true },
      .option("memory", "SIZE", "what unfinished transactions may take of it (64MiB)") {
        (options, text) throws(UsageError) in
        options.decode.memoryBytes = try OptionValue.size(text, in: 0...1 << 40)
      },
      .option("spool", "DIR", "where the rest of them lies (TMPDIR or /var/tmp)") {
        $0.decode.folder = $1
      },
    ]
  }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    if let extra = operands.first { throw UsageError("unexpected operand \"\(extra)\"") }
    let log = JobLog(tool: name)
    log.start()
    try Decoding.run(options.decode, from: .standardInput, to: .standardOutput, log: log)
    return .success
  }
}
