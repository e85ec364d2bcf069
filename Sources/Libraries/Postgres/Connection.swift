internal import Bytes
internal import CLibPQ
internal import Filter
internal import Glibc
internal import Posix

/// One session with a server; closed when it goes out of scope.
///
/// Every wait can be ended by a stop signal: the running statement is then cancelled.
@safe
public struct Connection: ~Copyable {
  let handle: OpaquePointer
  /// How long the server may say nothing when it was asked, in milliseconds; -1 is for ever.
  let answerMilliseconds: Int32

  /// Connects, and fixes the settings that would change how values look.
  ///
  /// The corresponding C functions are `PQconnectStartParams` and `PQconnectPoll`.
  public init(_ options: ConnectionOptions, applicationName: String) throws {
    let parameters = options.parameters(applicationName: applicationName)
    let made = unsafe Connection(adopting: try Self.connect(parameters, options.dbname))
    try made.execute(Self.settings)
    self = made
  }

  /// Connects to the server's process that sends WAL; it takes replication commands, not SQL.
  ///
  /// `toDatabase` is for one that decodes a database's changes: it takes SQL too, and has the
  /// settings that fix how values look.
  /// `answerMilliseconds` is how long it may say nothing when it was asked.
  init(
    replicationTo options: ConnectionOptions, toDatabase: Bool = false, applicationName: String,
    isNamed: Bool, answerMilliseconds: Int32
  ) throws {
    var parameters = options.parameters(applicationName: applicationName)
    parameters.append(("replication", toDatabase ? "database" : "true"))
    // Behind the connection string, so that it wins over what stands there.
    if isNamed { parameters.append(("application_name", applicationName)) }
    let made = unsafe Connection(
      adopting: try Self.connect(parameters, options.dbname),
      answerMilliseconds: answerMilliseconds)
    if toDatabase { try made.execute(Self.settings) }
    self = made
  }

  private init(adopting handle: OpaquePointer, answerMilliseconds: Int32 = -1) {
    unsafe self.handle = handle
    self.answerMilliseconds = answerMilliseconds
  }

  deinit { unsafe PQfinish(handle) }

  /// Values must look the same whatever the server, the database or the user are set to.
  ///
  /// `row_security = off` makes a policy that hides rows an error instead of a shorter archive.
  private static var settings: String {
    """
    SET client_encoding = 'UTF8'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres';
    SET TimeZone = 'UTC'; SET extra_float_digits = 1; SET bytea_output = 'hex';
    SET lc_monetary = 'C'; SET xmloption = 'content'; SET row_security = off;
    SET synchronize_seqscans = off; SET standard_conforming_strings = on;
    SET array_nulls = on; SET quote_all_identifiers = off;
    SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0
    """
  }

  private static func connect(
    _ parameters: [(keyword: String, value: String)], _ string: String?
  ) throws -> OpaquePointer {
    if let problem = unsafe clibpq_load() {
      throw unsafe PostgresError(message: "could not load libpq: \(String(cString: problem))")
    }
    guard let handle = unsafe begin(parameters) else {
      throw PostgresError(message: "out of memory")
    }
    do { try unsafe finishConnecting(handle) } catch {
      unsafe PQfinish(handle)  // deinit does not run for a value that was never made
      // libpq quotes what it cannot parse of a connection string, password and all.
      if let error = error as? PostgresError, Self.isOfSyntax(error.message, of: string ?? "") {
        throw UsageError("the connection string is malformed")
      }
      throw error
    }
    unsafe clibpq_silence_notices(handle)
    return unsafe handle
  }

  private static func isOfSyntax(_ message: String, of string: String) -> Bool {
    if string.utf8.contains(where: { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "=") }),
      message.holds(string)
    {
      return true
    }
    return [
      "invalid connection option \"", "invalid URI query parameter", "in connection info string",
      "in URI query parameter",
    ].contains { message.holds($0) }
  }

  /// Begins to connect, so that a stop signal can end it.
  ///
  /// libpq heeds `connect_timeout`, and goes on to the next host, in its blocking call only.
  private static func begin(_ parameters: [(keyword: String, value: String)]) -> OpaquePointer? {
    var keywords = unsafe parameters.map { unsafe UnsafePointer(strdup($0.keyword)) } + [nil]
    var values = unsafe parameters.map { unsafe UnsafePointer(strdup($0.value)) } + [nil]
    defer {
      for index in parameters.indices {
        unsafe free(UnsafeMutablePointer(mutating: keywords[index]))
        unsafe free(UnsafeMutablePointer(mutating: values[index]))
      }
    }
    let handle = unsafe PQconnectStartParams(&keywords, &values, 1)
    guard let started = unsafe handle, unsafe clibpq_has_connect_timeout(started) else {
      return unsafe handle
    }
    unsafe PQfinish(started)
    return unsafe PQconnectdbParams(&keywords, &values, 1)
  }

  private static func finishConnecting(_ handle: OpaquePointer) throws {
    while unsafe PQstatus(handle) != CONNECTION_OK {
      guard unsafe PQstatus(handle) != CONNECTION_BAD else {
        throw unsafe PostgresError(connection: handle)
      }
      let socket = unsafe Descriptor(rawValue: PQsocket(handle))
      switch unsafe PQconnectPoll(handle) {
      case PGRES_POLLING_OK: return
      case PGRES_POLLING_READING: _ = try socket.waitReadable(milliseconds: -1)
      case PGRES_POLLING_WRITING: _ = try socket.waitWritable(milliseconds: -1)
      default: throw unsafe PostgresError(connection: handle)
      }
    }
  }

  /// The version as a number: 150004 is 15.4.
  public var serverVersion: Int { Int(unsafe PQserverVersion(handle)) }

  /// False once the server is gone, or has ended the session.
  public var isOpen: Bool { unsafe PQstatus(handle) == CONNECTION_OK }

  /// The name of the database.
  public var database: String { unsafe String(cString: PQdb(handle)) }

  /// Runs statements without parameters, separated by semicolons; rows are thrown away.
  ///
  /// The corresponding C function is `PQsendQuery`.
  public borrowing func execute(_ sql: String) throws { _ = try run(sql) }

  /// Runs statements without parameters; the rows of the last one.
  borrowing func run(_ sql: String) throws -> Rows? {
    guard unsafe PQsendQuery(handle, sql) == 1 else {
      throw unsafe PostgresError(connection: handle)
    }
    return try finish()
  }

  /// Runs one statement and returns its rows, in text format; nil parameters are SQL nulls.
  ///
  /// The corresponding C function is `PQsendQueryParams`.
  public borrowing func query(_ sql: String, _ parameters: [String?] = []) throws -> Rows {
    var values = unsafe parameters.map { unsafe UnsafePointer($0.flatMap { unsafe strdup($0) }) }
    defer {
      for index in unsafe values.indices {
        unsafe free(UnsafeMutablePointer(mutating: values[index]))
      }
    }
    let sent = unsafe PQsendQueryParams(
      handle, sql, Int32(parameters.count), nil, &values, nil, nil, 0)
    guard sent == 1 else { throw unsafe PostgresError(connection: handle) }
    guard let rows = try finish() else { throw PostgresError(message: "no result") }
    return rows
  }

  /// Waits for all results of what was sent; the last one, or the first error.
  borrowing func finish() throws -> Rows? {
    var (last, failure): (OpaquePointer?, PostgresError?) = (nil, nil)
    while true {
      try waitForInput { unsafe PQisBusy(handle) == 0 }
      guard let result = unsafe PQgetResult(handle) else { break }
      if let last = unsafe last { unsafe PQclear(last) }
      unsafe last = result
      switch unsafe PQresultStatus(result) {
      case PGRES_TUPLES_OK, PGRES_COMMAND_OK: continue
      case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH: return unsafe Rows(handle: result)
      default: if failure == nil { failure = unsafe PostgresError(result: result) }
      }
    }
    guard let last = unsafe last else { throw unsafe PostgresError(connection: handle) }
    let rows = unsafe Rows(handle: last)
    if let failure { throw failure }
    return rows
  }

  /// Waits until `isReady`, taking in what arrives; a stop signal cancels the statement.
  borrowing func waitForInput(until isReady: () -> Bool) throws {
    while !isReady() {
      do {
        let socket = unsafe Descriptor(rawValue: PQsocket(handle))
        guard try socket.waitReadable(milliseconds: answerMilliseconds) else {
          throw PostgresError(
            message: "the server has not answered for \(answerMilliseconds / 1000) s")
        }
      } catch {
        // Where answers are due at once there is nothing to cancel, and nobody perhaps who listens.
        if answerMilliseconds < 0 { cancel() }
        throw error
      }
      guard unsafe PQconsumeInput(handle) == 1 else {
        throw unsafe PostgresError(connection: handle)
      }
    }
  }

  /// Asks the server to give up the running statement; without it, it would go on to the end.
  ///
  /// The corresponding C function is `PQcancel`.
  public borrowing func cancel() {
    guard let cancel = unsafe PQgetCancel(handle) else { return }
    var message = [CChar](repeating: 0, count: 256)
    _ = unsafe PQcancel(cancel, &message, Int32(message.count))
    unsafe PQfreeCancel(cancel)
  }
}
