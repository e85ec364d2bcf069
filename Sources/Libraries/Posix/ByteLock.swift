internal import CPosix
internal import Glibc

/// One byte of a file that is locked, as a sign that somebody is at work on what it stands for.
///
/// The kernel frees it when the holder is done or dies, and nothing is left behind.
public enum ByteLock {
  /// Runs `body` while the byte at `offset` of `path` is ours; nil at once when another has it.
  ///
  /// The file is created when missing. The corresponding C function is `fcntl` with `F_OFD_SETLK`.
  public static func hold<T>(
    _ path: String, at offset: Int64, _ body: () throws -> T
  ) throws -> T? {
    // Closed, and so unlocked, at the end of this scope.
    let file = try File(updating: path)
    let result = cposix_lock_byte(file.descriptor.rawValue, offset)
    if result == -EAGAIN || result == -EACCES { return nil }
    _ = try checked(result, "could not lock \"\(path)\"")
    return try body()
  }
}
