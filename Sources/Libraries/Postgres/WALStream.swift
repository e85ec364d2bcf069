internal import Bytes
internal import Filter
internal import Posix

/// The WAL of one timeline after the other as the server sends it, and what we tell it of ours.
///
/// A class, because a second thread keeps the server informed while the first waits for a disk.
/// Whatever touches the connection does so under the lock.
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
    var end: End?
    guard try connection.beginStream(sql, { rows in end = try Self.timeline(rows) }) else {
      guard let end else { throw PostgresError(message: "the server does not send WAL") }
      return end
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
    try connection.socket.waitReadable(milliseconds: milliseconds)
  }

  /// Takes the next message that has arrived, without waiting.
  ///
  /// `take` is given where the WAL begins and the WAL itself, valid during the call only.
  /// The corresponding C function is `PQgetCopyData`.
  public func receive(_ take: (LSN, Span<UInt8>) throws -> Void) throws -> Arrival {
    let message = try state.update { _ in try connection.nextMessage() }
    switch message {
    case .none: return .nothing
    case .end: return .end
    case .message(let bytes): return try decode(bytes.span, take)
    }
  }

  private func decode(
    _ message: Span<UInt8>, _ take: (LSN, Span<UInt8>) throws -> Void
  ) throws -> Arrival {
    switch try ReplicationMessage(message) {
    case .data(let start, let position):
      let bytes = message.extracting(droppingFirst: ReplicationMessage.dataHeaderBytes)
      state.update { state in
        state.serverPosition = max(state.serverPosition, position)
        state.received = start + bytes.count
        state.hasData = true
      }
      try take(start, bytes)
      return .data
    case .keepAlive(let position, let wantsReply):
      state.update { state in
        state.serverPosition = max(state.serverPosition, position)
        if wantsReply { state.wantsReply = true }
      }
      return .news
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
    // A slot goes back to what is confirmed. Before the server has sent anything, it may not have
    // what comes there any more, and the slot would be lost.
    let mayConfirm = state.hasData || state.flushed >= state.reserved
    try connection.send(
      Feedback(
        written: state.written, flushed: mayConfirm ? state.flushed : .invalid,
        wantsReply: wantsReply))
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
      try connection.endCopy()
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
    var end = End.shutdown
    try connection.settleStream(
      stop: { if !weStopped { try stop() } }, { rows in end = try Self.timeline(rows) })
    return end
  }

  private static func timeline(_ rows: consuming Rows) throws -> End {
    guard rows.count > 0, let timeline = UInt32(rows.text(0, 0)), let start = LSN(rows.text(0, 1))
    else { throw PostgresError(message: "the server names no timeline to go on with") }
    return .timeline(timeline, start)
  }
}
