internal import Bytes
internal import Digests
internal import Filter
internal import Posix

/// The bytes of one range or part: a buffer with an identity, because threads hand it on.
///
/// They lie in memory, or in a file that has no name and goes with the process. Only one thread has it at a time; the
/// queue that hands it on is the fence between them.
final class PartBuffer: @unchecked Sendable {
  private static var pieceBytes: Int { 256 << 10 }

  /// Empty where there is a file.
  private var memory: ByteBuffer
  private let file: File?
  private var fileBytes = 0
  let capacity: Int
  /// Which byte of an object an answer must begin with to be taken in here.
  var wantedOffset = 0

  /// A buffer in memory.
  init(capacity: Int) {
    self.capacity = capacity
    memory = ByteBuffer(capacity: capacity)
    file = nil
  }

  /// A buffer in a file in `folder`, with room for `capacity` bytes where the file system can promise that.
  init(capacity: Int, in folder: String) throws(SystemError) {
    let file = try File(scratchIn: folder)
    try file.reserve(capacity, writing: false)
    self.capacity = capacity
    memory = ByteBuffer(capacity: 1)
    self.file = consume file
  }

  var count: Int { memory.count + fileBytes }

  func removeAll() {
    memory.removeAll()
    fileBytes = 0
  }

  func append(_ piece: Span<UInt8>) throws(SystemError) {
    guard file != nil else { return memory.append(piece) }
    try file?.write(piece, at: fileBytes)
    fileBytes += piece.count
  }

  /// Copies what it has from `offset` on; returns how many bytes, 0 at the end.
  ///
  /// The corresponding C functions are `memcpy` and `pread`.
  func copy(
    from offset: Int, into target: UnsafeMutablePointer<UInt8>, capacity: Int
  ) throws(SystemError) -> Int {
    let wanted = min(capacity, count - offset)
    guard wanted > 0 else { return 0 }
    if let count = unsafe try file?.read(into: target, count: wanted, at: offset) { return count }
    lend(memory) { held in
      unsafe held.withUnsafeBufferPointer { bytes in
        guard let base = bytes.baseAddress else { return }
        unsafe target.update(from: base + offset, count: wanted)
      }
    }
    return wanted
  }

  /// Lends what it holds, piece by piece.
  func forEachPiece(_ body: (Span<UInt8>) throws -> Void) throws {
    guard file != nil else { return try lend(memory, body) }
    var piece = ByteBuffer(capacity: Self.pieceBytes)
    var offset = 0
    while offset < count {
      piece.removeAll()
      let length = unsafe try copy(
        from: offset, into: piece.reserve(Self.pieceBytes), capacity: Self.pieceBytes)
      guard length > 0 else { throw Failure(.io, "a part was not read back as it was written") }
      unsafe piece.advance(by: length)
      try lend(piece, body)
      offset += length
    }
  }

  private func lend<E: Error>(
    _ bytes: borrowing ByteBuffer, _ body: (Span<UInt8>) throws(E) -> Void
  ) throws(E) { try body(bytes.span) }
}

extension PartBuffer {
  func md5() throws -> [UInt8] {
    var digest = MD5()
    try forEachPiece { digest.update($0) }
    return digest.finish()
  }
}
