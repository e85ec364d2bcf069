internal import Filter
public import JSON
internal import Posix
internal import Postgres

/// The gaps that somebody has taken note of, such as those a receiver went on behind.
public struct KnownGaps: Sendable {
  private var gaps: [UInt32: [Range<LSN>]] = [:]

  public init() {}

  /// Reads `gap` records from a file; other records are passed over.
  public init(path: String) throws {
    let file = try File(reading: path)
    var reader = RecordReader(from: file.descriptor, name: path)
    while let record = try reader.next() {
      if record.type == "gap" { try insert(record) }
    }
  }

  /// Takes in a record with `timeline`, `start_lsn` and `end_lsn`; throws a `Failure` (65).
  public mutating func insert(_ record: Record) throws {
    guard let timeline = record.integer("timeline").flatMap({ UInt32(exactly: $0) }),
      let start = record.string("start_lsn").flatMap({ LSN($0) }),
      let end = record.string("end_lsn").flatMap({ LSN($0) }), start < end
    else {
      throw Failure(
        .badInput, "malformed gap record", detail: "Expected timeline, start_lsn and end_lsn.")
    }
    var all = gaps[timeline, default: []]
    all.append(start..<end)
    gaps[timeline] = all.sorted { $0.lowerBound < $1.lowerBound }
  }

  /// True if every byte of a timeline's segments `from..<to` lies in a segment that a gap touches.
  func cover(timeline: UInt32, from: LSN, to: LSN, size: SegmentSize) -> Bool {
    let mask = ~UInt64(size.bytes - 1)
    var reached = from
    for gap in gaps[timeline] ?? [] {
      let start = LSN(rawValue: gap.lowerBound.rawValue & mask)
      let end = LSN(rawValue: (gap.upperBound + (size.bytes - 1)).rawValue & mask)
      if start <= reached, end > reached { reached = end }
    }
    return reached >= to
  }
}
