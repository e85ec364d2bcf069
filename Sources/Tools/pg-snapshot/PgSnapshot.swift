import Filter
import Posix
import Postgres

/// Holds one exported snapshot while a command runs.
@main
enum PgSnapshot: Tool {
  struct Options: ConnectionOptionsHolder {
    var connection = ConnectionOptions()
  }

  static let name = "pg-snapshot"
  static let summary = "runs a command while it holds an exported snapshot"
  static let usage = "[OPTION]... -- COMMAND [ARGUMENT]..."
  static let runsCommand = true
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] { [.unavailable, .temporary, .notPermitted] }
  static var flags: [Flag<Options>] { Flag.connection }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    guard !operands.isEmpty else { throw UsageError("no command was given") }
    let connection = try Connection(options.connection, applicationName: name)
    try connection.beginReading(at: nil)
    let snapshot = try connection.exportSnapshot()
    let child = try ChildProcess(operands, variable: "SLUICE_SNAPSHOT=\(snapshot.id)")
    let status = try child.wait()
    try warnIfLost(connection)
    return ExitStatus(ofCommand: status)
  }

  /// A command that found the snapshot gone has failed by itself; others may not have noticed.
  ///
  /// A signal that was passed on may end the COMMIT too, by which time nobody needs it.
  private static func warnIfLost(_ connection: borrowing Connection) throws {
    do { try connection.execute("COMMIT") } catch let error as any Diagnosable
      where !connection.isOpen
    {
      Message(tool: name).warning(
        "the connection that held the snapshot was lost: \(error.message)")
    } catch {}
  }
}
