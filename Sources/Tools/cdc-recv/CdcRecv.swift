import Changes
import Filter
import Posix

/// Receives a publication's changes as the server sends them.
@main
enum CdcRecv: Tool {
  struct Options {}

  static let name = "cdc-recv"
  static let summary = "receives a publication's changes as the server sends them"
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] { [.badInput] }
  static var flags: [Flag<Options>] { [] }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    throw Failure(.bug, "not there yet")
  }
}
