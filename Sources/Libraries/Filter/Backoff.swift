public import Posix

/// How long to wait before trying again: doubling, with full jitter, up to a bound.
public struct Backoff: Sendable {
  /// How often it may still be tried.
  private var attemptsLeft: Int
  private var ceiling: Int64
  private let maximum: Int64

  /// Milliseconds; `attempts` counts the tries after the first.
  public init(attempts: Int, first: Int64 = 100, maximum: Int64 = 20_000) {
    (attemptsLeft, ceiling, self.maximum) = (attempts, first, maximum)
  }

  /// Sleeps and returns true, or false at once when the tries are used up.
  ///
  /// It sleeps at least `atLeast` milliseconds, what a server may have asked for.
  public mutating func wait(atLeast: Int64 = 0) throws(SystemError) -> Bool {
    guard attemptsLeft > 0 else { return false }
    attemptsLeft -= 1
    // Between half the bound and all of it: spread out, and never at once.
    let half = max(1, ceiling / 2)
    try Clock.sleep(milliseconds: max(atLeast, half + Int64(Clock.random() % UInt64(half))))
    ceiling = min(maximum, ceiling * 2)
    return true
  }
}
