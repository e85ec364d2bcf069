public import Posix

/// The command line asked for something the tool does not have.
public struct UsageError: Diagnosable, Equatable {
  public let message: String
  public var exitCode: ExitCode { .usage }
  public init(_ message: String) { self.message = message }
}

/// One option of a tool: how it is spelled, what it says about itself, what it sets.
///
/// Parser, `--help`, man page and environment variables all come from this table.
public struct Flag<Options> {
  /// Throws `UsageError`; a closure literal would otherwise have to spell that out each time.
  public typealias Setter = (inout Options, String) throws -> Void
  public let long: String
  /// Nil where PostgreSQL's clients have no such letter.
  public let short: Character?
  /// The placeholder of the value, for example `LSN`; nil for a switch.
  public let value: String?
  public let help: String
  /// True where the value can also be given alone, behind one dash: `-19`.
  public private(set) var isNumber = false
  let set: Setter

  /// A switch, off unless given.
  public static func toggle(
    _ long: String, short: Character? = nil, _ help: String,
    _ set: @escaping (inout Options) -> Void
  ) -> Flag {
    Flag(long: long, short: short, value: nil, help: help) {
      options, _ in set(&options)
    }
  }

  /// An option with a value.
  public static func option(
    _ long: String, short: Character? = nil, _ value: String, _ help: String,
    _ set: @escaping Setter
  ) -> Flag {
    Flag(
      long: long, short: short, value: value, help: help, set: set)
  }

  /// An option whose value is a number, which `-NUMBER` gives too, as in `gzip -9`.
  public static func number(
    _ long: String, _ value: String, _ help: String, _ set: @escaping Setter
  ) -> Flag {
    var flag = Flag(long: long, short: nil, value: value, help: help, set: set)
    flag.isNumber = true
    return flag
  }

  /// How its short form is shown, without the dash; nil when it has none.
  var shortForm: String? { isNumber ? value : short.map { String($0) } }

  /// The variable that gives it when the command line does not: `part-size` is `SLUICE_PART_SIZE`.
  public var variable: String {
    "SLUICE_" + String(long.map { $0 == "-" ? "_" : Character($0.uppercased()) })
  }
}

/// Reads a command line by a table of flags.
///
/// Understands `--name=value`, `--name value`, `-n value`, `-nvalue`, bundled switches, `-19` where
/// a flag is a number, and `--`.
public struct CommandLineParser<Options> {
  private let flags: [Flag<Options>]
  private var rest: ArraySlice<String>
  /// The names of the flags that were given.
  public private(set) var given: [String] = []

  public init(_ arguments: [String], flags: [Flag<Options>]) {
    self.flags = flags
    rest = arguments[...]
  }

  /// Applies all arguments to `options` and returns the operands.
  ///
  /// With `stopsAtOperand` everything from the first operand on is an operand, as a tool wants
  /// that runs a command.
  public mutating func parse(
    into options: inout Options, stopsAtOperand: Bool = false
  ) throws -> [String] {
    var operands: [String] = []
    while let word = rest.popFirst() {
      if word == "--" { return operands + rest }
      if word.hasPrefix("--") {
        try applyLong(word.dropFirst(2), &options)
      } else if word.hasPrefix("-"), word != "-" {
        try applyShort(word.dropFirst(), &options)
      } else {
        operands.append(word)
        if stopsAtOperand { return operands + rest }
      }
    }
    return operands
  }

  private mutating func applyLong(
    _ word: Substring, _ options: inout Options
  ) throws {
    let equals = word.firstIndex(of: "=")
    let name = word[..<(equals ?? word.endIndex)]
    guard let flag = flags.first(where: { $0.long == name }) else {
      throw UsageError("unrecognized option \"--\(name)\"")
    }
    let inline = equals.map { String(word[word.index(after: $0)...]) }
    try apply(flag, inline: inline, &options)
  }

  private mutating func applyShort(
    _ letters: Substring, _ options: inout Options
  ) throws {
    var letters = letters
    while let letter = letters.first {
      let digits = letters.prefix { ("0"..."9").contains($0) }
      if !digits.isEmpty, let flag = flags.first(where: \.isNumber) {
        letters = letters[digits.endIndex...]
        try apply(flag, inline: String(digits), &options)
        continue
      }
      letters.removeFirst()
      guard let flag = flags.first(where: { $0.short == letter }) else {
        throw UsageError("unrecognized option \"-\(letter)\"")
      }
      if flag.value != nil, !letters.isEmpty {
        return try apply(flag, inline: String(letters), &options)
      }
      try apply(flag, inline: nil, &options)
    }
  }

  private mutating func apply(
    _ flag: Flag<Options>, inline: String?, _ options: inout Options
  ) throws {
    given.append(flag.long)
    switch (flag.value, inline) {
    case (nil, nil): try set(flag, "", &options)
    case (nil, _?): throw UsageError("option \"--\(flag.long)\" takes no value")
    case (_?, let value?): try set(flag, value, &options)
    case (_?, nil):
      guard let value = rest.popFirst() else {
        throw UsageError("option \"--\(flag.long)\" needs a value")
      }
      try set(flag, value, &options)
    }
  }

  private func set(
    _ flag: Flag<Options>, _ value: String, _ options: inout Options
  ) throws {
    do { try flag.set(&options, value) } catch {
      throw Self.explained(error, "option \"--\(flag.long)\"")
    }
  }

  /// A value that is wrong is wrong usage; what is the matter with a file that it names is not.
  private static func explained(_ error: any Error, _ place: String) -> any Error {
    if error is Failure || error is SystemError { return error }
    return UsageError("\(place): \((error as? any Diagnosable)?.message ?? "\(error)")")
  }

  /// Leaves the variables of these flags alone.
  mutating func ignoreVariables(of names: [String]) { given += names }

  /// Applies the variables of flags that the command line does not give.
  ///
  /// A switch is on for `1`, `true`, `yes`, `on`.
  public func applyEnvironment(
    to options: inout Options, _ variable: (String) -> String?
  ) throws {
    for flag in flags where !given.contains(flag.long) {
      guard let value = variable(flag.variable), !value.isEmpty else { continue }
      if flag.value == nil, !["1", "true", "yes", "on"].contains(value.lowercased()) { continue }
      do { try flag.set(&options, value) } catch {
        throw Self.explained(error, "variable \(flag.variable)")
      }
    }
  }
}
