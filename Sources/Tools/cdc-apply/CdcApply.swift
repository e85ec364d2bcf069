import Changes
import Filter
import Posix

/// Applies change events to a database, each transaction exactly once.
@main
enum CdcApply: Tool {
  struct Options {}

  static let name = "cdc-apply"
  static let summary = "applies change events to a database, each transaction exactly once"
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] { [.badInput] }
  static var flags: [Flag<Options>] { [] }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    throw Failure(.bug, "not there yet")
  }
}
