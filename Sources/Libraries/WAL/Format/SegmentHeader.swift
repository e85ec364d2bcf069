public import Bytes
public import Postgres

/// The long header of a segment's first page, which says whose and which segment it is.
///
/// 40 bytes in the server's byte order, which is taken to be little-endian:
///
///      0  magic u16, flags u16, timeline u32
///      8  page address u64
///     16  remaining bytes u32, 4 of padding
///     24  system identifier u64
///     32  segment size u32, page size u32
public struct SegmentHeader: Equatable, Sendable {
  public static var bytes: Int { 40 }

  /// The format's version: `0xD110` is that of PostgreSQL 15.
  public let magic: UInt16
  /// That of the page, which may be an ancestor of the file's.
  ///
  /// A new timeline's first segment begins as a copy of the old one's.
  public let timeline: UInt32
  /// Where the segment begins.
  public let pageAddress: LSN
  public let systemIdentifier: UInt64
  public let segmentSize: SegmentSize
  /// A power of two from 1 KiB to 64 KiB; 8 KiB unless the server was built otherwise.
  public let pageBytes: Int
  /// True if the segment begins inside a record that the segment before it began.
  public let continues: Bool
  /// The bytes of that record that are still to come; 0 when there is none.
  public let remainingBytes: Int

  /// Reads the first 40 bytes of a segment; the offset of an error is that of the field.
  ///
  /// Throws where a field cannot be right in any segment. A magic of a server newer than the
  /// newest one known is taken, because the layout has been the same since 9.3.
  public init(parsing bytes: Span<UInt8>) throws(DecodeError) {
    let page = try PageHeader(parsing: bytes)
    guard page.isLong, bytes.count >= Self.bytes else {
      throw DecodeError(expected: "the long header of a segment's first page", offset: 2)
    }
    guard PageHeader.knows(page.magic) else {
      throw DecodeError(expected: "the magic number of PostgreSQL 13 or later", offset: 0)
    }
    magic = page.magic
    (timeline, pageAddress) = (page.timeline, page.address)
    (continues, remainingBytes) = (page.continues, page.remainingBytes)
    systemIdentifier = bytes.littleEndian(UInt64.self, at: 24)
    let size = bytes.littleEndian(UInt32.self, at: 32)
    guard let segmentSize = SegmentSize(bytes: Int(size)) else {
      throw DecodeError(expected: "a segment size, and not \(size),", offset: 32)
    }
    self.segmentSize = segmentSize
    pageBytes = Int(bytes.littleEndian(UInt32.self, at: 36))
    guard pageBytes >= 1 << 10, pageBytes <= 64 << 10, pageBytes & (pageBytes - 1) == 0 else {
      throw DecodeError(expected: "a page size, and not \(pageBytes),", offset: 36)
    }
  }

  /// The major version of the server; nil when it is newer than those known.
  public var version: Int? { PageHeader.versions.first { $0.magic == magic }?.version }

  /// What contradicts its being `segment`'s, in words; nil when nothing does.
  ///
  /// With nil for `systemIdentifier` it may be any cluster's.
  public func contradiction(to segment: Segment, systemIdentifier: UInt64?) -> String? {
    fault(as: segment, systemIdentifier: systemIdentifier)?.detail
  }

  func fault(as segment: Segment, systemIdentifier wanted: UInt64?) -> WALFault? {
    if let wanted, wanted != systemIdentifier {
      return WALFault(
        .system, at: segment.start, "it is of the system \(systemIdentifier), not \(wanted)")
    }
    if segmentSize != segment.size {
      return WALFault(
        .header, at: segment.start,
        "it is of a cluster with segments of \(segmentSize.bytes) bytes, not \(segment.size.bytes)")
    }
    if pageAddress != segment.start {
      return WALFault(
        .header, at: segment.start, "it begins at \(pageAddress), not \(segment.start)")
    }
    if timeline == 0 || timeline > segment.timeline {
      return WALFault(
        .header, at: segment.start, "it begins on timeline \(timeline), not \(segment.timeline)")
    }
    return nil
  }
}
