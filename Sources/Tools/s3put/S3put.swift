import Bytes
import Filter
import JSON
import ObjectStore
import Posix

/// Publishes standard input as one object.
@main
enum S3put: Tool {
  struct Options {
    var to: String?
    var record: Record?
    var after: Upstream?
    var leastRows: Int?
    var put = PutOptions()
    var store = S3Options()
  }

  static let name = "s3put"
  static let summary = "publishes standard input as one object and prints a record of it"
  static var usage: String { "--to=URL [OPTION]..." }
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] {
    [.negative, .badInput, .unavailable, .temporary, .notPermitted, .configuration]
  }

  static var flags: [Flag<Options>] {
    [
      .option("to", "URL", "s3://BUCKET/KEY or file:///PATH; with --record, its root") {
        $0.to = $1
      },
      .option("record", "JSON|@FILE", "a record to add to; its member \"key\" goes behind --to") {
        $0.record = try Record(option: $1)
      },
      .option("after", "LIST", "publish only if these stages finished, as the job log says") {
        (options, text) throws(UsageError) in options.after = try Upstream(parsing: text)
      },
      .option("min-rows", "N", "with --after: publish only if there are so many rows; else exit 1")
      {
        $0.leastRows = try OptionValue.count($1, in: 0...Int.max)
      },
      .option("part-size", "SIZE", "size of the first 1024 parts; later ones grow (50MiB)") {
        (options, text) throws(UsageError) in
        options.put.partBytes = try OptionValue.size(text, in: 64 << 10...5 << 30)
      },
      .option("concurrency", "N", "parts on their way at once (5)") {
        (options, text) throws(UsageError) in
        options.put.concurrency = try OptionValue.count(text, in: 1...64)
      },
      .toggle("in-memory", "hold them in memory, not in files below TMPDIR: 3 of 15MiB") {
        $0.put.isInMemory = true
      },
      .toggle("if-none-match", "publish only if nothing is there; otherwise exit 1") {
        $0.put.ifNoneMatch = true
      },
      .toggle("skip-identical", "upload nothing if the same bytes are there") {
        $0.put.skipIdentical = true
      },
      .option("spool", "DIR", "hold the object in an unnamed file there before it goes") {
        $0.put.spool = $1
      },
      .toggle("dry-run", "do everything but publish") { $0.put.isDryRun = true },
      .option("meta", "NAME=VALUE", "add to the object's metadata; may be repeated") {
        (options, text) throws(UsageError) in try options.put.addMetadata(text)
      },
      .option("tag", "NAME=VALUE", "add to the object's tags; may be repeated") {
        (options, text) throws(UsageError) in try options.put.addTag(text)
      },
      .option("content-type", "TYPE", "the object's type (application/octet-stream)") {
        (options, text) throws(UsageError) in
        try PutOptions.checkHeader(text)
        options.put.contentType = text
      },
      .option("storage-class", "CLASS", "where the store keeps it, such as STANDARD_IA") {
        (options, text) throws(UsageError) in
        try PutOptions.checkHeader(text)
        options.put.storageClass = text
      },
      .option("sse", "KIND", "encryption at rest: AES256, aws:kms or aws:kms:KEY") {
        (options, text) throws(UsageError) in
        try PutOptions.checkHeader(text)
        options.put.encryption = text
      },
    ] + S3Options.flags(\.store) + [S3Options.checksumFlag(\.store)]
  }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    guard operands.isEmpty else { throw UsageError("unexpected operand \"\(operands[0])\"") }
    guard options.leastRows == nil || options.after != nil else {
      throw UsageError("--min-rows goes with --after")
    }
    var upstream = options.after
    upstream?.leastRows = options.leastRows
    let location = try location(options)
    let log = JobLog(tool: name)
    log.start()
    let put = ObjectPut(
      location, options.put, store: options.store, upstream: upstream, log: log)
    let receipt = try put.run(from: .standardInput)
    var output = RecordWriter()
    try output.write(receipt.record(addedTo: options.record))
    let bytes = output.byteCount
    try output.finish()
    log.done(inBytes: receipt.objectBytes ?? 0, outBytes: bytes)
    return receipt.outcome == .exists ? ExitStatus(.negative) : .success
  }

  private static func location(_ options: Options) throws -> Location {
    guard let to = options.to else { throw UsageError("option \"--to\" is missing") }
    guard to.endsWithSlash else { return try Location(parsing: to) }
    guard let key = options.record?.string("key") else {
      throw UsageError("\"\(to)\" needs a --record with a member \"key\"")
    }
    let root = try Root(parsing: to)
    do throws(UsageError) { return try root.object(key) } catch {
      throw Failure(.badInput, error.message)
    }
  }
}
