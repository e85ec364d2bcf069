/// The size of a cluster's WAL segments, fixed by `initdb --wal-segsize`.
public struct SegmentSize: Hashable, Sendable {
  /// A power of two from 1 MiB to 1 GiB.
  public let bytes: Int

  public static var standard: SegmentSize { SegmentSize(unchecked: 16 << 20) }

  /// Nil for a size that PostgreSQL does not allow.
  public init?(bytes: Int) {
    guard bytes >= 1 << 20, bytes <= 1 << 30, bytes & (bytes - 1) == 0 else { return nil }
    self.init(unchecked: bytes)
  }

  private init(unchecked bytes: Int) { self.bytes = bytes }

  /// How many segments share the middle eight digits of their names.
  var perLog: UInt64 { (1 << 32) / UInt64(bytes) }
}
