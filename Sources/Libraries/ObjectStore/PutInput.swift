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
  private static var chunkBytes: Int { 256 << 10 }

  private let source: Descriptor
  private var sha256: TwinSHA256
  private(set) var crc32c = CRC32C()
  private(set) var byteCount = 0
  private(set) var isAtEnd = false
  private var progress: Progress?

  /// With `partBytes`, the size of the first parts, the parts' digests cost little more.
  init(_ source: Descriptor, log: JobLog?, partBytes: Int = 64) {
    self.source = source
    sha256 = TwinSHA256(isAligned: partBytes.isMultiple(of: 64))
    source.growPipe(to: 1 << 20)
    progress = log.map { Progress($0) }
  }

  /// Fills `buffer` from its start with up to `size` bytes; fewer only at the end of the input.
  mutating func fill(_ buffer: PartBuffer, size: Int) throws(SystemError) -> PartDigest {
    var partCRC = CRC32C()
    buffer.bytes.removeAll()
    while buffer.bytes.count < size, !isAtEnd {
      let wanted = min(Self.chunkBytes, size - buffer.bytes.count)
      let before = buffer.bytes.count
      let count = unsafe try source.read(into: buffer.bytes.reserve(wanted), capacity: wanted)
      unsafe buffer.bytes.advance(by: count)
      isAtEnd = count == 0
      let piece = buffer.bytes.span(from: before)
      sha256.update(piece)
      partCRC.update(piece)
      byteCount += count
      progress?.report(inBytes: byteCount, outBytes: 0)
    }
    crc32c.append(partCRC)
    return PartDigest(sha256: sha256.finishPart(), crc32c: partCRC)
  }

  /// The digest of all that was read; nothing can be read after that.
  mutating func finish() -> [UInt8] { sha256.finishWhole() }
}
