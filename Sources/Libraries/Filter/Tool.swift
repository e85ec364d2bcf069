public import Posix

/// A command: its name, its options, and what it does.
///
/// `main()` is the only place in the suite that prints an error or ends the process.
public protocol Tool {
  associatedtype Options
  static var name: String { get }
  /// What it does, in one line that continues its name: `compresses a stream`.
  static var summary: String { get }
  /// What stands behind the name in the usage line, for example `[OPTION]... -- COMMAND...`.
  static var usage: String { get }
  static var flags: [Flag<Options>] { get }
  static var defaults: Options { get }
  /// True where everything from the first operand on is a command to run.
  static var runsCommand: Bool { get }
  /// The codes it may end with, for its man page; 0, 64, 70 and 74 need not be named.
  static var exitCodes: [ExitCode] { get }
  /// The status to end with after an error of that code, for a tool whose caller has a contract of
  /// its own; by default the code itself.
  static func status(ofFailure code: ExitCode) -> Int32
  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus
}

/// What a process ends with: one of our codes, or the code of a command that it ran.
public struct ExitStatus: Sendable {
  public let rawValue: Int32
  public static var success: ExitStatus { ExitStatus(.success) }
  public init(_ code: ExitCode) { rawValue = code.rawValue }
  public init(ofCommand status: Int32) { rawValue = status }
}

/// The version of the suite.
public let version = "0.1.0"

extension Tool {
  public static var usage: String { "[OPTION]..." }
  public static var runsCommand: Bool { false }
  public static func status(ofFailure code: ExitCode) -> Int32 { code.rawValue }

  /// The options every tool has besides its own.
  private static var commonFlags: [Flag<Options>] {
    [
      .toggle("version", short: "V", "print the version and exit") { _ in },
      .toggle("help", short: "?", "print this help and exit") { _ in },
    ]
  }

  /// The whole option table.
  public static var allFlags: [Flag<Options>] { flags + commonFlags }

  public static func main() {
    endProcess(start(Array(CommandLine.arguments.dropFirst())))
  }

  private static func start(_ arguments: [String]) -> Int32 {
    do {
      try StopSignal.install()
      var options = defaults
      if arguments == ["--generate=man"] { return try say(manText) }
      var parser = CommandLineParser(arguments, flags: allFlags)
      // Help is given even where the rest of the line is wrong.
      let parsed = Result {
        try parser.parse(into: &options, stopsAtOperand: runsCommand)
      }
      if parser.given.contains("help") { return try say(help) }
      if parser.given.contains("version") { return try say("\(name) (Sluice) \(version)\n") }
      let operands = try parsed.get()
      parser.ignoreVariables(of: ["help", "version"])
      try parser.applyEnvironment(to: &options, environment)
      return try run(options, operands).rawValue
    } catch {
      return status(ofFailure: ErrorReport(tool: name).end(with: error))
    }
  }

  private static func say(_ text: String) throws(SystemError) -> Int32 {
    try Descriptor.standardOutput.writeAll(text.utf8.span)
    return 0
  }
}
