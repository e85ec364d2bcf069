internal import Filter
internal import JSON
internal import Posix

/// Records on their way to standard output, written by a thread of its own.
///
/// A consumer that is slow must not keep commits waiting. A class, because two threads share it.
final class RecordQueue: Sendable {
  /// Some hours of a busy server; then receiving waits for the consumer after all.
  private static var limit: Int { 100_000 }

  private struct State {
    var waiting: [Record] = []
    var isClosed = false
    /// True while the thread has records that are not written yet.
    var isWriting = false
    var failure: SystemError?
  }

  private let state = Monitor(State())

  /// Starts the thread.
  func start() throws { _ = try Thread { self.run() } }

  /// Takes a record; throws once the consumer is gone.
  func add(_ record: Record) throws {
    let failure: SystemError?? = state.wait { state in
      if let failure = state.failure { return .some(failure) }
      if StopSignal.received == nil, state.waiting.count >= Self.limit { return nil }
      state.waiting.append(record)
      return .some(nil)
    }
    if let failure, let failure { throw failure }
  }

  /// Takes a record that is of no use when it is late: while others wait it is passed over.
  func offer(_ record: Record) {
    state.update { state in
      if state.waiting.isEmpty, state.failure == nil { state.waiting.append(record) }
    }
  }

  /// Throws what writing failed with, if it did.
  func check() throws {
    if let failure = state.read({ $0.failure }) { throw failure }
  }

  /// Waits until all is written, though not for ever: a consumer may hang, and `--emit-existing`
  /// brings back what it misses.
  func close(waitingSeconds: Int) throws {
    let end = Clock.monotonic() + Int64(waitingSeconds) * 1_000_000_000
    state.update { $0.isClosed = true }
    let failure: SystemError? = state.wait { (state) -> SystemError?? in
      if let failure = state.failure { return .some(failure) }
      let isDone = state.waiting.isEmpty && !state.isWriting
      return isDone || Clock.monotonic() > end ? .some(nil) : nil
    }
    if let failure { throw failure }
  }

  private func run() {
    while true {
      let batch: [Record] = state.wait { state in
        if state.waiting.isEmpty { return state.isClosed ? [] : nil }
        state.isWriting = true
        defer { state.waiting = [] }
        return state.waiting
      }
      if batch.isEmpty { return }
      var writer = RecordWriter()
      do {
        for record in batch { try writer.write(record) }
        try writer.finish()
        state.update { $0.isWriting = false }
      } catch {
        return state.update { $0.failure = error }
      }
    }
  }
}
