internal import Bytes

/// The table of a stream's frames, in the public zstd seekable format, version 0.1.0.
///
/// It is the content of the skippable frame that ends the stream:
///
///     entry, one a frame    compressed size, 4 bytes · content size, 4 bytes · [checksum, 4 bytes]
///     footer                number of frames, 4 bytes · descriptor, 1 byte · magic B1 EA 92 8F
///
/// Skippable frames before it have entries with the content size 0. All numbers are little-endian.
public struct SeekTable: Equatable, Sendable {
  public struct Entry: Equatable, Sendable {
    public let compressedBytes: UInt32
    public let contentBytes: UInt32

    public init(compressedBytes: UInt32, contentBytes: UInt32) {
      self.compressedBytes = compressedBytes
      self.contentBytes = contentBytes
    }
  }

  /// The format's limit on the number of frames.
  public static var maxEntries: Int { 0x800_0000 }
  static var firstSkippableMagic: UInt32 { 0x184D_2A50 }
  static var frameMagic: UInt32 { 0x184D_2A5E }
  private static var footerMagic: UInt32 { 0x8F92_EAB1 }
  private static var footerBytes: Int { 9 }

  public private(set) var entries: [Entry] = []

  public init() {}

  mutating func append(_ entry: Entry) throws(ZstdError) {
    guard entries.count < Self.maxEntries else {
      throw ZstdError(
        "the stream has more than \(Self.maxEntries) frames, which is all a seek table holds")
    }
    entries.append(entry)
  }

  /// The bytes of the table without the skippable frame's header.
  var contentBytes: Int { entries.count * 8 + Self.footerBytes }

  /// The skippable frame that holds the table.
  var frame: [UInt8] {
    var frame: [UInt8] = []
    frame.reserveCapacity(8 + contentBytes)
    frame.append(littleEndian: Self.frameMagic)
    frame.append(littleEndian: UInt32(contentBytes))
    for entry in entries {
      frame.append(littleEndian: entry.compressedBytes)
      frame.append(littleEndian: entry.contentBytes)
    }
    frame.append(littleEndian: UInt32(entries.count))
    frame.append(0)  // the entries have no checksums: the frames have
    frame.append(littleEndian: Self.footerMagic)
    return frame
  }

  /// Reads the content of a skippable frame; nil when it holds no seek table.
  public init?(parsing content: Span<UInt8>) {
    let footer = content.count - Self.footerBytes
    guard footer >= 0, Self.number(content, footer + 5) == Self.footerMagic else { return nil }
    let descriptor = content[footer + 4]
    guard descriptor & 0x7C == 0 else { return nil }  // reserved for breaking changes
    let entryBytes = descriptor & 0x80 == 0 ? 8 : 12
    let count = Int(Self.number(content, footer))
    guard count <= Self.maxEntries, count * entryBytes == footer else { return nil }
    entries.reserveCapacity(count)
    for start in stride(from: 0, to: footer, by: entryBytes) {
      entries.append(
        Entry(
          compressedBytes: Self.number(content, start),
          contentBytes: Self.number(content, start + 4)))
    }
  }

  private static func number(_ bytes: Span<UInt8>, _ start: Int) -> UInt32 {
    var value: UInt32 = 0
    for index in (start..<start + 4).reversed() { value = value << 8 | UInt32(bytes[index]) }
    return value
  }
}

extension [UInt8] {
  mutating func append(littleEndian value: UInt32) {
    for shift in [0, 8, 16, 24] as [UInt32] { append(UInt8(truncatingIfNeeded: value >> shift)) }
  }
}
