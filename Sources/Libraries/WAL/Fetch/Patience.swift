internal import Filter
internal import Posix

/// Tries again what may succeed later, until the time is over.
struct Patience {
  private let end: Int64
  /// Once more than this, what is damaged may have been damaged on the way.
  private var secondLooks = 1
  private var backoff = Backoff(attempts: .max, first: 200, maximum: 5000)
  private var toldAt: Int64?
  private let tell: (String) -> Void

  /// `tell` is called with what is tried again, now and then.
  init(milliseconds: Int, tell: @escaping (String) -> Void) {
    let (product, overflow) = Int64(milliseconds).multipliedReportingOverflow(by: 1_000_000)
    let (end, late) = Clock.monotonic().addingReportingOverflow(product)
    self.end = overflow || late ? .max : end
    self.tell = tell
  }

  /// What `body` returns once it does not throw; throws what is not worth another try.
  mutating func run<T>(_ body: () throws -> T) throws -> T {
    while true {
      do { return try body() } catch let error as any Diagnosable {
        guard Clock.monotonic() < end, isWorthAnotherTry(error) else { throw error }
        report(error)
        _ = try backoff.wait()
      }
    }
  }

  private mutating func isWorthAnotherTry(_ error: any Diagnosable) -> Bool {
    switch error.exitCode {
    case .unavailable, .temporary: return true
    case .badInput:
      secondLooks -= 1
      return secondLooks >= 0
    default: return false
    }
  }

  private mutating func report(_ error: any Diagnosable) {
    let now = Clock.monotonic()
    if let toldAt, now - toldAt < 30_000_000_000 { return }
    toldAt = now
    tell("\(error.message); trying again for \((end - now) / 1_000_000_000) s")
  }
}
