internal import Bytes
internal import Postgres

/// The 24 bytes that begin every record of WAL.
struct RecordHeader {
  static var bytes: Int { 24 }
  /// The checksum is over what follows the header, and then the header up to here.
  static var checkedBytes: Int { 20 }
  /// No server writes a longer one.
  static var maxRecordBytes: Int { 1 << 30 }

  /// Where the record before it begins.
  let previous: LSN
  let crc: UInt32
  private let flags: UInt8
  private let manager: UInt8

  /// From a span that holds all its bytes.
  init(_ bytes: Span<UInt8>) {
    previous = LSN(rawValue: bytes.littleEndian(UInt64.self, at: 8))
    flags = bytes[16]
    manager = bytes[17]
    crc = bytes.littleEndian(UInt32.self, at: 20)
  }

  /// Nothing else follows in the segment.
  var isSwitch: Bool { manager == 0 && flags & 0xF0 == 0x40 }
  /// A transaction ended well: XLOG_XACT_COMMIT, or XLOG_XACT_COMMIT_PREPARED.
  var isCommit: Bool { manager == 1 && (flags & 0x70 == 0x00 || flags & 0x70 == 0x30) }

  /// When it did, in microseconds since 1970, from what follows the header; nil when that is not
  /// as a commit's is.
  ///
  /// Main data begins with the time, behind the fragments' headers: an origin, a top-level
  /// transaction, then the main data's own.
  func commitTime(_ body: Span<UInt8>) -> Int64? {
    var offset = 0
    while offset < body.count {
      switch body[offset] {
      case 253: offset += 3
      case 252: offset += 5
      case 254, 255:
        offset += body[offset] == 255 ? 2 : 5
        guard offset + 8 <= body.count else { return nil }
        return body.littleEndian(Int64.self, at: offset) &+ 946_684_800_000_000
      default: return nil
      }
    }
    return nil
  }

  /// It stands where the rest of a record should be that a crash cut off.
  var isOverwrite: Bool { manager == 0 && flags & 0xF0 == 0xD0 }
}

/// A record whose bytes come in pieces, because it goes over the end of a page.
struct PendingRecord: Sendable {
  let start: LSN
  let totalBytes: Int
  private(set) var takenBytes = 0
  private var head = InlineArray<24, UInt8>(repeating: 0)
  private var crc = CRC32C()

  init(start: LSN, totalBytes: Int) { (self.start, self.totalBytes) = (start, totalBytes) }

  var remainingBytes: Int { totalBytes - takenBytes }

  /// Takes in the next bytes, of which there are no more than remain.
  mutating func take(_ bytes: Span<UInt8>) {
    var rest = bytes
    while takenBytes < RecordHeader.bytes, !rest.isEmpty {
      head[takenBytes] = rest[0]
      takenBytes += 1
      rest = rest.extracting(droppingFirst: 1)
    }
    crc.update(rest)
    takenBytes += rest.count
  }

  /// Nil as long as its bytes have not all come.
  var header: RecordHeader? { takenBytes < RecordHeader.bytes ? nil : RecordHeader(head.span) }

  /// True if the checksum of the whole record is the one that it carries.
  func holds(_ header: RecordHeader) -> Bool {
    var crc = crc
    crc.update(head.span.extracting(first: RecordHeader.checkedBytes))
    return crc.value == header.crc
  }
}
