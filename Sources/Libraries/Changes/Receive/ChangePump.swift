internal import Bytes
internal import Filter
internal import Posix
internal import Postgres

/// Takes what comes from one connection and hands it on.
struct ChangePump: ~Copyable {
  /// Frames are handed on in blocks of so many bytes, or when nothing more is there.
  private static var blockBytes: Int { 64 << 10 }
  /// Blocks that are not full go out this far apart: small transactions that follow each other closely
  /// would else wake everyone behind us once each, which takes longer than what is to be done about them.
  private static var pauseNanoseconds: Int64 { 2_000_000 }
  /// Meanwhile the connection is emptied so often: its buffer holds what is sent in about a millisecond.
  private static var lookMicroseconds: Int64 { 200 }

  private let stream: LogicalStream
  private let tracker: Monitor<DeliveryTracker>
  private let frames: OutgoingFrames
  private let options: ChangeReceiverOptions
  private let message: Message
  /// Whole frames that were not handed on yet.
  private var block = ByteBuffer(capacity: 68 << 10)
  /// Of the monotonic clock.
  private var handedOn: Int64 = 0
  /// True between a begin and an end, of transactions or parts of them.
  private var isInside = false
  private var hasWarned = false

  init(
    _ stream: LogicalStream, _ tracker: Monitor<DeliveryTracker>, _ frames: OutgoingFrames,
    _ options: ChangeReceiverOptions, _ message: Message
  ) {
    (self.stream, self.tracker, self.frames) = (stream, tracker, frames)
    (self.options, self.message) = (options, message)
  }

  /// Returns when all before the end position was handed on; whatever else ends it is thrown.
  mutating func run(
    _ confirmer: PositionConfirmer, _ silence: SilenceLimit, hasData: () -> Void
  ) throws {
    do { try receive(confirmer, silence, hasData) } catch {
      // It counts as received, and will not come again if it is acknowledged.
      try handOn()
      throw error
    }
    try handOn()
  }

  private mutating func receive(
    _ confirmer: PositionConfirmer, _ silence: SilenceLimit, _ hasData: () -> Void
  ) throws {
    var (silence, hasWaited) = (silence, false)
    while true {
      try StopSignal.check()
      try frames.check()
      try confirmer.check()
      var isAtEnd = false
      let arrival = try stream.receive { isAtEnd = try take($1, at: $0) }
      if arrival != .nothing { silence.isBroken() }
      switch arrival {
      case .data:
        hasData()
        if isAtEnd { return }
        if block.count >= Self.blockBytes { try handOn() }
      case .news(let position):
        tracker.update { $0.pass(position) }
        if let end = options.endPosition, position >= end, !isInside { return }
        if stream.wantsReply {
          try stream.answer()
          confirmer.hurry()
        }
        try checkLag()
      case .nothing:
        if isFollowing {
          try Clock.sleep(microseconds: Self.lookMicroseconds)
          continue
        }
        try handOn()
        try frames.checkReader()
        // A server that has nothing to send says nothing, unless it is asked.
        let isEndAwaited = hasWaited && options.endPosition != nil
        if try silence.wantsAnswer() || isEndAwaited { try stream.ask() }
        hasWaited = try !stream.wait(milliseconds: 1000)
      case .end:
        try stream.finish()
        throw Failure(.unavailable, "the server ended the stream")
      }
    }
  }

  /// Makes a frame of a message; true if the end position is reached, with it or before it.
  private mutating func take(_ bytes: Span<UInt8>, at start: LSN) throws -> Bool {
    let payload = bytes.extracting(droppingFirst: ReplicationMessage.dataHeaderBytes)
    let mark = try StreamMark(payload, isInside: isInside)
    if let end = options.endPosition, mark.isBeyond(end, at: start) { return true }
    append(bytes)
    guard mark != .other else { return false }
    tracker.update { $0.take(mark) }
    if options.acknowledgements == nil { stream.confirmNothing() }
    if let isInside = mark.isInsideAfter { self.isInside = isInside }
    guard let last = options.endPosition, let end = mark.end else { return false }
    return end >= last
  }

  /// As the wire has it: the letter, the length of itself and what follows, the message.
  private mutating func append(_ message: Span<UInt8>) {
    let length = UInt32(message.count + 4)
    block.append(UInt8(ascii: "d"))
    for shift in [24, 16, 8, 0] as [UInt32] {
      block.append(UInt8(truncatingIfNeeded: length >> shift))
    }
    block.append(message)
  }

  /// What is there came closely behind what was handed on last.
  private var isFollowing: Bool {
    !block.isEmpty && Clock.monotonic() - handedOn < Self.pauseNanoseconds
  }

  private mutating func handOn() throws {
    guard !block.isEmpty else { return }
    try frames.add([UInt8](copying: block.span))
    block.removeAll()
    handedOn = Clock.monotonic()
    try checkLag()
  }

  private mutating func checkLag() throws {
    guard let limit = options.maxLagBytes else { return }
    let lag = stream.received - tracker.read { $0.confirmed }
    guard lag > limit else {
      hasWarned = false
      return
    }
    let error = LagError(bytes: lag, limit: limit)
    if options.onLag == .stop { throw error }
    if !hasWarned { message.warning("\(error.message); the limit is \(limit)") }
    hasWarned = true
  }
}
