import Changes
import Filter
import Posix

/// Turns a publication's messages into change events.
@main
enum CdcDecode: Tool {
  struct Options {}

  static let name = "cdc-decode"
  static let summary = "turns a publication's messages into change events"
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] { [.badInput] }
  static var flags: [Flag<Options>] { [] }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    throw Failure(.bug, "not there yet")
  }
}
