/// How a tool ends; the numbers are part of its interface (conventions, section 3).
public enum ExitCode: Int32, Sendable, Comparable, CaseIterable {
  case success = 0
  /// It ran well and the answer is no: a checksum differs, an object is missing.
  case negative = 1
  case usage = 64
  case badInput = 65
  /// Server or store out of reach.
  case unavailable = 69
  /// Ours: an error nobody classified.
  case bug = 70
  case io = 74
  /// Busy; the same command may succeed later.
  case temporary = 75
  case notPermitted = 77
  case configuration = 78

  public static func < (a: ExitCode, b: ExitCode) -> Bool { a.rawValue < b.rawValue }
}

/// An error that knows what to tell the user and how the process should end.
public protocol Diagnosable: Error {
  var exitCode: ExitCode { get }
  /// Lower case, no full stop, one line.
  var message: String { get }
  var detail: String? { get }
  /// A whole sentence on what to try.
  var hint: String? { get }
}

extension Diagnosable {
  public var detail: String? { nil }
  public var hint: String? { nil }
}

/// A failure with the context only its thrower has.
public struct Failure: Diagnosable {
  public let exitCode: ExitCode
  public let message: String
  public let detail: String?
  public let hint: String?

  public init(_ exitCode: ExitCode, _ message: String, detail: String? = nil, hint: String? = nil) {
    self.exitCode = exitCode
    self.message = message
    self.detail = detail
    self.hint = hint
  }
}

extension SystemError: Diagnosable {
  public var exitCode: ExitCode { isRefusal ? .notPermitted : .io }
  public var message: String { description }
}
