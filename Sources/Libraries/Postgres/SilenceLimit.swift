internal import Posix

/// How long a server may say nothing: one that vanished, machine and all, closes no connection.
public struct SilenceLimit {
  private let nanoseconds: Int64
  private var lastHeard = Clock.monotonic()
  /// When it was asked for an answer; nil as long as it was not.
  private var asked: Int64?

  public init(milliseconds: Int) { nanoseconds = Int64(milliseconds) * 1_000_000 }

  /// Something came.
  public mutating func isBroken() { (lastHeard, asked) = (Clock.monotonic(), nil) }

  /// True, once, when it is time to ask for an answer; throws when none came to that.
  ///
  /// To be called when all that had arrived was taken.
  public mutating func wantsAnswer() throws -> Bool {
    let now = Clock.monotonic()
    if let asked {
      guard now - asked < nanoseconds / 2 else {
        throw Failure(
          .unavailable, "the server has said nothing for \(nanoseconds / 1_000_000_000) s")
      }
      return false
    }
    guard now - lastHeard >= nanoseconds / 2 else { return false }
    asked = now
    return true
  }
}
