import Bytes
import Filter
import JSON
import ObjectStore
import Posix

/// Deletes the objects that records name.
@main
enum S3rm: Tool {
  struct Options {
    var from: Root?
    var isSure = false
    var isDryRun = false
    var store = S3Options()
  }

  static let name = "s3rm"
  static let summary = "deletes the objects that records name"
  static var usage: String { "[OPTION]... [--yes URL...]" }
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] {
    [.badInput, .unavailable, .temporary, .notPermitted, .configuration]
  }

  static var flags: [Flag<Options>] {
    [
      .option("from", "URL", "where the records' member \"key\" is looked for, not at their url") {
        (options, text) throws(UsageError) in options.from = try Root(parsing: text)
      },
      .toggle("yes", "delete the objects that the operands name") { $0.isSure = true },
      .toggle("dry-run", "delete nothing, and say what would be") { $0.isDryRun = true },
    ] + S3Options.flags(\.store)
  }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    var removal = Removal(options)
    let log = JobLog(tool: name)
    if operands.isEmpty {
      log.start()
      var input = RecordReader(from: .standardInput)
      while let record = try input.next() { try removal.add(record) }
    } else {
      for record in try records(operands, options) { try removal.add(record) }
      log.start()
    }
    return try removal.finish(log)
  }

  /// Operands name one object each; what looks like a prefix is refused.
  private static func records(
    _ operands: [String], _ options: Options
  ) throws(UsageError) -> [Record] {
    var records: [Record] = []
    for operand in operands {
      guard !operand.endsWithSlash, !operand.hasSuffix("*") else {
        throw UsageError("\"\(operand)\" is no single object; use s3ls to name the objects")
      }
      var record = Record(type: "object")
      record.set("url", try Location(parsing: operand).url)
      records.append(record)
    }
    guard options.isSure else { throw UsageError("operands are deleted only with \"--yes\"") }
    return records
  }
}

/// The records that wait for the next request, and what became of the others.
struct Removal: ~Copyable {
  private let options: S3rm.Options
  private var removal: ObjectRemoval
  private var waiting: [(record: Record, location: Location)] = []
  private var output = RecordWriter()
  private var worst = ExitCode.success
  private var count = 0

  init(_ options: S3rm.Options) {
    self.options = options
    removal = ObjectRemoval(options.store)
  }

  mutating func add(_ record: Record) throws {
    waiting.append((record, try location(record)))
    if waiting.count == ObjectRemoval.batchSize { try removeWaiting() }
  }

  /// Deletes the rest and returns how the process should end.
  consuming func finish(_ log: JobLog) throws -> ExitStatus {
    try removeWaiting()
    let bytes = output.byteCount
    try output.finish()
    log.done(inBytes: 0, outBytes: bytes, rows: count)
    return ExitStatus(worst)
  }

  private func location(_ record: Record) throws(Failure) -> Location {
    do throws(UsageError) {
      if let root = options.from {
        if let key = record.string("key"), !key.isEmpty { return try root.object(key) }
      } else if let url = record.string("url") {
        return try Location(parsing: url)
      }
    } catch {
      throw Failure(.badInput, "a record names no object", detail: error.message)
    }
    throw Failure(
      .badInput, "a record has no member \"\(options.from == nil ? "url" : "key")\"")
  }

  private mutating func removeWaiting() throws {
    let outcomes =
      options.isDryRun ? [] : try removal.remove(waiting.map(\.location))
    for (index, (record, location)) in waiting.enumerated() {
      var record = record
      let outcome = options.isDryRun ? nil : outcomes[index]
      if record.string("url") != location.url { record.set("url", location.url) }
      record.set("outcome", outcome?.word ?? "dry-run")
      try output.write(record)
      count += 1
      if let error = outcome?.error {
        Message(tool: S3rm.name).error(error)
        worst = max(worst, error.exitCode)
      }
    }
    try output.flush()
    waiting = []
  }
}
