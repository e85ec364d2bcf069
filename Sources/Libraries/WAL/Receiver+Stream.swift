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

  /// Receives until the end position, or until a stop signal, the server or an error ends it.
  ///
  /// `pause` is set back once WAL comes in.
  func receive(from stream: WALStream, _ pause: inout Int64) throws {
    guard let records else { return }
    let remote = try remote(stream)
    var intervals = StatusReporter.Intervals(server: try reportInterval(stream))
    if options.reportsStatus { intervals.records = max(options.statusMilliseconds, 100) }
    var (start, announcement) = try begin(stream, remote, records)
    var reporter = StatusReporter(stream, intervals)
    let queue = queue
    try reporter.start(CommitClock(directory: options.directory, size: size)) {
      progress, lastCommit in
      // That the reader is gone is seen by the thread that receives.
      try? queue.add(records.status(progress, lastCommit: lastCommit))
    }
    defer { reporter.end() }
    var writer = SegmentWriter(timeline: start.timeline, start: start.position, size: size)
    while true {
      let outcome: Outcome
      do { outcome = try pump(stream, &writer, records, &announcement, &pause) } catch {
        try leave(stream, &writer, after: error)
        throw error
      }
      try writer.close(in: directory)
      if outcome == .endPosition {
        try stream.stop()
        _ = try stream.finish()
        return
      }
      do { writer = try follow(stream, from: writer.timeline, writer.written, records) } catch let
        error as PostgresError where Self.isGone(error) && announcement != nil
      {
        start = try goOn(behind: start.lost(error.message), stream, remote, records)
        announcement = nil
        writer = SegmentWriter(timeline: start.timeline, start: start.position, size: size)
      }
    }
  }

  /// Takes all that has arrived, makes it durable, says so, waits for more.
  ///
  /// `announcement` is written, and gone, once the server has sent something: until then it may
  /// still say that it has not got what was asked for.
  private func pump(
    _ stream: WALStream, _ writer: inout SegmentWriter, _ records: ReceiverRecords,
    _ announcement: inout Record?, _ pause: inout Int64
  ) throws -> Outcome {
    var (confirmed, lastSync) = (LSN.invalid, Clock.monotonic())
    var hasWaited = false
    func announce(_ announcement: inout Record?) throws {
      if let record = announcement.take() { try queue.add(record) }
    }
    func settle(_ writer: inout SegmentWriter) throws {
      try writer.sync()
      try stream.confirm(written: writer.written, flushed: writer.flushed)
      (confirmed, lastSync) = (writer.flushed, Clock.monotonic())
      try queue.check()
      try waitForRoom()
    }
    while true {
      try StopSignal.check()
      let isFarBehind = stream.serverPosition - writer.written >= size.bytes
      let arrival = try stream.receive { position, bytes in
        try announce(&announcement)
        try writer.append(bytes, at: position, isFarBehind: isFarBehind, in: directory) {
          segment, directory in
          try queue.add(records.segment(segment, path: directory.path(of: segment.name)))
        }
      }
      switch arrival {
      case .data:
        pause = 100
        if let end = options.endPosition, writer.written > end {
          try settle(&writer)
          return .endPosition
        }
        if writer.written - writer.flushed >= Self.unsyncedBytes { try settle(&writer) }
      case .news:
        try announce(&announcement)
        if stream.wantsReply { try settle(&writer) }
      case .nothing:
        let mayWait = isFarBehind && Clock.monotonic() - lastSync < Self.catchUpNanoseconds
        if confirmed < writer.written, !mayWait { try settle(&writer) }
        // A server that has nothing to send says nothing.
        if hasWaited { try announce(&announcement) }
        hasWaited = try !stream.wait(milliseconds: confirmed < writer.written ? 50 : 1000)
      case .end:
        try writer.sync()
        // A server that is shut down does not listen any more; at a timeline's end it does.
        try? stream.confirm(written: writer.written, flushed: writer.flushed)
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
    try writer.close(in: directory)
    guard isStop else { return }
    // The server is told once more, and is gone perhaps; that is no failure of ours.
    try? stream.confirm(written: writer.written, flushed: writer.flushed)
    try? stream.stop()
  }

  /// The writer for the timeline that the server goes on with, once it sends that.
  private func follow(
    _ stream: WALStream, from timeline: UInt32, _ written: LSN, _ records: ReceiverRecords
  ) throws -> SegmentWriter {
    guard case .timeline(let next, let position) = try stream.finish() else {
      throw Failure(.unavailable, "the server ended the stream")
    }
    guard next > timeline, position <= written else {
      throw Failure(
        .badInput,
        "the server goes on with timeline \(next) at \(position), but sent timeline \(timeline) "
          + "up to \(written)")
    }
    let segment = Segment(timeline: next, holding: position, size: size)
    try fetchHistory(of: next, stream, records)
    try stream.start(slot: options.slot, timeline: next, from: segment.start)
    return SegmentWriter(timeline: next, start: segment.start, size: size)
  }

  /// Stops reading while the disk has less room than it is to keep; the server keeps the WAL.
  private func waitForRoom() throws {
    guard options.minFreeBytes > 0, try directory.freeBytes() < options.minFreeBytes else { return }
    message.warning(
      "receiving pauses: less than \(options.minFreeBytes) bytes are free in "
        + "\"\(options.directory)\"")
    while try directory.freeBytes() < options.minFreeBytes {
      try Clock.sleep(milliseconds: 500)
    }
    message.info("receiving goes on: there is room again")
  }

  /// Often enough for the user, and for a server that ends connections it hears nothing of.
  ///
  /// Milliseconds; nil when neither wants any.
  private func reportInterval(_ stream: WALStream) throws -> Int? {
    let timeout = Self.milliseconds(ofSetting: try stream.connection.setting("wal_sender_timeout"))
    let wanted = options.statusMilliseconds > 0 ? options.statusMilliseconds : nil
    guard let timeout, timeout > 0 else { return wanted }
    return min(wanted ?? .max, max(timeout / 4, 100))
  }

  /// `1min`, `30s`, `500ms`; nil for 0, which means never.
  private static func milliseconds(ofSetting text: String) -> Int? {
    let digits = text.prefix { ("0"..."9").contains($0) }
    let units = ["ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000]
    guard let number = Int(digits), let unit = units[String(text.dropFirst(digits.count))] else {
      return nil
    }
    return number * unit
  }
}
