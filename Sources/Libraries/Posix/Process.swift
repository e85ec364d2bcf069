internal import CPosix
internal import Glibc

/// This process.
public enum ProcessIdentity {
  public static var own: Int32 { getpid() }

  /// Whether there is a process with that id; a stranger may have it by now.
  static func isAlive(_ pid: Int32) -> Bool { cposix_kill(pid, 0) != -ESRCH }

  /// Starts this program once more, in the background, with `arguments`; its messages go to `log`.
  ///
  /// It outlives us, is in a session of its own, and holds none of our descriptors.
  public static func startDetached(_ arguments: [String], log: String) throws(SystemError) {
    var words = unsafe ([CommandLine.arguments[0]] + arguments).map { unsafe strdup($0) } + [nil]
    defer { for index in unsafe words.indices { unsafe free(words[index]) } }
    _ = try checked(
      unsafe cposix_spawn_detached(&words, log), "could not start a process in the background")
  }
}

/// A variable of the environment; `nil` when unset.
public func environment(_ name: String) -> String? {
  guard let value = unsafe getenv(name) else { return nil }
  return unsafe String(cString: value)
}

/// The folder that `TMPDIR` names for files that go with the process; nil when it names none.
public var temporaryFolder: String? { environment("TMPDIR").flatMap { $0.isEmpty ? nil : $0 } }

/// A command that runs beside us.
public struct ChildProcess: ~Copyable {
  private let pid: Int32

  /// Starts `command`, found on PATH, with our environment plus `variable` (`NAME=value`).
  ///
  /// The corresponding C function is `posix_spawnp`.
  public init(_ command: [String], variable: String? = nil) throws(SystemError) {
    var arguments = unsafe command.map { unsafe strdup($0) } + [nil]
    defer { for index in unsafe arguments.indices { unsafe free(arguments[index]) } }
    let result = unsafe variable.withOptionalCString { unsafe cposix_spawn(&arguments, $0) }
    pid = try checked(result, "could not run \"\(command.first ?? "")\"")
  }

  /// Runs `command` and returns what it printed, at most `limit` bytes.
  ///
  /// Throws when it fails or prints more.
  public static func output(of command: [String], limit: Int) throws -> [UInt8] {
    var arguments = unsafe command.map { unsafe strdup($0) } + [nil]
    defer { for index in unsafe arguments.indices { unsafe free(arguments[index]) } }
    var out: Int32 = -1
    let pid = try checked(
      unsafe cposix_spawn_reading(&arguments, &out), "could not run \"\(command.first ?? "")\"")
    defer { _ = cposix_close(out) }
    var (bytes, chunk) = ([UInt8](), [UInt8](repeating: 0, count: 4096))
    while bytes.count <= limit {
      let count = try Descriptor(rawValue: out).read(into: &chunk)
      if count == 0 { break }
      bytes += chunk[..<count]
    }
    let status = cposix_wait(pid)
    guard status == 0, bytes.count <= limit else {
      throw Failure(.notPermitted, "a command that was to print something ended with \(status)")
    }
    return bytes
  }

  /// Waits for its end: its exit status, or 128 + the signal that ended it.
  ///
  /// A stop signal of ours is passed on to it while we wait.
  public func wait() throws(SystemError) -> Int32 {
    var passedOn = false
    while true {
      let result = cposix_wait(pid)
      if result >= 0 { return result }
      if result != -EINTR { throw SystemError(-result, "could not wait for the command") }
      if let signal = StopSignal.received, !passedOn {
        _ = cposix_kill(pid, signal)
        passedOn = true
      }
    }
  }
}

extension Optional where Wrapped == String {
  fileprivate func withOptionalCString<T>(_ body: (UnsafePointer<CChar>?) -> T) -> T {
    guard let text = self else { return body(nil) }
    return unsafe text.withCString { unsafe body($0) }
  }
}

/// Ends the process; only `Tool.main` calls it, because nothing is cleaned up any more.
public func endProcess(_ status: Int32) -> Never { exit(status) }
