internal import Posix
internal import Postgres

/// What became of an action.
enum Outcome: String, Sendable {
  case done
  /// What it was to bring about was there already.
  case exists
  /// It is too early.
  case waiting
  /// It must not be done: what it was planned on is no longer so, or its proof is missing.
  case refused
  case failed
  /// Others had what it needs.
  case busy
  /// It would be done, were this not a rehearsal.
  case would
}

/// An outcome with its reason, thrown where an action ends early.
struct ActionResult: Error {
  let outcome: Outcome
  /// Nil where there is nothing to say.
  let detail: String?
  let code: ExitCode

  init(_ outcome: Outcome, _ detail: String? = nil) {
    (self.outcome, self.detail) = (outcome, detail)
    code =
      switch outcome {
      case .done, .exists, .waiting, .would: .success
      case .refused: .negative
      case .failed: .badInput
      case .busy: .temporary
      }
  }

  static func refused(_ detail: String) -> ActionResult { ActionResult(.refused, detail) }

  private init(failed code: ExitCode, _ detail: String) {
    (outcome, self.detail, self.code) = (.failed, detail, code)
  }

  /// What an error means for the action that met it.
  init(_ error: any Error) {
    switch error {
    case let result as ActionResult: self = result
    case let error as RowsDiffer: self.init(.refused, error.detail)
    case let error as StallError: self.init(.busy, error.description)
    case let error as PostgresError:
      let detail = error.message + (error.detail.map { ": \($0)" } ?? "")
      if error.isTransient {
        self.init(.busy, detail)
      } else if error.saysThatFactsChanged {
        self.init(.refused, detail)
      } else {
        self.init(failed: error.exitCode, detail)
      }
    case let error as any Diagnosable:
      self.init(
        failed: error.exitCode, error.message + (error.detail.map { ": \($0)" } ?? ""))
    default: self.init(failed: .bug, "\(error)")
    }
  }
}

/// Others would have had to wait for too long, so that what was begun was given up.
struct StallError: Error, CustomStringConvertible {
  var description: String { "it would have kept others waiting for longer than --lock-timeout" }
}

extension PostgresError {
  /// True where the same statement may succeed later: a lock, a deadlock, a serialization failure,
  /// or a statement that took longer than others may be kept waiting.
  var isTransient: Bool {
    ["55P03", "40001", "40P01", "55006", "57014"].contains(sqlState ?? "")
  }

  /// True where the server found that things are not as the plan had them: rows in the default
  /// partition, overlapping bounds, foreign keys, dependent objects, names that are taken or gone.
  fileprivate var saysThatFactsChanged: Bool {
    ["23503", "23514", "2BP01", "42P17", "42P07", "42P01", "55000", "3F000"]
      .contains(sqlState ?? "")
  }

  /// True where the session is gone.
  var endsSession: Bool {
    guard let sqlState else { return true }
    return sqlState.hasPrefix("08") || ["57P01", "57P02", "57P03", "57P05"].contains(sqlState)
  }
}

extension Error {
  /// True where it is worth another try.
  var isWorthAnotherTry: Bool {
    self is StallError || (self as? PostgresError)?.isTransient == true
  }
}
