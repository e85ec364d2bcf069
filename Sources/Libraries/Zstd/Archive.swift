internal import Bytes

/// A stream as this library writes it: a marker, frames, and the seek table of them all.
///
/// The marker is a skippable frame of ours. A stream that begins with it must end with a table
/// that agrees with its frames, so that a stream cut off between two frames is noticed, which
/// zstd alone cannot do. Other readers pass over both.
enum Archive {
  static var markerMagic: UInt32 { 0x184D_2A53 }
  static var markerContent: StaticString { "sluice/1" }

  /// The marker frame.
  static var marker: [UInt8] {
    var frame: [UInt8] = []
    frame.append(littleEndian: markerMagic)
    frame.append(littleEndian: UInt32(markerContent.utf8CodeUnitCount))
    var content = ByteBuffer()
    content.append(markerContent)
    return frame + [UInt8](copying: content.span)
  }

  /// Its line in the table.
  static var markerEntry: SeekTable.Entry {
    SeekTable.Entry(compressedBytes: UInt32(marker.count), contentBytes: 0)
  }
}

/// Holds the archives in a stream to their promise; other frames may stand between them.
struct ArchiveCheck: ~Copyable {
  /// The frames since the marker; nil outside an archive.
  private var seen: SeekTable?
  /// The content of the skippable frame at hand, if it may be a marker or a table.
  private var kept = ByteBuffer()
  private var isKeeping = false

  init() {}

  mutating func begin(_ header: FrameHeader) throws(FrameFault) {
    kept.removeAll()
    isKeeping = false
    guard header.isSkippable else { return }
    if let seen, header.magic == SeekTable.frameMagic {
      // Only a table of the right length is worth the memory.
      guard header.skippedBytes == seen.contentBytes else { throw Self.disagreement }
      isKeeping = true
    } else if header.magic == Archive.markerMagic {
      isKeeping = header.skippedBytes == Archive.markerContent.utf8CodeUnitCount
    }
  }

  mutating func take(_ content: Span<UInt8>) {
    if isKeeping { kept.append(content) }
  }

  mutating func end(_ header: FrameHeader, _ frame: Frame) throws(FrameFault) {
    if isKeeping, header.magic == SeekTable.frameMagic { return try endArchive() }
    if isKeeping, kept.span.equals(Archive.markerContent) {
      guard seen == nil else {
        throw FrameFault("begins another archive, and the one before it has no seek table")
      }
      seen = SeekTable()
    }
    try note(frame)
  }

  private mutating func endArchive() throws(FrameFault) {
    guard let seen, let table = SeekTable(parsing: kept.span), table == seen else {
      throw Self.disagreement
    }
    self.seen = nil
  }

  private mutating func note(_ frame: Frame) throws(FrameFault) {
    guard seen != nil else { return }
    guard let compressed = UInt32(exactly: frame.compressedBytes),
      let content = frame.contentBytes.flatMap({ UInt32(exactly: $0) })
    else { throw FrameFault("is no frame of an archive") }
    let entry = SeekTable.Entry(compressedBytes: compressed, contentBytes: content)
    do throws(ZstdError) { try seen?.append(entry) } catch {
      throw FrameFault("is one too many: \(error.message)")
    }
  }

  private static var disagreement: FrameFault {
    FrameFault("is a seek table that does not agree with the frames before it")
  }

  /// True where the stream may end.
  var isComplete: Bool { seen == nil }
}
