import Filter
import JSON
import ObjectStore
import Posix
import WAL

/// Plans which segments go.
@main
enum Walprune: Tool {
  struct Options {
    var source: PruneSource?
    var rules = Retention()
    var at = Clock.now()
    var printsBackups = false
    var pruning = PruneOptions()
  }

  static let name = "walprune"
  static let summary = "says which WAL segments no base backup needs any more"
  static var usage: String { "{--from=URL|-D DIR} {--window=TIME|--keep-last=N} [OPTION]..." }
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] {
    [.negative, .badInput, .unavailable, .temporary, .notPermitted, .configuration]
  }

  static var flags: [Flag<Options>] {
    [
      .option("from", "URL", "the archive's root: s3://BUCKET/PREFIX/ or file:///DIR/") {
        (options, text) throws(UsageError) in
        _ = try Root(parsing: text)
        options.source = .archive(root: text)
      },
      .option("directory", short: "D", "DIR", "a directory of plain segments instead") {
        $0.source = .directory($1)
      },
      .option("window", "TIME", "keep every moment of this last stretch of time restorable") {
        (options, text) throws(UsageError) in
        options.rules.windowMilliseconds = try OptionValue.duration(text)
      },
      .option("keep-last", "N", "keep the N newest backups restorable") {
        (options, text) throws(UsageError) in
        options.rules.keepLast = try OptionValue.count(text, in: 1...1_000_000)
      },
      .option("at", "TIME", "plan as of 2024-01-31T12:00:00Z instead of now") {
        (options, text) throws(UsageError) in options.at = try moment(text)
      },
      .toggle("backups", "print the backups that the rules let go, too") {
        $0.printsBackups = true
      },
      .option("decrypt", "COMMAND", "a filter that histories go through before they are read") {
        $0.pruning.decrypt = $1
      },
    ] + S3Options.flags(\.pruning.store)
  }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    if let first = operands.first { throw UsageError("too many arguments (first is \"\(first)\")") }
    guard let source = options.source else { throw UsageError("neither --from nor -D was given") }
    guard options.rules.keepLast != nil || options.rules.windowMilliseconds != nil else {
      throw UsageError("neither --window nor --keep-last was given")
    }
    var pruning = Pruning(source, options.rules, options.pruning, at: options.at)
    var input = RecordReader(from: .standardInput)
    while let record = try input.next() { pruning.add(try BaseBackup(record)) }
    var output = RecordWriter()
    let refusals = try pruning.run(printsBackups: options.printsBackups) { try output.write($0) }
    try output.finish()
    for refusal in refusals { Message(tool: name).error(refusal) }
    return refusals.isEmpty ? .success : ExitStatus(.negative)
  }

  /// Microseconds since 1970 of a time in UTC, with or without a fraction.
  private static func moment(_ text: String) throws(UsageError) -> Int64 {
    let whole = text.utf8.count == 20 ? "\(text.dropLast()).000000Z" : text
    guard let moment = Timestamp.microseconds(of: whole) else {
      throw UsageError("\"\(text)\" is not a time such as 2024-01-31T12:00:00Z")
    }
    return moment
  }
}
