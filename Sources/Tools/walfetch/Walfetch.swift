import Filter
import ObjectStore
import Posix
import WAL

/// Brings a WAL file back from an archive, as PostgreSQL's restore_command.
@main
enum Walfetch: Tool {
  typealias Options = FetchOptions

  static let name = "walfetch"
  static let summary = "brings a WAL file back, as PostgreSQL's restore_command"
  static var usage: String { "--from=URL [-D DIR]... [OPTION]... FILE DESTINATION" }
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] { [.negative] }

  /// PostgreSQL takes 1 to 125 for "there is no such file", which ends a recovery.
  static func status(ofFailure code: ExitCode) -> Int32 { 255 }

  static var flags: [Flag<Options>] {
    [
      .option("from", "URL", "the archive: s3://BUCKET/PREFIX or file:///DIR") {
        $0.archive = $1
      },
      .option("directory", short: "D", "DIR", "look into DIR first; may be repeated") {
        $0.directories.append($1)
      },
      .option("system-identifier", "N", "whose WAL it is (as global/pg_control says)") {
        $0.systemIdentifier = $1
      },
      .option("decrypt", "COMMAND", "send each object through COMMAND first") { $0.decrypt = $1 },
      .option("retry-for", "DURATION", "how long to try again what may pass (1m)") {
        (options, text) throws(UsageError) in
        options.retryMilliseconds = try OptionValue.duration(text)
      },
      .toggle("use-partial", "deliver the valid part of a segment that was never completed") {
        $0.usesPartial = true
      },
      .toggle("allow-empty-archive", "a file may be absent though nothing else is there") {
        $0.allowsEmptyArchive = true
      },
      .option("prefetch", "N", "fetch N segments ahead in the background (0)") {
        (options, text) throws(UsageError) in
        options.prefetch = try OptionValue.count(text, in: 0...1024)
      },
      .option("spool", "DIR", "where these wait; by default below the temporary directory") {
        $0.spool = $1
      },
      .toggle("prefetch-only", "only fetch ahead: what --prefetch starts in the background") {
        $0.isPrefetcher = true
      },
      .option("range-size", "SIZE", "size of the ranges that are fetched at once (4MiB)") {
        (options, text) throws(UsageError) in
        options.rangeBytes = try OptionValue.size(text, in: 64 << 10...1 << 30)
      },
      .option("concurrency", "N", "ranges on their way at once (4)") {
        (options, text) throws(UsageError) in
        options.concurrency = try OptionValue.count(text, in: 1...64)
      },
      .toggle("verbose", short: "v", "say what was delivered and from where") {
        $0.isVerbose = true
      },
    ] + S3Options.flags(\.store).filter { $0.long != "retries" }
  }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    guard !options.archive.isEmpty else { throw UsageError("no --from was given") }
    guard operands.count == 2 else {
      throw UsageError("expected two operands: the file (%f) and its destination (%p)")
    }
    if options.isPrefetcher {
      try Prefetcher(options, destination: operands[1]).run()
      return .success
    }
    let fetch = try WALFetch(
      options, file: operands[0], to: operands[1], message: Message(tool: name))
    return ExitStatus(try fetch.run() == .delivered ? .success : .negative)
  }
}
