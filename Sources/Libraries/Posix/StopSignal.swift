internal import CPosix
internal import Glibc

/// The polite requests to stop, SIGINT, SIGTERM and SIGHUP, and SIGPIPE's replacement.
public enum StopSignal {
  public static var terminate: Int32 { SIGTERM }
  public static var brokenPipe: Int32 { SIGPIPE }

  /// Catches SIGINT, SIGTERM and a SIGHUP that is not ignored, and turns SIGPIPE into `EPIPE`; called once, by `Tool.main`.
  public static func install() throws(SystemError) {
    _ = try checked(cposix_signals_install(), "could not install signal handlers")
  }

  /// The signal received so far, if any; loops look at it once per record.
  public static var received: Int32? {
    let signal = cposix_stop_signal()
    return signal == 0 ? nil : signal
  }

  /// Throws `interrupted` when a signal was received.
  public static func check() throws(SystemError) {
    if received != nil { throw .interrupted }
  }

  /// Ends the process as the default action of `signal` would have.
  public static func die(by signal: Int32) -> Never { cposix_die_by_signal(signal) }
}
