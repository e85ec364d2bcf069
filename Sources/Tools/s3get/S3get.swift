import Bytes
import Filter
import JSON
import ObjectStore
import Posix

/// Writes one object to standard output.
@main
enum S3get: Tool {
  struct Options {
    var record: Record?
    var from: String?
    var rangeBytes = ObjectGet.defaultRangeBytes
    var concurrency = 3
    var store = S3Options()
  }

  static let name = "s3get"
  static let summary = "writes one object to standard output and verifies it"
  static var usage: String { "[OPTION]... {URL | --record=JSON}" }
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] {
    [.negative, .badInput, .unavailable, .temporary, .notPermitted, .configuration]
  }

  static var flags: [Flag<Options>] {
    [
      .option("record", "JSON|@FILE", "the object's receipt; what is read must agree with it") {
        $0.record = try Record(option: $1)
      },
      .option("from", "URL", "where the record's member \"key\" is looked for, not at its url") {
        $0.from = $1
      },
      .option("range-size", "SIZE", "size of the ranges that are fetched at once (15MiB)") {
        (options, text) throws(UsageError) in
        options.rangeBytes = try OptionValue.size(text, in: 64 << 10...1 << 30)
      },
      .option("concurrency", "N", "ranges on their way at once (3)") {
        (options, text) throws(UsageError) in
        options.concurrency = try OptionValue.count(text, in: 1...64)
      },
    ] + S3Options.flags(\.store)
  }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    let location = try location(options, operands)
    let log = JobLog(tool: name)
    log.start()
    let get = ObjectGet(
      location, expected: options.record.map { Expectation($0) } ?? Expectation(),
      concurrency: options.concurrency, rangeBytes: options.rangeBytes, store: options.store,
      log: log)
    let delivery = try get.run(to: .standardOutput)
    if !delivery.isVerified {
      Message(tool: name).warning("nothing but the size of \"\(location.url)\" could be verified")
    }
    log.done(inBytes: delivery.bytes, outBytes: delivery.bytes, outSHA256: delivery.sha256)
    return .success
  }

  private static func location(
    _ options: Options, _ operands: [String]
  ) throws(UsageError) -> Location {
    guard operands.count <= 1 else { throw UsageError("unexpected operand \"\(operands[1])\"") }
    if let url = operands.first { return try Location(parsing: url) }
    guard let record = options.record else { throw UsageError("neither a URL nor a --record") }
    if let root = options.from {
      guard let key = record.string("key") else {
        throw UsageError("the record has no member \"key\"")
      }
      return try Location(key, below: root)
    }
    guard let url = record.string("url") else {
      throw UsageError("the record has no member \"url\"")
    }
    return try Location(parsing: url)
  }
}
