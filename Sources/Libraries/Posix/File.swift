internal import CPosix
internal import Glibc

/// What a file system says of a file.
public struct FileFacts: Equatable, Sendable {
  /// Bytes.
  public let size: Int64
  /// Nanoseconds since 1970.
  public let modified: Int64
  public let inode: UInt64
  public let isDirectory: Bool
  public let isRegular: Bool

  fileprivate init(_ found: cposix_stat) {
    size = found.size
    modified = found.mtime_ns
    inode = found.inode
    isDirectory = found.is_directory != 0
    isRegular = found.is_regular != 0
  }

  /// What `path` is; `nil` when there is nothing.
  ///
  /// The corresponding C function is `stat`.
  public static func of(_ path: String) throws(SystemError) -> FileFacts? {
    var found = cposix_stat()
    let result = unsafe cposix_stat_path(path, &found)
    if result == -ENOENT || result == -ENOTDIR { return nil }
    _ = try checked(result, "could not stat \"\(path)\"")
    return FileFacts(found)
  }
}

/// An open file that closes itself.
public struct File: ~Copyable {
  /// -1 once it was closed.
  private var raw: Int32
  public let path: String

  private init(_ path: String, _ flags: Int32, mode: mode_t = 0o666) throws(SystemError) {
    let opened = unsafe cposix_open(path, flags, mode)
    raw = try checked(opened, "could not open \"\(path)\"")
    self.path = path
  }

  /// Opens a name in an open directory.
  init(
    _ name: String, in folder: Int32, _ flags: Int32, path: String
  ) throws(SystemError) {
    let opened = unsafe cposix_openat(folder, name, flags, 0o666)
    raw = try checked(opened, "could not open \"\(path)\"")
    self.path = path
  }

  /// Opens `path` for reading.
  public init(reading path: String) throws(SystemError) { try self.init(path, O_RDONLY) }

  /// Opens `path` for appending and creates it when missing.
  public init(appending path: String) throws(SystemError) {
    try self.init(path, O_WRONLY | O_APPEND | O_CREAT)
  }

  /// Opens `path` for writing from its start, emptied.
  public init(writing path: String) throws(SystemError) {
    try self.init(path, O_WRONLY | O_CREAT | O_TRUNC)
  }

  /// Opens `path` for reading and writing, as it is, and creates it when missing.
  public init(updating path: String) throws(SystemError) {
    try self.init(path, O_RDWR | O_CREAT)
  }

  /// Makes an empty file that nobody else can have: it is already unlinked and goes with the
  /// process, whatever ends it.
  public init(scratchIn directory: String) throws(SystemError) {
    let name = "\(directory)/.sluice-\(ProcessIdentity.own)-\(Clock.random())"
    let opened = unsafe cposix_open(name, O_RDWR | O_CREAT | O_EXCL, 0o600)
    raw = try checked(opened, "could not create a file in \"\(directory)\"")
    path = name
    _ = unsafe cposix_unlink(name)
  }

  /// The descriptor, for as long as the file is alive.
  public var descriptor: Descriptor { Descriptor(rawValue: raw) }

  public func facts() throws(SystemError) -> FileFacts {
    var found = cposix_stat()
    _ = try checked(unsafe cposix_fstat(raw, &found), "could not stat \"\(path)\"")
    return FileFacts(found)
  }

  /// Has the kernel put it on the disk; an error is as final as that of `syncData`.
  ///
  /// The corresponding C function is `fsync`.
  public func sync() throws(SystemError) {
    _ = try checked(cposix_fsync(raw), "could not fsync \"\(path)\"")
  }

  /// Waits until no other process has the file locked, and locks it; its end frees it.
  ///
  /// The corresponding C function is `flock`.
  public func lock() throws(SystemError) {
    while true {
      let result = cposix_lock(raw)
      if result != -EWOULDBLOCK, result != -EINTR {
        _ = try checked(result, "could not lock \"\(path)\"")
        return
      }
      try Clock.sleep(milliseconds: 20)
    }
  }

  /// Closes the file and reports what `deinit` would have to swallow.
  public consuming func close() throws(SystemError) {
    let result = cposix_close(raw)
    raw = -1
    if result < 0 { throw SystemError(-result, "could not close \"\(path)\"") }
  }

  deinit {
    if raw >= 0 { _ = cposix_close(raw) }
  }
}
