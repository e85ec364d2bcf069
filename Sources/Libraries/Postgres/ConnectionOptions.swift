public import Filter

/// Where to connect; what is left out comes from libpq's `PG*` variables, service and pass files.
public struct ConnectionOptions: Sendable {
  /// A database name, connection string or URI.
  public var dbname: String?
  public var host: String?
  public var port: String?
  public var username: String?

  public init() {}

  /// libpq's keywords and values.
  func parameters(applicationName: String) -> [(keyword: String, value: String)] {
    var list: [(String, String)] = []
    if let host { list.append(("host", host)) }
    if let port { list.append(("port", port)) }
    if let username { list.append(("user", username)) }
    // The string comes last, so that what it says wins, as in PostgreSQL's own clients.
    if let dbname { list.append(("dbname", dbname)) }
    list.append(("fallback_application_name", applicationName))
    return list
  }
}

/// The options of a tool that connects to a server.
public protocol ConnectionOptionsHolder {
  var connection: ConnectionOptions { get set }
}

extension Flag where Options: ConnectionOptionsHolder {
  /// `-d -h -p -U -w`, as in PostgreSQL's own clients.
  public static var connection: [Flag] {
    [
      .option("dbname", short: "d", "CONNSTR", "database name, connection string or URI") {
        $0.connection.dbname = $1
      },
      .option("host", short: "h", "HOST", "server host or socket directory") {
        $0.connection.host = $1
      },
      .option("port", short: "p", "PORT", "server port") { $0.connection.port = $1 },
      .option("username", short: "U", "NAME", "user to connect as") {
        $0.connection.username = $1
      },
      // A filter never prompts: its standard input carries data.
      .toggle("no-password", short: "w", "never prompt for a password (always so)") { _ in },
    ]
  }
}
