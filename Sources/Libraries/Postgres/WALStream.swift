internal import Bytes
internal import CLibPQ
internal import Filter
internal import Glibc
internal import Posix

/// The WAL of one timeline after the other as the server sends it, and what we tell it of ours.
///
/// A class, because a second thread keeps the server informed while the first waits for a disk.
/// Whatever touches the connection does so under the lock.
///
/// Messages, integers in network order:
///
///     w  start LSN (8)  server's end of WAL (8)  server's clock (8)  WAL…
///     k  server's end of WAL (8)  server's clock (8)  reply wanted (1)
///     r  written (8)  flushed (8)  applied (8)  our clock (8)  reply wanted (1)     from us
@safe
public final class WALStream: @unchecked Sendable {
  /// What one look at the connection brought.
  public enum Arrival: Sendable {
    case data, news
    /// All that has arrived was taken.
    case nothing
    /// The server ended the stream; `finish` says why.
    case end
  }

  /// How a stream ended.
  public enum End: Sendable, Equatable {
    /// The server goes on with another timeline, which branched off at the position.
    case timeline(UInt32, LSN)
    /// The server ended it, as it does when it is shut down.
    case shutdown
  }

  private struct State {
    var timeline: UInt32 = 0
    /// Behind the last byte that arrived.
    var received = LSN.invalid
    /// Received and handed to the file system.
    var written = LSN.invalid
    /// On our disk, whatever happens.
    var flushed = LSN.invalid
    /// Where the slot's WAL begins.
    var reserved = LSN.invalid
    /// True once the server has sent WAL since the stream began.
    var hasData = false
    /// The end of the server's WAL when it last spoke.
    var serverPosition = LSN.invalid
    var wantsReply = false
    var isStreaming = false
    /// Of the monotonic clock, in nanoseconds.
    var lastFeedback: Int64 = 0
  }

  /// For commands, while no stream runs.
  public let connection: ReplicationConnection
  private let state = Monitor(State())

  public init(_ connection: consuming ReplicationConnection) { self.connection = connection }

  private var handle: OpaquePointer { unsafe connection.connection.handle }

  /// Asks the server for `timeline` from `start` on, a segment's first byte.
  ///
  /// `reserved` is where the slot's WAL begins; nil without a slot, or where it reserves none.
  /// Returns nil once the stream runs, and the next timeline where the server left this one there.
  /// The corresponding command is `START_REPLICATION`.
  public func start(
    slot: String?, timeline: UInt32, from start: LSN, reserved: LSN?
  ) throws -> End? {
    var sql = "START_REPLICATION "
    if let slot { sql += "SLOT \(Quoting.identifier(slot)) " }
    sql += "PHYSICAL \(start) TIMELINE \(timeline)"
    guard unsafe PQsendQuery(handle, sql) == 1 else {
      throw unsafe PostgresError(connection: handle)
    }
    if let end = try answer() { return end }
    guard unsafe PQsetnonblocking(handle, 1) == 0 else {
      throw unsafe PostgresError(connection: handle)
    }
    state.update { state in
      (state.timeline, state.received) = (timeline, start)
      (state.written, state.flushed) = (start, .invalid)
      (state.reserved, state.hasData) = (reserved ?? .invalid, false)
      (state.isStreaming, state.wantsReply) = (true, false)
      state.lastFeedback = Clock.monotonic()
    }
    return nil
  }

  /// Nil when the stream begins.
  private func answer() throws -> End? {
    var (end, failure) = (End?.none, PostgresError?.none)
    while true {
      try connection.connection.waitForInput { unsafe PQisBusy(handle) == 0 }
      guard let result = unsafe PQgetResult(handle) else { break }
      switch unsafe PQresultStatus(result) {
      case PGRES_COPY_BOTH:
        unsafe PQclear(result)
        return nil
      case PGRES_TUPLES_OK: end = try Self.timeline(unsafe Rows(handle: result))
      case PGRES_COMMAND_OK: unsafe PQclear(result)
      default:
        if failure == nil { failure = unsafe PostgresError(result: result) }
        unsafe PQclear(result)
      }
    }
    if let failure { throw failure }
    guard let end else { throw PostgresError(message: "the server does not send WAL") }
    return end
  }

  /// The end of the server's WAL when it last spoke.
  public var serverPosition: LSN { state.read { $0.serverPosition } }

  /// How far receiving is.
  public struct Progress: Sendable {
    public let timeline: UInt32
    /// Behind the last byte that arrived.
    public let received: LSN
    /// Behind the last byte that is on our disk, whatever happens; invalid before the first.
    public let flushed: LSN
    /// The end of the server's WAL when it last spoke.
    public let server: LSN
  }

  public var progress: Progress {
    state.read { state in
      Progress(
        timeline: state.timeline, received: state.received, flushed: state.flushed,
        server: state.serverPosition)
    }
  }

  /// True if the server asked for an answer and has had none.
  public var wantsReply: Bool { state.read { $0.wantsReply } }

  // MARK: - Receiving

  /// Waits until there is something to read; false after `milliseconds`.
  public func wait(milliseconds: Int32) throws -> Bool {
    try Descriptor(rawValue: unsafe PQsocket(handle)).waitReadable(milliseconds: milliseconds)
  }

  /// Takes the next message that has arrived, without waiting.
  ///
  /// `take` is given where the WAL begins and the WAL itself, valid during the call only.
  /// The corresponding C function is `PQgetCopyData`.
  public func receive(_ take: (LSN, Span<UInt8>) throws -> Void) throws -> Arrival {
    var buffer: UnsafeMutablePointer<CChar>? = nil
    let length = try state.update { _ in try unsafe nextMessage(&buffer) }
    if length == 0 { return .nothing }
    guard length > 0, let start = unsafe buffer else { return .end }
    defer { unsafe PQfreemem(start) }
    let raw = unsafe UnsafeRawBufferPointer(start: start, count: length)
    return try decode(unsafe Span<UInt8>(_unsafeBytes: raw), take)
  }

  private func nextMessage(_ buffer: inout UnsafeMutablePointer<CChar>?) throws -> Int {
    // A feedback that did not fit into the socket's buffer goes on its way.
    guard unsafe PQflush(handle) >= 0 else { throw unsafe PostgresError(connection: handle) }
    for isSecondLook in [false, true] {
      let length = Int(unsafe PQgetCopyData(handle, &buffer, 1))
      if length == -2 { throw unsafe PostgresError(connection: handle) }
      if length != 0 || isSecondLook { return length }
      guard unsafe PQconsumeInput(handle) == 1 else {
        throw unsafe PostgresError(connection: handle)
      }
    }
    return 0
  }

  private func decode(
    _ message: Span<UInt8>, _ take: (LSN, Span<UInt8>) throws -> Void
  ) throws -> Arrival {
    switch (message[0], message.count) {
    case (UInt8(ascii: "w"), 25...):
      let position = LSN(rawValue: message.bigEndian(UInt64.self, at: 9))
      let start = LSN(rawValue: message.bigEndian(UInt64.self, at: 1))
      let bytes = message.extracting(droppingFirst: 25)
      state.update { state in
        state.serverPosition = max(state.serverPosition, position)
        state.received = start + bytes.count
        state.hasData = true
      }
      try take(start, bytes)
      return .data
    case (UInt8(ascii: "k"), 18...):
      let position = LSN(rawValue: message.bigEndian(UInt64.self, at: 1))
      state.update { state in
        state.serverPosition = max(state.serverPosition, position)
        if message[17] == 1 { state.wantsReply = true }
      }
      return .news
    default:
      throw Failure(
        .badInput, "the server sent a message that is none of a replication stream",
        detail: "its first byte is \(message[0]), its length \(message.count)")
    }
  }

  // MARK: - Feedback

  /// Tells the server at once how far we are.
  public func confirm(written: LSN, flushed: LSN) throws {
    try state.update { state in
      (state.written, state.flushed) = (written, flushed)
      try sendFeedback(&state)
    }
  }

  /// Tells the server what it was told last, if that is `milliseconds` ago; for another thread.
  ///
  /// Errors are left to the thread that reads.
  public func keepAlive(after milliseconds: Int) {
    state.update { state in
      let age = Clock.monotonic() - state.lastFeedback
      guard state.isStreaming, age >= Int64(milliseconds) * 1_000_000 else { return }
      try? sendFeedback(&state)
    }
  }

  /// Tells the server what it was told last, and wants an answer.
  public func ask() throws {
    try state.update { state in try sendFeedback(&state, wantsReply: true) }
  }

  private func sendFeedback(_ state: inout State, wantsReply: Bool = false) throws {
    var message: [UInt8] = [UInt8(ascii: "r")]
    // A slot goes back to what is confirmed. Before the server has sent anything, it may not have
    // what comes there any more, and the slot would be lost.
    let mayConfirm = state.hasData || state.flushed >= state.reserved
    let flushed = mayConfirm ? state.flushed : .invalid
    // Nothing is applied here. The server's clock counts from 2000.
    let clock = UInt64(bitPattern: Clock.now() - 946_684_800_000_000)
    for value in [state.written.rawValue, flushed.rawValue, 0, clock] {
      unsafe withUnsafeBytes(of: value.bigEndian) { unsafe message.append(contentsOf: $0) }
    }
    message.append(wantsReply ? 1 : 0)
    let sent = unsafe message.withUnsafeBytes { bytes in
      unsafe PQputCopyData(
        handle, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count))
    }
    guard sent >= 0, unsafe PQflush(handle) >= 0 else {
      throw unsafe PostgresError(connection: handle)
    }
    state.lastFeedback = Clock.monotonic()
    state.wantsReply = false
  }

  // MARK: - The end

  /// Tells the server that we want no more, without waiting for it to stop.
  ///
  /// The corresponding C function is `PQputCopyEnd`.
  public func stop() throws {
    try state.update { state in
      state.isStreaming = false
      guard unsafe PQputCopyEnd(handle, nil) >= 0, unsafe PQflush(handle) >= 0 else {
        throw unsafe PostgresError(connection: handle)
      }
    }
  }

  /// Settles the end of the stream, ours or the server's; throws what the server complains about.
  public func finish() throws -> End {
    let weStopped = state.update { state in
      defer { state.isStreaming = false }
      return !state.isStreaming
    }
    if weStopped {
      while try receive({ _, _ in }) != .end { _ = try wait(milliseconds: 1000) }
    }
    var (end, failure) = (End.shutdown, PostgresError?.none)
    while true {
      try connection.connection.waitForInput { unsafe PQisBusy(handle) == 0 }
      guard let result = unsafe PQgetResult(handle) else {
        _ = unsafe PQsetnonblocking(handle, 0)
        if let failure { throw failure }
        return end
      }
      switch unsafe PQresultStatus(result) {
      case PGRES_COPY_IN, PGRES_COPY_BOTH:
        unsafe PQclear(result)
        if !weStopped { try stop() }
      case PGRES_TUPLES_OK: end = try Self.timeline(unsafe Rows(handle: result))
      case PGRES_COMMAND_OK: unsafe PQclear(result)
      default:
        // All the same the connection may be good for another command.
        if failure == nil { failure = unsafe PostgresError(result: result) }
        unsafe PQclear(result)
      }
    }
  }

  private static func timeline(_ rows: consuming Rows) throws -> End {
    guard rows.count > 0, let timeline = UInt32(rows.text(0, 0)), let start = LSN(rows.text(0, 1))
    else { throw PostgresError(message: "the server names no timeline to go on with") }
    return .timeline(timeline, start)
  }
}
