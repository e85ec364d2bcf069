import Filter
import ObjectStore
import Posix
import WAL

/// Looks whether a server could replay an archive of WAL, or what a receiver left in a folder.
@main
enum Walcheck: Tool {
  static let name = "walcheck"
  static let summary = "finds what is missing or damaged in an archive of WAL"
  static var usage: String { "[OPTION]... [DIRECTORY]" }
  static var defaults: ArchiveCheck.Options { ArchiveCheck.Options() }
  static var exitCodes: [ExitCode] {
    [.negative, .badInput, .unavailable, .notPermitted, .configuration]
  }

  static var flags: [Flag<ArchiveCheck.Options>] {
    [
      .toggle("deep", "also read the segments and look at every page and record") {
        $0.isDeep = true
      },
      .option("keep", "WHICH", "verdicts to print: all, ok or failing; default all") {
        $0.choice = try OptionValue.word($1, VerdictChoice.self)
      },
      .option("known-gaps", "FILE", "gap records; these gaps are no findings") {
        $0.knownGaps = $1
      },
      .option("system-identifier", "ID", "what is another system's is a finding") {
        guard UInt64($1) != nil else { throw UsageError("\"\($1)\" is not a number") }
        $0.systemIdentifier = $1
      },
      .option("segment-size", "SIZE", "of the segments, where they do not tell it") {
        let bytes = try OptionValue.size($1, in: 1 << 20...1 << 30)
        guard let size = SegmentSize(bytes: bytes) else {
          throw UsageError("\"\($1)\" is not a power of two")
        }
        $0.segmentSize = size
      },
      .option("decrypt", "COMMAND", "what objects go through before decompression") {
        $0.decrypt = $1
      },
      .option("jobs", short: "j", "N", "segments read at once, with --deep (2)") {
        $0.jobs = try OptionValue.count($1, in: 1...64)
      },
    ] + S3Options.flags(\.store)
  }

  static func run(_ options: ArchiveCheck.Options, _ operands: [String]) throws -> ExitStatus {
    guard operands.count <= 1 else { throw UsageError("unexpected operand \"\(operands[1])\"") }
    var check = try ArchiveCheck(options)
    if let directory = operands.first {
      try check.take(directory: directory)
    } else {
      var reader = RecordReader(from: .standardInput)
      while let record = try reader.next() { try check.take(record) }
    }
    return ExitStatus(try check.finish())
  }
}
