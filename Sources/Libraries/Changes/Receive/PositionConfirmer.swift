internal import Posix
internal import Postgres

/// Takes acknowledgements, and tells the server what they confirm, in a thread of its own, while the
/// receiving one may wait for a reader or a disk.
///
/// What is told is in the state file first. A class, because two threads share it.
final class PositionConfirmer: @unchecked Sendable {
  /// How long an acknowledgement, or the end, may go unnoticed.
  private static var sliceMilliseconds: Int32 { 100 }

  private struct State {
    var isOver = false
    /// True when what may be confirmed is to be confirmed at once.
    var isUrgent = false
    var failure: (any Error)?
  }

  private let stream: LogicalStream
  private let tracker: Monitor<DeliveryTracker>
  private let source: AcknowledgementSource?
  private let statePath: String?
  /// Of the thread, and once that has ended of who ends it.
  private var position: ReceiverPosition
  /// Milliseconds between reports: of what nobody waits for, and of being there at all.
  private let intervals: (idle: Int?, server: Int?)
  private let state = Monitor(State())
  private var lastReport = Clock.monotonic()
  private var threads = ThreadGroup()

  init(
    _ stream: LogicalStream, _ tracker: Monitor<DeliveryTracker>,
    _ source: AcknowledgementSource?, position: ReceiverPosition, statePath: String?,
    intervals: (idle: Int?, server: Int?)
  ) {
    (self.stream, self.tracker, self.source) = (stream, tracker, source)
    (self.position, self.statePath, self.intervals) = (position, statePath, intervals)
  }

  func start() throws { try threads.start { self.run() } }

  /// Has what may be confirmed be confirmed without waiting for the interval.
  func hurry() { state.update { $0.isUrgent = true } }

  /// Throws what the thread failed with, if it did.
  func check() throws {
    if let failure = state.read({ $0.failure }) { throw failure }
  }

  /// Ends the thread; what is confirmed by then.
  func end() -> ReceiverPosition {
    state.update { $0.isOver = true }
    threads.join()
    return position
  }

  /// Once more, in the calling thread, when the other one has ended.
  func settle() throws { try report(isUrgent: true) }

  private func run() {
    do {
      while !waitForWork() { try report(isUrgent: false) }
    } catch let error as PostgresError {
      // What the connection suffers from, the thread that reads will see.
      _ = error
    } catch let error as SystemError where error.isInterrupt {
    } catch {
      state.update { $0.failure = error }
    }
  }

  /// True once it is over.
  private func waitForWork() -> Bool {
    if let source, source.waits(milliseconds: Self.sliceMilliseconds) {
      return state.read { $0.isOver }
    }
    let end = Clock.monotonic() + Int64(Self.sliceMilliseconds) * 1_000_000
    return state.wait { state in
      if state.isOver { return true }
      return state.isUrgent || Clock.monotonic() >= end ? false : nil
    }
  }

  private func report(isUrgent: Bool) throws {
    let acknowledged = try source?.next()
    let target = tracker.update { tracker in
      if let acknowledged { tracker.acknowledge(acknowledged) }
      return tracker.confirmed
    }
    let hurries = state.update { state in
      defer { state.isUrgent = false }
      return state.isUrgent
    }
    let age = Clock.monotonic() - lastReport
    let isDue = intervals.idle.map { age >= Int64($0) * 1_000_000 } ?? false
    if target > position.confirmed, isUrgent || hurries || isDue || acknowledged != nil {
      position.confirmed = target
      if let statePath { try position.write(to: statePath) }
      try stream.confirm(target)
      lastReport = Clock.monotonic()
    } else if let interval = intervals.server {
      stream.keepAlive(after: interval)
    }
  }
}

/// A follower of acknowledgements that outlives connections.
///
/// A class, because it is handed from one thread to the next.
final class AcknowledgementSource: @unchecked Sendable {
  private var follower: AcknowledgementFollower

  init(_ path: String) throws { follower = try AcknowledgementFollower(path) }

  func waits(milliseconds: Int32) -> Bool { follower.waits(milliseconds: milliseconds) }
  func next() throws -> LSN? { try follower.next() }
}
