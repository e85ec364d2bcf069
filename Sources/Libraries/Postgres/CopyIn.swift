internal import CLibPQ
internal import Posix

/// `COPY … FROM STDIN`, with a connection that stays open to stop signals.
extension Connection {
  /// Begins a COPY statement; until `endCopy`, nothing but rows may be sent.
  ///
  /// `isBinary` must be what the statement says of the format.
  /// The corresponding C functions are `PQsendQuery` and `PQsetnonblocking`.
  public borrowing func beginCopy(_ sql: String, isBinary: Bool) throws {
    try execute(sql)
    guard unsafe PQsetnonblocking(handle, 1) == 0 else {
      throw unsafe PostgresError(connection: handle)
    }
    guard isBinary else { return }
    let head = CopyBinary.head
    _ = try sendCopyIn(head.span)
  }

  /// Sends rows in the statement's format and returns when all of it is with the kernel; true when the server
  /// had something to say meanwhile, which during a COPY is mostly that it failed.
  ///
  /// libpq would tell of that only at the end of the rows. It takes in what the server says, out
  /// of sight, when a write does not fit: hence the look before each, and pieces that mostly fit.
  /// The corresponding C functions are `PQputCopyData` and `PQflush`.
  borrowing func sendCopyIn(_ rows: Span<UInt8>) throws -> Bool {
    let socket = unsafe Descriptor(rawValue: PQsocket(handle))
    var hasSpoken = false
    var rest = rows
    while !rest.isEmpty {
      let piece = rest.extracting(first: 32 << 10)
      rest = rest.extracting(droppingFirst: piece.count)
      if try socket.waitReadable(milliseconds: 0) { hasSpoken = true }
      _ = try socket.waitWritable(milliseconds: -1)
      let sent = unsafe piece.withUnsafeBytes { bytes in
        unsafe PQputCopyData(
          handle, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count))
      }
      guard sent == 1 else { throw unsafe PostgresError(connection: handle) }
      try flush()
    }
    return hasSpoken
  }

  /// Ends the rows of the COPY statement, and waits for what the server says; the number of rows that it took.
  ///
  /// The corresponding C function is `PQputCopyEnd`.
  public borrowing func endCopy(isBinary: Bool) throws -> Int {
    defer { _ = unsafe PQsetnonblocking(handle, 0) }
    if isBinary {
      let tail = CopyBinary.tail
      _ = try sendCopyIn(tail.span)
    }
    try sendCopyEnd()
    return try collect()
  }

  /// Ends the rows, and does not wait for what the server says.
  private borrowing func sendCopyEnd() throws {
    while true {
      let ended = unsafe PQputCopyEnd(handle, nil)
      if ended == 1 { break }
      guard ended == 0 else { throw unsafe PostgresError(connection: handle) }
      try flush()
    }
    try flush()
  }

  private borrowing func flush() throws {
    while true {
      let left = unsafe PQflush(handle)
      if left == 0 { return }
      guard left == 1 else { throw unsafe PostgresError(connection: handle) }
      _ = try unsafe Descriptor(rawValue: PQsocket(handle)).waitWritable(milliseconds: -1)
    }
  }

  /// Commits, and waits for the answer whatever signals arrive: the outcome must be known.
  ///
  /// A stop signal that came before is heeded, so that nothing is committed after it.
  /// The corresponding C function is `PQexec`.
  public borrowing func commit() throws {
    try StopSignal.check()
    guard unsafe PQsendQuery(handle, "COMMIT") == 1 else {
      throw unsafe PostgresError(connection: handle)
    }
    var failure: PostgresError? = nil
    while let result = unsafe PQgetResult(handle) {
      let status = unsafe PQresultStatus(result)
      if status != PGRES_COMMAND_OK, failure == nil {
        failure = unsafe PostgresError(result: result)
      }
      unsafe PQclear(result)
    }
    guard let failure else { return }
    guard failure.sqlState == nil || failure.exitCode == .unavailable else { throw failure }
    throw PostgresError(
      message: failure.message, sqlState: failure.sqlState,
      detail: "The connection was lost during the commit, which may or may not have been done.")
  }
}
