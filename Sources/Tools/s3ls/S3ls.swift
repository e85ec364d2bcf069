import Filter
import JSON
import ObjectStore
import Posix

/// Lists objects as records.
@main
enum S3ls: Tool {
  struct Options {
    var store = S3Options()
  }

  static let name = "s3ls"
  static let summary = "lists the objects whose names begin as given"
  static var usage: String { "[OPTION]... URL..." }
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] { [.unavailable, .temporary, .notPermitted, .configuration] }
  static var flags: [Flag<Options>] { S3Options.flags(\.store) }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    guard !operands.isEmpty else { throw UsageError("no URL to list") }
    var roots: [Root] = []
    for operand in operands { roots.append(try Root(parsing: operand)) }
    let log = JobLog(tool: name)
    log.start()
    var output = RecordWriter()
    var count = 0
    for root in roots {
      try Listing(root, store: options.store).visit { object in
        try output.write(object.record)
        count += 1
      }
    }
    let bytes = output.byteCount
    try output.finish()
    log.done(inBytes: 0, outBytes: bytes, rows: count)
    return .success
  }
}
