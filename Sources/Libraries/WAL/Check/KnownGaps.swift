internal import Filter
public import JSON
internal import Posix
internal import Postgres

/// The gaps that somebody has taken note of, such as those a receiver went on behind.
public struct KnownGaps: Sendable {
  /// What is missing of each timeline.
  private var gaps: [UInt32: [Range<LSN>]] = [:]
  /// Of gaps that end on another timeline, that one and what of it is missing before a position; a
  /// missing position is that of a timeline between the two, of which all is missing.
  private var crossings: [(timelines: ClosedRange<UInt32>, end: LSN?)] = []

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
      endTimeline != timeline || start <= end
    else {
      throw Failure(
        .badInput, "malformed gap record",
        detail: "Expected timeline, start_lsn, end_lsn, and end_timeline perhaps, in order.")
    }
    if start < end { insert(start..<end, of: timeline) }
    guard endTimeline != timeline else { return }
    crossings.append((endTimeline...endTimeline, end))
    // A server that was set back to an earlier timeline goes on with that.
    let between = endTimeline > timeline ? timeline + 1..<endTimeline : endTimeline + 1..<timeline
    if let first = between.first, let last = between.last { crossings.append((first...last, nil)) }
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
      reached = max(reached, end.map(ceiling) ?? to)
    }
    for gap in gaps[timeline] ?? [] {
      let start = LSN(rawValue: gap.lowerBound.rawValue & mask)
      if start <= reached { reached = max(reached, ceiling(gap.upperBound)) }
    }
    return reached >= to
  }
}
