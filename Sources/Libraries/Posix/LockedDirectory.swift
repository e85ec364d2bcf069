internal import CPosix
internal import Glibc

/// A directory that only this process works in, as long as the value lives.
///
/// The lock is the kernel's: whatever ends the process frees it, and nothing is left behind.
public struct LockedDirectory: ~Copyable {
  private let raw: Int32
  public let path: String

  /// Nil when another process has it.
  public static func open(_ path: String) throws(SystemError) -> LockedDirectory? {
    let raw = try checked(
      unsafe cposix_open(path, O_RDONLY | O_DIRECTORY, 0), "could not open \"\(path)\"")
    let directory = LockedDirectory(raw, path)
    let result = cposix_lock(raw)
    if result == -EWOULDBLOCK { return nil }
    _ = try checked(result, "could not lock \"\(path)\"")
    return directory
  }

  private init(_ raw: Int32, _ path: String) { (self.raw, self.path) = (raw, path) }

  /// True if its path still leads to it, and not to another one that was put in its place.
  public func isInPlace() throws(SystemError) -> Bool {
    var found = cposix_stat()
    _ = try checked(unsafe cposix_fstat(raw, &found), "could not stat \"\(path)\"")
    return try FileFacts.of(path)?.inode == found.inode
  }

  /// Opens a file in it for reading and writing, as it is, and creates it when missing; in this very
  /// directory, even if another one has its path by now.
  public func file(updating name: String) throws(SystemError) -> File {
    try File(name, in: raw, O_RDWR | O_CREAT, path: "\(path)/\(name)")
  }

  /// The same, emptied.
  public func file(writing name: String) throws(SystemError) -> File {
    try File(name, in: raw, O_WRONLY | O_CREAT | O_TRUNC, path: "\(path)/\(name)")
  }

  /// Gives a file in it another name in place of what has it; durable only once it is synced.
  public func rename(_ old: String, to new: String) throws(SystemError) {
    _ = try checked(
      unsafe cposix_renameat(raw, old, new),
      "could not rename \"\(path)/\(old)\" to \"\(path)/\(new)\"")
  }

  /// Makes the names in it durable; see `File.syncData` for what an error means.
  public func sync() throws(SystemError) {
    _ = try checked(cposix_fsync(raw), "could not fsync \"\(path)\"")
  }

  /// Bytes that may still be written to its file system.
  public func freeBytes() throws(SystemError) -> Int {
    Int(try checked(cposix_free_bytes(raw), "could not look at the space in \"\(path)\""))
  }

  deinit { _ = cposix_close(raw) }
}

extension Directory {
  /// Gives a file another name in place of what has it; durable only once the directory is synced.
  public static func rename(_ old: String, to new: String) throws(SystemError) {
    _ = try checked(unsafe cposix_rename(old, new), "could not rename \"\(old)\" to \"\(new)\"")
  }

  /// New files and directories lose these permissions: 0o077 keeps them to the user.
  public static func restrictNewFiles(by mask: UInt32) { cposix_umask(mask) }
}
