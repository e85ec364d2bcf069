internal import CPosix
internal import Glibc

/// A file descriptor somebody else owns: the standard streams, a borrowed file.
public struct Descriptor: Sendable {
  public let rawValue: Int32
  public static let standardInput = Descriptor(rawValue: 0)
  public static let standardOutput = Descriptor(rawValue: 1)
  public static let standardError = Descriptor(rawValue: 2)

  public init(rawValue: Int32) { self.rawValue = rawValue }

  /// Reads what is there, at most `capacity` bytes; 0 means end of input.
  ///
  /// Throws an error that `isInterrupt` when a stop signal came in while waiting.
  /// The corresponding C function is `read`.
  @unsafe
  public func read(
    into target: UnsafeMutablePointer<UInt8>, capacity: Int
  ) throws(SystemError) -> Int {
    while true {
      if StopSignal.received != nil { throw .interrupted }
      let count = unsafe cposix_read(rawValue, target, capacity)
      if count >= 0 { return count }
      if count != -Int(EINTR) { throw SystemError(Int32(-count), "could not read input") }
    }
  }

  /// Reads into `buffer`; 0 means end of input.
  public func read(into buffer: inout [UInt8]) throws(SystemError) -> Int {
    var span = buffer.mutableSpan
    let capacity = span.count
    return unsafe try span.withUnsafeMutableBufferPointer { (raw) throws(SystemError) -> Int in
      guard let base = raw.baseAddress else { return 0 }
      return unsafe try read(into: base, capacity: capacity)
    }
  }

  /// Reads `count` bytes at `offset` of a file; fewer only where the file ends.
  ///
  /// The corresponding C function is `pread`.
  public func read(count: Int, at offset: Int64) throws(SystemError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      let result = unsafe bytes.withUnsafeMutableBytes { raw in
        guard let base = raw.baseAddress else { return 0 }
        return unsafe cposix_pread(rawValue, base + filled, count - filled, Int(offset) + filled)
      }
      if result == 0 { break }
      if result < 0, result != -Int(EINTR) {
        throw SystemError(Int32(-result), "could not read input")
      }
      filled += max(0, result)
    }
    bytes.removeSubrange(filled...)
    return bytes
  }

  /// Writes all of `bytes`, however many calls that takes.
  ///
  /// The corresponding C function is `write`.
  public func writeAll(_ bytes: Span<UInt8>) throws(SystemError) {
    var rest = bytes
    while !rest.isEmpty {
      let count = unsafe rest.withUnsafeBufferPointer {
        unsafe cposix_write(rawValue, $0.baseAddress, $0.count)
      }
      if count < 0, count != -Int(EINTR) {
        throw SystemError(Int32(-count), "could not write output")
      }
      rest = rest.extracting(droppingFirst: max(0, count))
      // A signal that comes when a part was written shortens the write and is no error.
      if !rest.isEmpty, StopSignal.received != nil { throw .interrupted }
    }
  }

  /// Writes all of `bytes` with one call, for lines that other processes append to the same file.
  public func append(_ bytes: Span<UInt8>) throws(SystemError) {
    let count = unsafe bytes.withUnsafeBufferPointer {
      unsafe cposix_write(rawValue, $0.baseAddress, $0.count)
    }
    guard try checked(count, "could not append") == bytes.count else {
      throw SystemError(ENOSPC, "could not append the whole line")
    }
  }

  /// Waits until there is something to read; `false` after `milliseconds` (-1: wait for ever).
  public func waitReadable(milliseconds: Int32) throws(SystemError) -> Bool {
    try wait(for: Int16(POLLIN), milliseconds)
  }

  /// The same for the moments after a stop signal, which this wait does not heed.
  public func isReadable(within milliseconds: Int32) -> Bool {
    cposix_poll(rawValue, Int16(POLLIN), milliseconds) > 0
  }

  /// Throws an error that `isBrokenPipe` when whoever read what is written here is gone.
  public func checkReader() throws(SystemError) {
    guard cposix_poll(rawValue, 0, 0) > 0 else { return }
    throw SystemError(EPIPE, "could not write output")
  }

  /// Reads what is there, at most `count` bytes, without waiting, stop signal or not; nil when
  /// nothing is, empty at the end of the input.
  public func readAvailable(count: Int) throws(SystemError) -> [UInt8]? {
    guard isReadable(within: 0) else { return nil }
    var bytes = [UInt8](repeating: 0, count: count)
    let result = unsafe bytes.withUnsafeMutableBytes { raw in
      unsafe cposix_read(rawValue, raw.baseAddress, raw.count)
    }
    if result == -Int(EINTR) || result == -Int(EAGAIN) { return nil }
    bytes.removeSubrange(Int(try checked(result, "could not read input"))...)
    return bytes
  }

  /// Waits until something can be written; `false` after `milliseconds` (-1: wait for ever).
  public func waitWritable(milliseconds: Int32) throws(SystemError) -> Bool {
    try wait(for: Int16(POLLOUT), milliseconds)
  }

  private func wait(for events: Int16, _ milliseconds: Int32) throws(SystemError) -> Bool {
    let end = milliseconds < 0 ? Int64.max : Clock.monotonic() + Int64(milliseconds) * 1_000_000
    while true {
      if StopSignal.received != nil { throw .interrupted }
      // In slices, because a stop signal interrupts the main thread only.
      let left = end == .max ? 500 : max(0, (end - Clock.monotonic()) / 1_000_000)
      let result = cposix_poll(rawValue, events, Int32(min(500, left)))
      if result > 0 { return true }
      if result < 0, result != -EINTR { throw SystemError(-result, "could not wait") }
      if result == 0, left == 0 { return false }
    }
  }

  /// Asks for a pipe of `bytes`, so that its two ends switch less often; anything else ignores it.
  public func growPipe(to bytes: Int32) { cposix_grow_pipe(rawValue, bytes) }

  /// Has the kernel begin to write that range of a file to disk, so that a later fsync waits less.
  ///
  /// A hint: it makes nothing durable, and where it cannot be followed nothing happens.
  public func beginWriteback(from offset: Int, count: Int) {
    cposix_begin_writeback(rawValue, Int64(offset), Int64(count))
  }

  /// Closes it here and now, so that the reader of a standard stream sees the end.
  ///
  /// The corresponding C function is `close`.
  public func close() throws(SystemError) {
    _ = try checked(cposix_close(rawValue), "could not close output")
  }
}
