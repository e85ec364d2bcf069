internal import CPosix
internal import Glibc

/// A file that has its final size from the start and is written in place.
///
/// So that making what was written durable needs no change of the file's metadata.
public struct PreallocatedFile: ~Copyable {
  private let raw: Int32
  public let path: String

  /// Opens `path` for reading and writing; it is made, empty, when missing.
  public init(_ path: String) throws(SystemError) {
    raw = try checked(
      unsafe cposix_open(path, O_RDWR | O_CREAT, 0o666), "could not open \"\(path)\"")
    self.path = path
  }

  /// Bytes.
  public func size() throws(SystemError) -> Int {
    var found = cposix_stat()
    _ = try checked(unsafe cposix_fstat(raw, &found), "could not stat \"\(path)\"")
    return Int(found.size)
  }

  public func resize(to bytes: Int) throws(SystemError) {
    _ = try checked(cposix_ftruncate(raw, bytes), "could not resize \"\(path)\"")
  }

  /// Fills an empty file with `bytes` zeros, written, so that no later write needs a new block.
  public func fillWithZeros(_ bytes: Int) throws(SystemError) {
    let zeros = [UInt8](repeating: 0, count: min(bytes, 1 << 20))
    for offset in stride(from: 0, to: bytes, by: zeros.count) {
      try write(zeros.span.extracting(first: min(zeros.count, bytes - offset)), at: offset)
    }
  }

  /// Gives an empty file `bytes` bytes that read as zeros, without writing them.
  ///
  /// Where the file system cannot reserve them, they are written.
  public func reserve(_ bytes: Int) throws(SystemError) {
    let result = cposix_allocate(raw, bytes)
    if result == -EOPNOTSUPP || result == -EINVAL { return try fillWithZeros(bytes) }
    _ = try checked(result, "could not reserve \(bytes) bytes for \"\(path)\"")
  }

  /// Writes all of `bytes` at `offset`.
  ///
  /// The corresponding C function is `pwrite`.
  public func write(_ bytes: Span<UInt8>, at offset: Int) throws(SystemError) {
    var (rest, position) = (bytes, offset)
    while !rest.isEmpty {
      let count = unsafe rest.withUnsafeBufferPointer {
        unsafe cposix_pwrite(raw, $0.baseAddress, $0.count, position)
      }
      if count == -Int(EINTR) { continue }
      _ = try checked(count, "could not write to \"\(path)\"")
      guard count > 0 else { throw SystemError(ENOSPC, "could not write to \"\(path)\"") }
      rest = rest.extracting(droppingFirst: count)
      position += count
    }
  }

  /// Reads `count` bytes at `offset`; fewer only where the file ends.
  public func read(count: Int, at offset: Int) throws(SystemError) -> [UInt8] {
    try Descriptor(rawValue: raw).read(count: count, at: Int64(offset))
  }

  /// Makes the bytes, and what is needed to read them back, durable.
  ///
  /// After an error the file must not be used again: the kernel may have dropped what it could
  /// not write, and a second call would succeed without it.
  /// The corresponding C function is `fdatasync`.
  public func syncData() throws(SystemError) {
    _ = try checked(cposix_fdatasync(raw), "could not fsync \"\(path)\"")
  }

  /// Makes the bytes and all metadata durable; an error is as final as that of `syncData`.
  ///
  /// The corresponding C function is `fsync`.
  public func sync() throws(SystemError) {
    _ = try checked(cposix_fsync(raw), "could not fsync \"\(path)\"")
  }

  /// Has the kernel begin to write that range to disk; makes nothing durable.
  public func beginWriteback(from offset: Int, count: Int) {
    cposix_begin_writeback(raw, Int64(offset), Int64(count))
  }

  deinit { _ = cposix_close(raw) }
}
