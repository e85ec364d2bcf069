internal import Bytes
internal import Filter
internal import JSON
internal import Posix
internal import Postgres

/// Receiving, once it is known from where.
extension Receiver {
  /// More than this is never received without an fsync, however much comes.
  private static var unsyncedBytes: Int { 8 << 20 }
  /// While far behind, an fsync for each of many small arrivals would only hold up all that follow.
  private static var catchUpNanoseconds: Int64 { 200_000_000 }

  private enum Outcome { case endOfTimeline, endPosition }

  /// What a receiver remembers from one connection to the next.
  struct Attempt {
    /// Milliseconds to wait before the next connection.
    var pause: Int64 = 100
    /// False where the server has not got what is there any more, to compare it.
    var verifies = true
    /// True once it is remembered what was there, and the records of that were written.
    var hasEmitted = false
  }

  /// Ends a connection that is to be made again at once, whatever the options say of lost ones.
  enum Restart: Error {
    /// There is no room on the disk.
    case whenThereIsRoom
    /// Something was set aside, or cannot be compared.
    case now
  }

  /// Receives until the end position, or until a stop signal, the server or an error ends it.
  func receive(
    from stream: WALStream, _ records: ReceiverRecords, _ attempt: inout Attempt
  ) throws {
    try checkRoom()
    let remote = try remote(stream)
    // Milliseconds; 0 where the server waits for ever.
    let timeout =
      SettingValue.milliseconds(try stream.connection.setting("wal_sender_timeout")) ?? 0
    let silence = silenceLimit(timeout)
    var intervals = StatusReporter.Intervals(server: reportInterval(timeout))
    if options.reportsStatus { intervals.records = max(options.statusMilliseconds, 100) }
    guard var beginning = try begin(stream, remote, records, verifies: attempt.verifies) else {
      return try emit(&attempt, records)
    }
    var reporter = StatusReporter(stream, intervals)
    let queue = queue
    try reporter.start(CommitClock(directory: options.directory, size: size)) {
      progress, lastCommit in queue.offer(records.status(progress, lastCommit: lastCommit))
    }
    defer { reporter.end() }
    var timeline = beginning.timeline
    var writer = SegmentWriter(
      of: records.systemIdentifier, timeline: timeline, start: beginning.first, size: size,
      known: beginning.known)
    while true {
      let outcome: Outcome
      do {
        outcome = try pump(stream, &writer, records, &beginning, &attempt, silence)
      } catch let divergence as Divergence {
        try goOn(after: divergence, remote, records)
        throw Restart.now
      } catch {
        try leave(stream, &writer, after: error)
        throw error
      }
      try writer.close()
      if outcome == .endPosition {
        try stream.stop()
        _ = try stream.finish()
        return
      }
      do {
        writer = try follow(stream, from: timeline, writer.written, records)
        timeline = writer.timeline
      } catch let error as PostgresError
        where Self.isGone(error) && beginning.announcement != nil
      {
        if beginning.first < beginning.start.position {
          message.warning(
            "the server no longer has the WAL before \(beginning.start.position), so that it "
              + "cannot be compared with what was received")
          attempt.verifies = false
          throw Restart.now
        }
        beginning = try goOn(behind: beginning.start.lost(error), stream, remote, records)
        timeline = beginning.timeline
        writer = SegmentWriter(
          of: records.systemIdentifier, timeline: timeline, start: beginning.first, size: size)
      }
    }
  }

  /// Once the server, and what is there, are known to belong together: says so, and what is there.
  private func announce(
    _ beginning: inout Beginning, _ written: LSN, _ attempt: inout Attempt,
    _ records: ReceiverRecords
  ) throws {
    guard written >= beginning.start.position else { return }
    if let record = beginning.announcement.take() { try queue.add(record) }
    try emit(&attempt, records)
  }

  private func emit(_ attempt: inout Attempt, _ records: ReceiverRecords) throws {
    guard !attempt.hasEmitted else { return }
    attempt.hasEmitted = true
    let content = try directory.content(size)
    try directory.rememberNewest(content, of: records.systemIdentifier)
    if options.emitsExisting { try emitExisting(content, records) }
  }

  /// Takes all that has arrived, makes it durable, says so, waits for more.
  ///
  /// The announcement is written once the server has sent something: until then it may still say
  /// that it has not got what was asked for.
  private func pump(
    _ stream: WALStream, _ writer: inout SegmentWriter, _ records: ReceiverRecords,
    _ beginning: inout Beginning, _ attempt: inout Attempt, _ silence: SilenceLimit
  ) throws -> Outcome {
    var (confirmed, lastSync) = (LSN.invalid, Clock.monotonic())
    var (hasWaited, silence) = (false, silence)
    func settle(_ writer: inout SegmentWriter) throws {
      try writer.sync()
      try stream.confirm(written: writer.held, flushed: writer.flushed)
      (confirmed, lastSync) = (writer.flushed, Clock.monotonic())
      try queue.check()
      try checkRoom()
    }
    while true {
      try StopSignal.check()
      let isFarBehind = stream.serverPosition - writer.written >= size.bytes
      let arrival = try stream.receive { position, bytes in
        try announce(&beginning, writer.written, &attempt, records)
        try writer.append(bytes, at: position, isFarBehind: isFarBehind, in: directory) {
          segment, directory in
          try queue.add(records.segment(segment, path: directory.path(of: segment.name)))
        }
      }
      if arrival != .nothing { silence.isBroken() }
      switch arrival {
      case .data:
        (attempt.pause, attempt.verifies) = (100, true)
        if let end = options.endPosition, writer.written > end {
          try settle(&writer)
          return .endPosition
        }
        if writer.written - writer.flushed >= Self.unsyncedBytes { try settle(&writer) }
      case .news:
        try announce(&beginning, writer.written, &attempt, records)
        if stream.wantsReply { try settle(&writer) }
      case .nothing:
        let mayWait = isFarBehind && Clock.monotonic() - lastSync < Self.catchUpNanoseconds
        if confirmed < writer.written, !mayWait { try settle(&writer) }
        // A server that has nothing to send says nothing.
        if hasWaited { try announce(&beginning, writer.written, &attempt, records) }
        if try silence.wantsAnswer() { try stream.ask() }
        hasWaited = try !stream.wait(milliseconds: confirmed < writer.written ? 50 : 1000)
      case .end:
        try writer.sync()
        // A server that is shut down does not listen any more; at a timeline's end it does.
        try? stream.confirm(written: writer.held, flushed: writer.flushed)
        return .endOfTimeline
      }
    }
  }

  /// Keeps what has arrived; only a disk that failed is not written to any more.
  private func leave(
    _ stream: WALStream, _ writer: inout SegmentWriter, after error: any Error
  ) throws {
    let isStop = (error as? SystemError)?.isInterrupt ?? false
    guard isStop || !(error is SystemError) else { return }
    try writer.close()
    guard isStop else { return }
    // The server is told once more, and is gone perhaps; that is no failure of ours.
    try? stream.confirm(written: writer.held, flushed: writer.flushed)
    try? stream.stop()
  }

  /// The writer for the timeline that the server goes on with, once it sends that.
  private func follow(
    _ stream: WALStream, from timeline: UInt32, _ written: LSN, _ records: ReceiverRecords
  ) throws -> SegmentWriter {
    guard case .timeline(let next, let position) = try stream.finish() else {
      throw Failure(.unavailable, "the server ended the stream")
    }
    try check(next, position, from: timeline, written)
    let start = Segment(timeline: next, holding: position, size: size).start
    let place = try open(stream, (next, start), reserved: written, records)
    return SegmentWriter(
      of: records.systemIdentifier, timeline: place.timeline, start: place.first, size: size)
  }

  /// Throws when the disk has less room than it is to keep.
  ///
  /// The connection ends then, and the server keeps the WAL; one that is only not read from would
  /// hold up the server's shutdown.
  private func checkRoom() throws {
    guard try !hasRoom() else { return }
    throw Restart.whenThereIsRoom
  }

  private func hasRoom() throws -> Bool {
    try options.minFreeBytes == 0 || directory.freeBytes() >= options.minFreeBytes
  }

  /// Returns once there is room.
  func waitForRoom() throws {
    message.warning(
      "receiving pauses: less than \(options.minFreeBytes) bytes are free in "
        + "\"\(options.directory)\"")
    while try !hasRoom() { try Clock.sleep(milliseconds: 500) }
    message.info("receiving goes on: there is room again")
  }

  /// As patient with the server as it is with us.
  private func silenceLimit(_ senderTimeout: Int) -> SilenceLimit {
    SilenceLimit(milliseconds: senderTimeout > 0 ? senderTimeout : 60_000)
  }

  /// Often enough for the user, and for a server that ends connections it hears nothing of.
  ///
  /// Milliseconds; nil when neither wants any.
  private func reportInterval(_ senderTimeout: Int) -> Int? {
    let wanted = options.statusMilliseconds > 0 ? options.statusMilliseconds : nil
    guard senderTimeout > 0 else { return wanted }
    return min(wanted ?? .max, max(senderTimeout / 4, 100))
  }
}
