internal import Bytes
internal import CLibPQ
public import Posix

/// What the server, or libpq on its behalf, complained about.
public struct PostgresError: Diagnosable {
  public let message: String
  /// The five-character SQLSTATE; nil when the failure was on our side of the wire.
  public let sqlState: String?
  public let detail: String?
  public let hint: String?
  /// Where in its work the server was, for example `COPY orders, line 17, column id: "x"`.
  public let context: String?

  init(
    message: String, sqlState: String? = nil, detail: String? = nil, hint: String? = nil,
    context: String? = nil
  ) {
    (self.message, self.sqlState, self.detail, self.hint) = (message, sqlState, detail, hint)
    self.context = context
  }

  /// What to end with where a command about a slot failed: that it is missing, there already, or one
  /// for logical decoding is a matter of how things were set up.
  public var aboutSlot: any Diagnosable {
    guard ["42704", "42710", "0A000"].contains(sqlState) else { return self }
    return Failure(.configuration, message, detail: detail, hint: hint)
  }

  public var exitCode: ExitCode {
    guard let sqlState else { return Self.exitCode(ofConnectionError: message) }
    return Self.exitCode(ofState: sqlState)
  }

  private static func exitCode(ofState state: String) -> ExitCode {
    switch state {
    case "40001", "40P01", "55P03", "57014", "53300", "55006", "57P03": return .temporary
    case "57P01", "57P02", "57P04", "57P05": return .unavailable
    case "42501": return .notPermitted
    case "3D000", "55000", "58P01", "25006": return .configuration
    default: break
    }
    switch state.prefix(2) {
    case "08": return .unavailable
    case "28": return .notPermitted
    case "53", "54", "58": return .io
    case "0A", "21", "22", "23", "2B", "42", "44", "P0", "25", "3F": return .badInput
    default: return .bug
    }
  }

  /// A connection that is refused carries no SQLSTATE in libpq, only the server's words.
  private static func exitCode(ofConnectionError message: String) -> ExitCode {
    let has = { (words: String) in message.holds(words) }
    if has("authentication failed") || has("pg_hba.conf") || has("no password supplied")
      || has("permission denied for database") || has("is not permitted to log in")
      || (has("role \"") && has("does not exist"))
      || has("must be superuser or replication role")
      || has("permission denied to start WAL sender")
    {
      return .notPermitted
    }
    if has("database \""), has("does not exist") { return .configuration }
    // With wal_level=minimal there can be no other number.
    if has("number of requested standby connections"), has("(currently 0)") {
      return .configuration
    }
    if has("too many clients") || has("too many connections for ")
      || has("number of requested standby connections")
      || has("remaining connection slots") || has("is starting up")
    {
      return .temporary
    }
    return .unavailable
  }
}

extension PostgresError {
  /// What libpq says of the connection: the first line is the message, the rest its detail.
  init(connection: OpaquePointer) {
    let text = unsafe String(cString: PQerrorMessage(connection))
    let lines = text.split(separator: "\n", maxSplits: 1).map(String.init)
    let detail = lines.count > 1 ? lines[1].split(separator: "\n").joined(separator: " ") : nil
    self.init(message: lines.first ?? "connection failed", detail: detail)
  }

  init(result: OpaquePointer) {
    func field(_ code: Int) -> String? {
      unsafe PQresultErrorField(result, Int32(code)).map { unsafe String(cString: $0) }
    }
    let context = field(CLIBPQ_DIAG_CONTEXT)
    self.init(
      message: field(CLIBPQ_DIAG_MESSAGE) ?? "unknown error",
      sqlState: field(CLIBPQ_DIAG_SQLSTATE),
      detail: field(CLIBPQ_DIAG_DETAIL) ?? context,
      hint: field(CLIBPQ_DIAG_HINT), context: context)
  }
}
