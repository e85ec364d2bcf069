internal import Posix
internal import Postgres

/// Keeps the server informed while the receiving thread may be waiting for its disk.
struct StatusReporter: ~Copyable {
  private let stream: WALStream
  private let milliseconds: Int?
  private let isOver = Monitor(false)
  private var threads = ThreadGroup()

  /// Nil: the server needs no reports.
  init(_ stream: WALStream, everyMilliseconds milliseconds: Int?) {
    (self.stream, self.milliseconds) = (stream, milliseconds)
  }

  mutating func start() throws {
    guard let milliseconds else { return }
    let (stream, isOver) = (stream, isOver)
    try threads.start {
      while !Self.wait(milliseconds, isOver) { stream.keepAlive(after: milliseconds) }
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
