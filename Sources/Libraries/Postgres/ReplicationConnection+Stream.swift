internal import CLibPQ
internal import Posix

/// A message's bytes, in memory that libpq owns.
@safe
struct StreamMessage: ~Copyable {
  private let start: UnsafeMutablePointer<CChar>
  private let count: Int

  fileprivate init(_ start: UnsafeMutablePointer<CChar>, count: Int) {
    unsafe self.start = start
    self.count = count
  }

  deinit { unsafe PQfreemem(start) }

  var span: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      let raw = unsafe UnsafeRawBufferPointer(start: start, count: count)
      return unsafe _overrideLifetime(Span<UInt8>(_unsafeBytes: raw), borrowing: self)
    }
  }
}

/// What a stream of either kind, of WAL or of changes, does with its connection.
extension ReplicationConnection {
  private var handle: OpaquePointer { unsafe connection.handle }

  var socket: Descriptor { unsafe Descriptor(rawValue: PQsocket(handle)) }

  /// Starts a stream; true once it runs, false where the server answered with rows, or nothing.
  ///
  /// From then on calls do not wait. The corresponding command is `START_REPLICATION`.
  borrowing func beginStream(
    _ sql: String, _ take: (consuming Rows) throws -> Void
  ) throws -> Bool {
    guard unsafe PQsendQuery(handle, sql) == 1 else {
      throw unsafe PostgresError(connection: handle)
    }
    var failure: PostgresError?
    while true {
      try connection.waitForInput { unsafe PQisBusy(handle) == 0 }
      guard let result = unsafe PQgetResult(handle) else { break }
      switch unsafe PQresultStatus(result) {
      case PGRES_COPY_BOTH:
        unsafe PQclear(result)
        guard unsafe PQsetnonblocking(handle, 1) == 0 else {
          throw unsafe PostgresError(connection: handle)
        }
        return true
      case PGRES_TUPLES_OK: try take(unsafe Rows(handle: result))
      case PGRES_COMMAND_OK: unsafe PQclear(result)
      default:
        if failure == nil { failure = unsafe PostgresError(result: result) }
        unsafe PQclear(result)
      }
    }
    if let failure { throw failure }
    return false
  }

  /// What one look brought.
  enum NextMessage: ~Copyable {
    case message(StreamMessage)
    /// All that has arrived was taken.
    case none
    /// The server ended the stream.
    case end
  }

  /// Takes the next message that has arrived, without waiting.
  ///
  /// The corresponding C function is `PQgetCopyData`.
  borrowing func nextMessage() throws -> NextMessage {
    // A feedback that did not fit into the socket's buffer goes on its way.
    guard unsafe PQflush(handle) >= 0 else { throw unsafe PostgresError(connection: handle) }
    for isSecondLook in [false, true] {
      var buffer: UnsafeMutablePointer<CChar>? = nil
      let length = Int(unsafe PQgetCopyData(handle, &buffer, 1))
      if length == -2 { throw unsafe PostgresError(connection: handle) }
      if length > 0, let start = unsafe buffer {
        return .message(unsafe StreamMessage(start, count: length))
      }
      if length < 0 { return .end }
      guard !isSecondLook else { break }
      guard unsafe PQconsumeInput(handle) == 1 else {
        throw unsafe PostgresError(connection: handle)
      }
    }
    return .none
  }

  /// The corresponding C function is `PQputCopyData`.
  borrowing func send(_ feedback: Feedback) throws {
    let message = feedback.bytes(now: Clock.now())
    let sent = unsafe message.withUnsafeBytes { bytes in
      unsafe PQputCopyData(
        handle, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count))
    }
    guard sent >= 0, unsafe PQflush(handle) >= 0 else {
      throw unsafe PostgresError(connection: handle)
    }
  }

  /// Tells the server that we want no more, without waiting for it to stop.
  ///
  /// The corresponding C function is `PQputCopyEnd`.
  borrowing func endCopy() throws {
    guard unsafe PQputCopyEnd(handle, nil) >= 0, unsafe PQflush(handle) >= 0 else {
      throw unsafe PostgresError(connection: handle)
    }
  }

  /// Takes what the server says at the end of a stream; throws what it complains about.
  ///
  /// `stop` is called where it waits for our end of it.
  borrowing func settleStream(
    stop: () throws -> Void, _ take: (consuming Rows) throws -> Void
  ) throws {
    var failure: PostgresError?
    while true {
      try connection.waitForInput { unsafe PQisBusy(handle) == 0 }
      guard let result = unsafe PQgetResult(handle) else { break }
      switch unsafe PQresultStatus(result) {
      case PGRES_COPY_IN, PGRES_COPY_BOTH:
        unsafe PQclear(result)
        try stop()
      case PGRES_TUPLES_OK: try take(unsafe Rows(handle: result))
      case PGRES_COMMAND_OK: unsafe PQclear(result)
      default:
        // All the same the connection may be good for another command.
        if failure == nil { failure = unsafe PostgresError(result: result) }
        unsafe PQclear(result)
      }
    }
    _ = unsafe PQsetnonblocking(handle, 0)
    if let failure { throw failure }
  }
}
