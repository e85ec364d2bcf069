internal import Filter
public import JSON
internal import Posix
internal import Postgres

/// The gaps that somebody has taken note of, such as those a receiver went on behind.
public struct KnownGaps: Sendable {
  /// What is missing of each timeline.
  private var gaps: [UInt32: [Range<LSN>]] = [:]
  /// What is missing between one timeline and another: all of the timelines between them, and of the
  /// other one what is before a position.
  private var crossings: [(timelines: ClosedRange<UInt32>, end: LSN)] = []

  public init() {}

  /// Reads `gap` records from a file; other records are passed over.
  public init(path: String) throws {
    let file = try File(reading: path)
    var reader = RecordReader(from: file.descriptor, name: path)
    while let record = try reader.next() {
      if record.type == "gap" { try insert(record) }
    }
  }

  /// Takes in a record with `timeline`, `start_lsn` and `end_lsn`, and with `end_timeline` where the
  /// gap ends on another one; throws a `Failure` (65).
  ///
  /// A gap that ends where it begins tells that the histories part there, and that nothing is missing.
  public mutating func insert(_ record: Record) throws {
    guard let timeline = record.integer("timeline").flatMap({ UInt32(exactly: $0) }),
      let start = record.string("start_lsn").flatMap({ LSN($0) }),
      let end = record.string("end_lsn").flatMap({ LSN($0) }),
      let endTimeline = UInt32(exactly: record.integer("end_timeline") ?? Int(timeline)),
      endTimeline > timeline || endTimeline == timeline && start <= end
    else {
      throw Failure(
        .badInput, "malformed gap record",
        detail: "Expected timeline, start_lsn, end_lsn, and end_timeline perhaps, in order.")
    }
    if start < end { insert(start..<end, of: timeline) }
    if endTimeline > timeline { crossings.append((timeline + 1...endTimeline, end)) }
  }

  private mutating func insert(_ gap: Range<LSN>, of timeline: UInt32) {
    var all = gaps[timeline, default: []]
    all.append(gap)
    gaps[timeline] = all.sorted { $0.lowerBound < $1.lowerBound }
  }

  /// True if every byte of a timeline's segments `from..<to` lies in a segment that a gap touches.
  func cover(timeline: UInt32, from: LSN, to: LSN, size: SegmentSize) -> Bool {
    let mask = ~UInt64(size.bytes - 1)
    let ceiling = { (position: LSN) in
      LSN(rawValue: (position + (size.bytes - 1)).rawValue & mask)
    }
    var reached = from
    for (timelines, end) in crossings where timelines.contains(timeline) {
      reached = max(reached, timeline == timelines.upperBound ? ceiling(end) : to)
    }
    for gap in gaps[timeline] ?? [] {
      let start = LSN(rawValue: gap.lowerBound.rawValue & mask)
      if start <= reached { reached = max(reached, ceiling(gap.upperBound)) }
    }
    return reached >= to
  }
}
