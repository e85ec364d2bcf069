internal import CPosix

/// The machine's clocks, its sleep and its dice.
public enum Clock {
  /// Microseconds since 1970, UTC.
  public static func now() -> Int64 { cposix_now_us() }

  /// Nanoseconds of a clock that never jumps.
  public static func monotonic() -> Int64 { cposix_monotonic_ns() }

  /// Sleeps, and ends early with an error when a stop signal arrives.
  public static func sleep(milliseconds: Int64) throws(SystemError) {
    try sleep(microseconds: milliseconds * 1000)
  }

  /// The same, for the shorter ones.
  public static func sleep(microseconds: Int64) throws(SystemError) {
    let end = monotonic() + microseconds * 1000
    while true {
      try StopSignal.check()
      let left = end - monotonic()
      if left <= 0 { return }
      cposix_sleep_ns(min(left, 200_000_000))
    }
  }

  /// A random number from the kernel.
  public static func random() -> UInt64 { cposix_random() }

  /// The processors this process may use.
  public static var processors: Int { Int(cposix_processors()) }
}
