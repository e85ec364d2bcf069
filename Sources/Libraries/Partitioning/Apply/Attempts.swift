internal import Filter
internal import Posix

/// The tries of one action.
struct Attempts {
  private(set) var count = 0
  private let budget: Int64
  /// When trying ends, in nanoseconds of the monotonic clock.
  private var end: Int64

  /// `budget` is in milliseconds.
  init(budget: Int) {
    self.budget = Int64(budget) * 1_000_000
    end = Clock.monotonic() + self.budget
  }

  /// Something was achieved, and what is left has the whole budget again.
  mutating func restart() { end = Clock.monotonic() + budget }

  /// Runs `body` until it succeeds, fails for good, or the budget is used up.
  mutating func run<T>(_ body: () throws -> T) throws -> T {
    // Between two tries those who waited behind us get their turn.
    var backoff = Backoff(attempts: Int.max, first: 100, maximum: 2000)
    while true {
      count += 1
      do { return try body() } catch {
        guard error.isWorthAnotherTry, Clock.monotonic() < end else { throw error }
      }
      _ = try backoff.wait()
    }
  }

  /// Waits before another try that the caller makes; false when the budget is used up.
  mutating func pause() throws -> Bool {
    guard Clock.monotonic() < end else { return false }
    count += 1
    var backoff = Backoff(attempts: 1, first: 200)
    return try backoff.wait()
  }

  /// Runs `body` until it is true; false when the budget is used up.
  mutating func wait(until body: () throws -> Bool) throws -> Bool {
    var backoff = Backoff(attempts: Int.max, first: 50, maximum: 500)
    while true {
      count += 1
      if try body() { return true }
      guard Clock.monotonic() < end else { return false }
      _ = try backoff.wait()
    }
  }
}
