internal import CPosix
internal import Glibc

/// Files that have their final size from the start and are written in place, so that making what
/// was written durable needs no change of their metadata.
extension File {
  /// Fills an empty file with `bytes` zeros, written, so that no later write needs a new block.
  public func fillWithZeros(_ bytes: Int) throws(SystemError) {
    let zeros = [UInt8](repeating: 0, count: min(bytes, 1 << 20))
    for offset in stride(from: 0, to: bytes, by: zeros.count) {
      try write(zeros.span.extracting(first: min(zeros.count, bytes - offset)), at: offset)
    }
  }

  /// Gives an empty file `bytes` bytes that read as zeros, without writing them.
  ///
  /// Where the file system cannot reserve them, they are written; without `writing` nothing is done then.
  public func reserve(_ bytes: Int, writing: Bool = true) throws(SystemError) {
    let result = cposix_allocate(descriptor.rawValue, bytes)
    if result == -EOPNOTSUPP || result == -EINVAL {
      if writing { try fillWithZeros(bytes) }
      return
    }
    _ = try checked(result, "could not reserve \(bytes) bytes for \"\(path)\"")
  }

  /// Gives back all of its blocks.
  ///
  /// The corresponding C function is `ftruncate`.
  public func empty() throws(SystemError) {
    _ = try checked(cposix_ftruncate(descriptor.rawValue, 0), "could not empty \"\(path)\"")
  }

  /// Writes all of `bytes` at `offset`.
  ///
  /// The corresponding C function is `pwrite`.
  public func write(_ bytes: Span<UInt8>, at offset: Int) throws(SystemError) {
    var (rest, position) = (bytes, offset)
    while !rest.isEmpty {
      let count = unsafe rest.withUnsafeBufferPointer {
        unsafe cposix_pwrite(descriptor.rawValue, $0.baseAddress, $0.count, position)
      }
      if count == -Int(EINTR) { continue }
      _ = try checked(count, "could not write to \"\(path)\"")
      guard count > 0 else { throw SystemError(ENOSPC, "could not write to \"\(path)\"") }
      rest = rest.extracting(droppingFirst: count)
      position += count
    }
  }

  /// Reads up to `count` bytes at `offset` into memory of the caller's; fewer only where the file ends.
  ///
  /// The corresponding C function is `pread`.
  public func read(
    into target: UnsafeMutablePointer<UInt8>, count: Int, at offset: Int
  ) throws(SystemError) -> Int {
    var filled = 0
    while filled < count {
      let result = unsafe cposix_pread(
        descriptor.rawValue, target + filled, count - filled, offset + filled)
      if result == 0 { break }
      if result == -Int(EINTR) { continue }
      filled += try checked(result, "could not read \"\(path)\"")
    }
    return filled
  }

  /// Makes the bytes, and what is needed to read them back, durable.
  ///
  /// After an error the file must not be used again: the kernel may have dropped what it could
  /// not write, and a second call would succeed without it.
  /// The corresponding C function is `fdatasync`.
  public func syncData() throws(SystemError) {
    _ = try checked(cposix_fdatasync(descriptor.rawValue), "could not fsync \"\(path)\"")
  }
}
