internal import Posix

/// A publication's changes as the server sends them, and what we confirm of them.
///
/// A class, because a second thread keeps the server informed while the first waits for a reader.
/// Whatever touches the connection does so under the lock.
public final class LogicalStream: @unchecked Sendable {
  /// What is asked for.
  public struct Request: Sendable {
    public var slot = ""
    public var publications: [String] = []
    /// 1 to 4.
    public var protocolVersion = 1
    /// `on` or `parallel`: changes of long transactions are sent before these end; nil: only then.
    public var streaming: String?
    public var includesMessages = false
    public var isTwoPhase = false
    /// `any` or `none`; nil leaves it to the server.
    public var origin: String?

    public init() {}

    func command(from start: LSN) -> String {
      let names = publications.map { Quoting.identifier($0) }.joined(separator: ",")
      var words = ["proto_version '\(protocolVersion)'"]
      words.append("publication_names \(Quoting.literal(names))")
      if let streaming { words.append("streaming '\(streaming)'") }
      if includesMessages { words.append("messages 'true'") }
      if isTwoPhase { words.append("two_phase 'true'") }
      if let origin { words.append("origin '\(origin)'") }
      return "START_REPLICATION SLOT \(Quoting.identifier(slot)) LOGICAL \(start) "
        + "(\(words.joined(separator: ", ")))"
    }
  }

  /// What one look at the connection brought.
  public enum Arrival: Sendable, Equatable {
    case data
    /// The server has sent all that is to be sent of what lies before the position.
    case news(LSN)
    /// All that has arrived was taken.
    case nothing
    /// The server ended the stream; `finish` says why.
    case end
  }

  private struct State {
    /// Behind all that was received or passed over.
    var received = LSN.invalid
    /// What is confirmed; never goes back.
    var flushed = LSN.invalid
    /// False: the server is told of what was received only.
    var confirms = true
    var wantsReply = false
    var isStreaming = false
    /// Of the monotonic clock, in nanoseconds.
    var lastFeedback: Int64 = 0
  }

  /// For commands, while no stream runs.
  public let connection: ReplicationConnection
  private let state = Monitor(State())

  public init(_ connection: consuming ReplicationConnection) { self.connection = connection }

  /// Starts it behind `start`, or, where the slot is further or `start` invalid, behind that.
  ///
  /// `confirmed` is what the server may be told from the beginning; invalid: nothing.
  /// The corresponding command is `START_REPLICATION`.
  public func start(_ request: Request, from start: LSN, confirmed: LSN) throws {
    guard try connection.beginStream(request.command(from: start), { _ in }) else {
      throw PostgresError(message: "the server does not send changes")
    }
    try state.update { state in
      state = State(received: start, flushed: confirmed, isStreaming: true)
      try sendFeedback(&state)
    }
  }

  /// Behind all that was received or passed over.
  public var received: LSN { state.read { $0.received } }

  /// True if the server asked for an answer and has had none.
  public var wantsReply: Bool { state.read { $0.wantsReply } }

  // MARK: - Receiving

  /// Waits until there is something to read; false after `milliseconds`.
  public func wait(milliseconds: Int32) throws -> Bool {
    try connection.socket.waitReadable(milliseconds: milliseconds)
  }

  /// Takes the next message that has arrived, without waiting.
  ///
  /// `take` is given the position of a message of data, and the message, the header of
  /// `ReplicationMessage` included, valid during the call only.
  public func receive(_ take: (LSN, Span<UInt8>) throws -> Void) throws -> Arrival {
    let next = try state.update { _ in try connection.nextMessage() }
    switch next {
    case .none: return .nothing
    case .end: return .end
    case .message(let message):
      switch try ReplicationMessage(message.span) {
      case .data(let start, let end):
        state.update { $0.received = max($0.received, start, end) }
        try take(start, message.span)
        return .data
      case .keepAlive(let end, let wantsReply):
        state.update { state in
          state.received = max(state.received, end)
          if wantsReply { state.wantsReply = true }
        }
        return .news(end)
      }
    }
  }

  // MARK: - Feedback

  /// Tells the server that all before `flushed` is durable where it was to go.
  public func confirm(_ flushed: LSN) throws {
    try state.update { state in
      state.flushed = max(state.flushed, flushed)
      try sendFeedback(&state)
    }
  }

  /// From now on the server is told nothing of what is confirmed.
  ///
  /// A server that is shut down waits until all that it sent is confirmed, but if nothing ever is,
  /// only until it was received.
  public func confirmNothing() { state.update { $0.confirms = false } }

  /// Tells the server what it was told last, and how far receiving is.
  public func answer() throws { try state.update { state in try sendFeedback(&state) } }

  /// The same, if that is `milliseconds` ago; for another thread.
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
    // Over again, nothing is said: what comes behind the end of a stream is an error.
    guard state.isStreaming else { return }
    try connection.send(
      Feedback(
        written: state.received, flushed: state.confirms ? state.flushed : .invalid,
        wantsReply: wantsReply))
    state.lastFeedback = Clock.monotonic()
    state.wantsReply = false
  }

  // MARK: - The end

  /// Settles the end of a stream that the server ended; throws what it complains about.
  public func finish() throws {
    state.update { $0.isStreaming = false }
    try connection.settleStream(stop: { try connection.endCopy() }, { _ in })
  }

  /// Tells the server a last time what is confirmed, and that we want no more, and waits for as
  /// long as `milliseconds` until it has seen that; stop signals do not cut it short.
  ///
  /// True if it has.
  public func stop(waiting milliseconds: Int) throws -> Bool {
    try state.update { state in
      try sendFeedback(&state)
      state.isStreaming = false
      try connection.endCopy()
    }
    let end = Clock.monotonic() + Int64(milliseconds) * 1_000_000
    while Clock.monotonic() < end {
      switch try receive({ _, _ in }) {
      case .end: return true
      case .nothing: _ = connection.socket.isReadable(within: 50)
      case .data, .news: continue
      }
    }
    return false
  }
}
