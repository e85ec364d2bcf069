import Bytes
import Postgres
import WAL

/// Builds segments of a log as a server would lay them out, record by record.
///
/// It knows no more of the format than what PostgreSQL's headers say of it.
struct SampleLog {
  static let system: UInt64 = 7_123_456_789_012_345_678
  static let size = SegmentSize(bytes: 1 << 20) ?? .standard

  var timeline: UInt32 = 1
  var pageBytes = 8192
  /// All bytes from `start` on.
  var bytes: [UInt8] = []
  let start: LSN
  var previous = LSN.invalid
  /// Where each record begins, and its length.
  var records: [(start: LSN, length: Int)] = []

  /// Begins at the segment of that number.
  init(from number: UInt64 = 1) {
    start = LSN(rawValue: number * UInt64(Self.size.bytes))
  }

  var position: LSN { start + bytes.count }

  /// Appends a record with `length` bytes behind its header; returns where it begins.
  @discardableResult
  mutating func append(
    _ length: Int, manager: UInt8 = 10, flags: UInt8 = 0, previous wrong: LSN? = nil
  ) -> LSN {
    while bytes.count % 8 != 0 { bytes.append(0) }
    if bytes.count % pageBytes == 0 { appendHeader(remaining: 0) }
    let at = position
    var body = [UInt8](repeating: 0, count: length)
    for index in body.indices { body[index] = UInt8(truncatingIfNeeded: index &* 31 &+ length) }
    var head = Self.little(UInt32(24 + length)) + Self.little(UInt32(7))
    head += Self.little((wrong ?? previous).rawValue) + [flags, manager, 0, 0]
    var crc = CRC32C()
    crc.update(body.span)
    crc.update(head.span)
    appendAcrossPages(head + Self.little(crc.value) + body)
    previous = at
    records.append((at, 24 + length))
    return at
  }

  /// Appends what there is of a record that a crash cuts off where its first page ends.
  mutating func appendTorn() {
    append(3 * pageBytes)
    let torn = records.removeLast()
    previous = records.last?.start ?? .invalid
    let end = (torn.start - start) / pageBytes * pageBytes + pageBytes
    bytes.removeSubrange(end...)
    appendHeader(remaining: 0, flags: 8)
    append(18, manager: 0, flags: 0xD0)
  }

  /// Ends the segment as `pg_switch_wal` does.
  mutating func appendSwitch() {
    append(0, manager: 0, flags: 0x40)
    fill()
  }

  /// Zeros up to the end of the segment.
  mutating func fill() {
    while bytes.count % Self.size.bytes != 0 { bytes.append(0) }
  }

  private mutating func appendAcrossPages(_ record: [UInt8]) {
    var rest = record[...]
    while !rest.isEmpty {
      if bytes.count % pageBytes == 0 { appendHeader(remaining: rest.count) }
      let room = pageBytes - bytes.count % pageBytes
      bytes += rest.prefix(room)
      rest = rest.dropFirst(room)
    }
  }

  private mutating func appendHeader(remaining: Int, flags: UInt16 = 0) {
    let isLong = bytes.count % Self.size.bytes == 0
    let all = flags | (isLong ? 2 : 0) | (remaining > 0 ? 1 : 0)
    bytes += Self.little(UInt16(0xD110)) + Self.little(all) + Self.little(timeline)
    bytes += Self.little(position.rawValue - 8) + Self.little(UInt32(remaining)) + [0, 0, 0, 0]
    if isLong {
      bytes += Self.little(Self.system) + Self.little(UInt32(Self.size.bytes))
      bytes += Self.little(UInt32(pageBytes))
    }
  }

  private static func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    (0..<MemoryLayout<T>.size).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
  }

  /// The segments, the last one filled up with zeros.
  var segments: [[UInt8]] {
    var padded = self
    padded.fill()
    return stride(from: 0, to: padded.bytes.count, by: Self.size.bytes).map {
      Array(padded.bytes[$0..<$0 + Self.size.bytes])
    }
  }

  func segment(_ index: Int) -> Segment {
    Segment(timeline: timeline, holding: start + index * Self.size.bytes, size: Self.size)
  }
}
