internal import Glibc

/// A system call that failed, and on what.
public struct SystemError: Error, Equatable {
  /// The value `errno` had when the call failed.
  public let code: Int32
  /// What could not be done, for example `could not open "wal/0001"`.
  public let action: String

  public init(_ code: Int32, _ action: String) {
    self.code = code
    self.action = action
  }

  /// True if the reader of our output went away.
  public var isBrokenPipe: Bool { code == EPIPE }
  /// True if a signal asked us to stop.
  public var isInterrupt: Bool { code == EINTR }
  public var isMissing: Bool { code == ENOENT || code == ENOTDIR }
  public var isExisting: Bool { code == EEXIST }
  /// True if two names are in two file systems.
  public var isElsewhere: Bool { code == EXDEV }
  /// True if permissions forbid it.
  public var isRefusal: Bool { code == EACCES || code == EPERM || code == EROFS }

  /// What a wait throws when a signal to stop arrived.
  public static var interrupted: SystemError { SystemError(EINTR, "interrupted") }
}

extension SystemError: CustomStringConvertible {
  /// One line in PostgreSQL's style: `could not open "a": No such file or directory`.
  public var description: String {
    guard let text = unsafe strerror(code) else { return "\(action): error \(code)" }
    return unsafe "\(action): \(String(cString: text))"
  }
}

/// Turns the kernel's way of returning errors into a thrown one.
func checked<T: BinaryInteger>(
  _ result: T, _ action: @autoclosure () -> String
) throws(SystemError) -> T {
  if result < 0 { throw SystemError(Int32(-Int(result)), action()) }
  return result
}
