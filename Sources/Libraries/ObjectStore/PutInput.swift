internal import Bytes
internal import Digests
internal import Filter
internal import Posix

/// The digests of one part.
struct PartDigest: Sendable {
  let sha256: [UInt8]
  let crc32c: CRC32C
}

/// The bytes to publish, read once and digested on the way.
struct PutInput: ~Copyable {
  /// Small enough that what was read is still near when it is digested.
  private static var pieceBytes: Int { 256 << 10 }

  private let source: Descriptor
  private var sha256: TwinSHA256
  private(set) var crc32c = CRC32C()
  private(set) var byteCount = 0
  private(set) var isAtEnd = false
  /// A byte that was read to see whether there is one.
  private var next: UInt8?
  private var progress: Progress?

  /// With `partBytes`, the size of the first parts, the parts' digests cost little more.
  init(_ source: Descriptor, log: JobLog?, partBytes: Int = 64) {
    self.source = source
    sha256 = TwinSHA256(isAligned: partBytes.isMultiple(of: 64))
    source.growPipe(to: 1 << 20)
    progress = log.map { Progress($0) }
  }

  /// False at the end of the input; waits for what can tell.
  mutating func hasMore() throws(SystemError) -> Bool {
    if isAtEnd || next != nil { return !isAtEnd }
    var byte = [UInt8(0)]
    isAtEnd = try source.read(into: &byte) == 0
    if !isAtEnd { next = byte[0] }
    return !isAtEnd
  }

  /// Reads up to `size` bytes, fewer only at the end of the input, and hands them on piece by piece.
  mutating func read(
    upTo size: Int, _ take: (Span<UInt8>) throws(SystemError) -> Void
  ) throws(SystemError) -> PartDigest {
    var partCRC = CRC32C()
    var piece = ByteBuffer(capacity: Self.pieceBytes)
    var left = size
    while left > 0, !isAtEnd {
      try read(min(Self.pieceBytes, left), into: &piece)
      sha256.update(piece.span)
      partCRC.update(piece.span)
      try take(piece.span)
      byteCount += piece.count
      left -= piece.count
      progress?.report(inBytes: byteCount, outBytes: 0)
    }
    crc32c.append(partCRC)
    return PartDigest(sha256: sha256.finishPart(), crc32c: partCRC)
  }

  /// Leaves `piece` empty at the end of the input.
  private mutating func read(
    _ wanted: Int, into piece: inout ByteBuffer
  ) throws(SystemError) {
    piece.removeAll()
    if let byte = next.take() { return piece.append(byte) }
    let count = unsafe try source.read(into: piece.reserve(wanted), capacity: wanted)
    unsafe piece.advance(by: count)
    isAtEnd = count == 0
  }

  /// The digest of all that was read; nothing can be read after that.
  mutating func finish() -> [UInt8] { sha256.finishWhole() }
}
