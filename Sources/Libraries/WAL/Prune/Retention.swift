/// What is to be kept of base backups, and with them of WAL; where both rules are given, both hold.
public struct Retention: Sendable {
  /// So many of the newest backups.
  public var keepLast: Int?
  /// Every moment of this last stretch of time can be restored, in milliseconds.
  public var windowMilliseconds: Int?

  public init(keepLast: Int? = nil, windowMilliseconds: Int? = nil) {
    (self.keepLast, self.windowMilliseconds) = (keepLast, windowMilliseconds)
  }

  /// The beginning of the window, in microseconds since 1970; nil without one.
  func cutoff(at now: Int64) -> Int64? {
    guard let windowMilliseconds else { return nil }
    // A hundred years are for ever, and cannot overflow.
    return now - Int64(min(windowMilliseconds, 3_155_760_000_000)) * 1000
  }
}
