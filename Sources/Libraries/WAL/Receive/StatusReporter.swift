internal import Posix
internal import Postgres

/// Keeps the server, and whoever reads the records, informed while the receiving thread may be
/// waiting for its disk.
struct StatusReporter: ~Copyable {
  /// How often each of the two is told, in milliseconds; nil is never.
  struct Intervals: Sendable {
    var server: Int?
    var records: Int?
  }

  private let stream: WALStream
  private let intervals: Intervals
  private let isOver = Monitor(false)
  private var threads = ThreadGroup()

  init(_ stream: WALStream, _ intervals: Intervals) {
    (self.stream, self.intervals) = (stream, intervals)
  }

  /// Starts the thread; `report` is called on it for each record.
  mutating func start(
    _ clock: CommitClock, _ report: @escaping @Sendable (WALStream.Progress, Int64?) -> Void
  ) throws {
    let wanted = [intervals.server, intervals.records].compactMap { $0 }
    guard let shortest = wanted.min() else { return }
    let (stream, intervals, isOver) = (stream, intervals, isOver)
    try threads.start {
      var clock = clock
      var nextRecord = Clock.monotonic()
      while !Self.wait(shortest, isOver) {
        if let interval = intervals.server { stream.keepAlive(after: interval) }
        guard let interval = intervals.records, Clock.monotonic() >= nextRecord else { continue }
        nextRecord = Clock.monotonic() + Int64(interval) * 1_000_000
        let progress = stream.progress
        if progress.flushed.isValid { clock.look(at: progress.timeline, upTo: progress.flushed) }
        report(progress, clock.lastCommit)
      }
    }
  }

  /// True once it is over; false after a while that is short beside `milliseconds`.
  private static func wait(_ milliseconds: Int, _ isOver: Monitor<Bool>) -> Bool {
    let end = Clock.monotonic() + Int64(milliseconds) * 250_000
    return isOver.wait { isOver in
      if isOver { return true }
      return Clock.monotonic() >= end ? false : nil
    }
  }

  mutating func end() {
    isOver.update { $0 = true }
    threads.join()
  }
}
