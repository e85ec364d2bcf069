internal import Bytes
internal import Posix

/// Who takes the bytes of a file, block by block.
///
/// A class, because a store's reader keeps hold of it while its threads run.
protocol BlockSink: AnyObject {
  /// Takes whole blocks of `RecordWalk.blockBytes`; the file's last may be shorter.
  ///
  /// Returns false when no more is wanted.
  func take(_ bytes: Span<UInt8>) throws -> Bool
}

/// Keeps a short file, or the beginning of a long one.
final class PrefixSink: BlockSink {
  private let limit: Int
  private(set) var bytes: [UInt8] = []

  /// `limit` is in bytes.
  init(limit: Int) { self.limit = limit }

  func take(_ bytes: Span<UInt8>) -> Bool {
    self.bytes += [UInt8](
      copying: bytes.extracting(first: min(bytes.count, limit - self.bytes.count)))
    return self.bytes.count < limit
  }
}

/// Takes the checksum of a file's beginning, and finds its last byte that is not zero.
final class PrefixSumSink: BlockSink {
  private let limit: Int
  private var offset = 0
  private(set) var crc = CRC32C()
  /// The number of bytes up to and with the last one that is not zero.
  private(set) var usedBytes = 0

  /// `limit` is in bytes.
  init(limit: Int) { self.limit = limit }

  func take(_ bytes: Span<UInt8>) -> Bool {
    crc.update(bytes.extracting(first: min(bytes.count, limit - offset)))
    var last = bytes.isZero ? 0 : bytes.count
    while last > 0, bytes[last - 1] == 0 { last -= 1 }
    if last > 0 { usedBytes = offset + last }
    offset += bytes.count
    return offset < limit
  }
}
