internal import Posix
internal import Postgres

/// A statement that the target did not carry out.
struct Refusal: Error {
  /// What was to be done with which table: `insert into "public"."orders"`.
  let action: String
  /// The key of the row, where there was only one: `(id)=(7)`.
  let key: String?
  let error: PostgresError

  /// True where the same may succeed when it is tried again.
  var isConflictWithOthers: Bool { error.sqlState == "40001" || error.sqlState == "40P01" }

  var failure: Failure {
    Failure(
      error.exitCode, "\(action)\(key.map { ", key \($0)" } ?? ""): \(error.message)",
      detail: error.detail, hint: error.hint)
  }
}

/// A statement that the server is at work on.
struct Flight {
  let kind: PendingRun.Kind
  let table: String
  /// The key of its row, where there is only one.
  var key: String?
  var rows = 0
  /// The run whose rows go into it, where it is a COPY statement that is not yet ended.
  var copied: PendingRun?

  /// Runs what belongs to it, whose errors are then its own.
  func refusable<T>(_ body: () throws -> T) throws -> T {
    do { return try body() } catch let error as PostgresError {
      throw Refusal(action: "\(kind) in \(table)", key: key, error: error)
    }
  }
}
