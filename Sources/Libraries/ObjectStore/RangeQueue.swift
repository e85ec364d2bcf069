internal import Posix

/// What passes between the threads that fetch ranges and the one that delivers them in order.
///
/// A class, because the threads share it. Nobody fetches further ahead than there are buffers.
final class RangeQueue: Sendable {
  private struct State {
    var free: [PartBuffer]
    var next = 0
    var ready: [Int: PartBuffer] = [:]
    var failure: (any Error)?
  }

  private let count: Int
  private let state: Monitor<State>

  /// For ranges `0..<count`, of which at most `window` are held.
  init(count: Int, window: Int, bufferBytes: Int) {
    self.count = count
    let buffers = (0..<min(window, count)).map { _ in PartBuffer(capacity: bufferBytes) }
    state = Monitor(State(free: buffers))
  }

  /// The next range to fetch and where to put it; nil when there is none any more.
  func next() -> (index: Int, buffer: PartBuffer)? {
    state.wait { (state) -> (index: Int, buffer: PartBuffer)?? in
      if state.failure != nil || StopSignal.received != nil || state.next >= count {
        return .some(nil)
      }
      // In order, so that the one that is waited for always has a buffer.
      guard let buffer = state.free.popLast() else { return .none }
      state.next += 1
      return (state.next - 1, buffer)
    }
  }

  func finished(_ index: Int, _ buffer: PartBuffer) {
    state.update { $0.ready[index] = buffer }
  }

  /// Waits for a range.
  func take(_ index: Int) throws -> PartBuffer {
    let result: Result<PartBuffer, any Error> = state.wait { state in
      if let buffer = state.ready.removeValue(forKey: index) { return .success(buffer) }
      if let failure = state.failure { return .failure(failure) }
      if StopSignal.received != nil { return .failure(SystemError.interrupted) }
      return nil
    }
    return try result.get()
  }

  func give(back buffer: PartBuffer) { state.update { $0.free.append(buffer) } }

  /// The first failure ends all threads.
  func fail(_ error: any Error) {
    state.update { state in
      if state.failure == nil { state.failure = error }
    }
  }

  var hasFailed: Bool { state.read { $0.failure != nil } }
}
