import Changes
import Filter
import Posix
import Postgres

/// Compares tables of two databases.
@main
enum CdcDiff: Tool {
  struct Options {
    var source = ConnectionOptions()
    var target = ConnectionOptions()
    var publication: String?
    var tables: [String] = []
    var maxRows = 1000
  }

  static let name = "cdc-diff"
  static let summary = "compares tables of two databases, down to the rows that differ"
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] {
    [.negative, .badInput, .unavailable, .temporary, .notPermitted, .configuration]
  }

  static var flags: [Flag<Options>] {
    [
      .option("source", "CONNINFO", "the database that is right") { $0.source.dbname = $1 },
      .option("target", "CONNINFO", "the one that should be like it") { $0.target.dbname = $1 },
      .option("publication", "NAME", "compare the tables of this publication of the source") {
        $0.publication = $1
      },
      .option("table", "NAME", "compare this one, written as in SQL; may be repeated") {
        $0.tables.append($1)
      },
      .option("max-rows", "N", "rows that are told of one by one; the rest is counted (1000)") {
        (options, text) throws(UsageError) in
        options.maxRows = try OptionValue.count(text, in: 0...1_000_000)
      },
    ]
  }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    if let extra = operands.first { throw UsageError("unexpected operand \"\(extra)\"") }
    guard options.source.dbname != nil, options.target.dbname != nil else {
      throw UsageError("two databases are compared: --source=CONNINFO and --target=CONNINFO")
    }
    guard options.publication != nil || !options.tables.isEmpty else {
      throw UsageError("no table was named: --table=NAME or --publication=NAME")
    }
    let comparison = try TableComparison(
      options.source, options.target, maxRows: options.maxRows, tool: name, to: .standardOutput)
    let published = try options.publication.map { try comparison.tables(of: $0) } ?? []
    return try comparison.run(options.tables + published) ? .success : ExitStatus(.negative)
  }
}
