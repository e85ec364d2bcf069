internal import CPosix
internal import Glibc

/// A command of the user's that is asked before something is done.
public struct Hook: Sendable {
  /// How a command ended.
  public enum Ending: Equatable, Sendable {
    /// With this status, or 128 + the signal that ended it.
    case ended(Int32)
    /// It took too long, and was killed with all that it started.
    case timedOut
  }

  private let command: String
  private let timeoutMilliseconds: Int

  /// `command` is run by `sh`; 0 milliseconds wait for ever.
  public init(_ command: String, timeoutMilliseconds: Int) {
    (self.command, self.timeoutMilliseconds) = (command, timeoutMilliseconds)
  }

  /// Runs it with `text` on its standard input; what it prints goes to standard error.
  ///
  /// A stop signal of ours kills it, too, and is thrown.
  public func run(_ text: String) throws(SystemError) -> Ending {
    let words: [String] = ["sh", "-c", command]
    var arguments = unsafe words.map { unsafe strdup($0) } + [nil]
    defer { for index in unsafe arguments.indices { unsafe free(arguments[index]) } }
    let bytes = Array(text.utf8)
    let started = unsafe bytes.withUnsafeBytes { data in
      unsafe cposix_spawn_fed(&arguments, data.baseAddress, data.count)
    }
    return try wait(for: try checked(started, "could not run \"\(command)\""))
  }

  private func wait(for pid: Int32) throws(SystemError) -> Ending {
    let end = Clock.monotonic() + Int64(timeoutMilliseconds) * 1_000_000
    var pause: Int64 = 1
    while true {
      let status = cposix_wait_now(pid)
      if status >= 0 { return .ended(status) }
      if status != -EAGAIN, status != -EINTR {
        throw SystemError(-status, "could not wait for \"\(command)\"")
      }
      if timeoutMilliseconds > 0, Clock.monotonic() >= end {
        stop(pid)
        return .timedOut
      }
      do { try Clock.sleep(milliseconds: pause) } catch {
        stop(pid)
        throw error
      }
      pause = min(50, pause * 2)
    }
  }

  private func stop(_ pid: Int32) {
    _ = cposix_kill(-pid, SIGKILL)
    _ = cposix_wait(pid)
  }
}
