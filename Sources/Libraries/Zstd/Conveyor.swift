internal import Posix

/// Carries loads from one reader past several workers to one writer, and keeps their order.
///
/// There is a fixed number of loads, and each goes round and round: the reader fills it, some
/// worker works on it, the writer empties it. So memory is bounded, and whoever is ahead waits.
/// Reader and workers are threads of their own; the writer is the caller, who also gets the stop
/// signals. Every load is touched by one thread at a time, and handed over under the lock.
final class Conveyor<Load: ~Copyable>: Sendable {
  /// The place of a load; a class, because it is handed from thread to thread.
  final class Place: @unchecked Sendable {
    var load: Load
    /// Guarded by the conveyor's lock.
    fileprivate var isWorked = false

    init(_ load: consuming Load) { self.load = load }
  }

  private struct State {
    /// The loads that were filled, taken by a worker, and emptied, since the start.
    var filled = 0
    var taken = 0
    var emptied = 0
    /// The reader has come to its end.
    var hasEnded = false
    /// What ended the reader before its time; the loads before that are still written.
    var readFailure: (any Error)?
    /// What hit a worker that had no load.
    var workFailure: (any Error)?
    var isCancelled = false
  }

  private enum Turn {
    case load(Place)
    case over
  }

  private let places: [Place]
  private let monitor: Monitor<State>

  /// A conveyor with `count` loads.
  init(count: Int, _ make: () -> Load) {
    places = (0..<count).map { _ in Place(make()) }
    monitor = Monitor(State())
  }

  /// Runs it until the last load was written or something failed.
  ///
  /// `read` and `work` run on other threads, and use the calls below. No thread is left behind,
  /// except where a signal ends the process: a worker may be in the middle of a long frame.
  func run(
    workers: Int, read: @escaping @Sendable () throws -> Void,
    work: @escaping @Sendable () throws -> Void, write: (inout Load) throws -> Void
  ) throws {
    var threads = ThreadGroup()
    defer {
      cancel()
      if StopSignal.received == nil { threads.join() } else { threads.abandon() }
    }
    try threads.start { [self] in endReading(failureOf(read)) }
    for _ in 0..<workers {
      try threads.start { [self] in endWorking(failureOf(work)) }
    }
    while case .load(let place) = try nextToWrite() {
      try write(&place.load)
      monitor.update { state in
        place.isWorked = false
        state.emptied += 1
      }
    }
  }

  /// True when nobody wants further loads.
  var isCancelled: Bool { monitor.read { $0.isCancelled } }

  /// For the reader: the load to fill next; throws `interrupted` when nobody wants it.
  func nextToFill() throws(SystemError) -> Place {
    let next = monitor.wait { [places] state -> Turn? in
      if state.isCancelled { return .over }
      guard state.filled - state.emptied < places.count else { return nil }
      return .load(places[state.filled % places.count])
    }
    guard case .load(let place) = next else { throw .interrupted }
    return place
  }

  /// For the reader: the load that `nextToFill` returned is full.
  func send() { monitor.update { $0.filled += 1 } }

  /// For a worker: works on loads until there are no more.
  func forEachLoad(_ body: (inout Load) -> Void) {
    while case .load(let place) = nextToWork() {
      body(&place.load)
      monitor.update { _ in place.isWorked = true }
    }
  }

  private func nextToWork() -> Turn {
    monitor.wait { [places] state -> Turn? in
      if state.isCancelled { return .over }
      if state.taken < state.filled {
        state.taken += 1
        return .load(places[(state.taken - 1) % places.count])
      }
      return state.hasEnded ? .over : nil
    }
  }

  private func nextToWrite() throws -> Turn {
    let next = monitor.wait { [places] state -> Result<Turn, any Error>? in
      if let failure = state.workFailure { return .failure(failure) }
      if StopSignal.received != nil { return .failure(SystemError.interrupted) }
      if state.emptied < state.filled {
        let place = places[state.emptied % places.count]
        return place.isWorked ? .success(.load(place)) : nil
      }
      guard state.hasEnded else { return nil }
      return state.readFailure.map { .failure($0) } ?? .success(.over)
    }
    return try next.get()
  }

  private func cancel() { monitor.update { $0.isCancelled = true } }

  private func endReading(_ failure: (any Error)?) {
    monitor.update { state in
      state.hasEnded = true
      state.readFailure = failure
    }
  }

  private func endWorking(_ failure: (any Error)?) {
    guard let failure else { return }
    monitor.update { $0.workFailure = failure }
  }
}

private func failureOf(_ body: () throws -> Void) -> (any Error)? {
  do {
    try body()
    return nil
  } catch { return error }
}
