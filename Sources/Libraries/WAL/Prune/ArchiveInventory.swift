public import Posix
public import Postgres

/// Which files of one cluster an archive has.
///
/// Memory grows with the gaps between segments, not with the segments.
public struct ArchiveInventory: Sendable {
  /// What there is of one timeline.
  private struct Stock {
    var segments = SegmentRuns()
    /// When the last file arrived, in microseconds since 1970; nil when that is unknown.
    var lastArrival: Int64? = .min
  }

  public let size: SegmentSize
  private var stocks: [UInt32: Stock] = [:]
  private var histories: [UInt32: TimelineHistory] = [:]

  public init(size: SegmentSize) { self.size = size }

  /// Every timeline of which there is a file, or that was `mention`ed, in ascending order.
  public var timelines: [UInt32] { stocks.keys.sorted() }

  /// Takes note of a file; `arrival` is in microseconds since 1970, nil when nobody knows.
  ///
  /// Throws a `Failure` (65) for a name that does not go with the size of the segments.
  public mutating func add(_ name: WALFileName, arrival: Int64?) throws(Failure) {
    var stock = stocks[name.timeline] ?? Stock()
    if let last = stock.lastArrival { stock.lastArrival = arrival.map { max(last, $0) } }
    if case .segment(let digits) = name {
      guard let segment = Segment(digits, size: size) else {
        throw Failure(.badInput, "\"\(digits)\" is no segment of \(size.bytes) bytes")
      }
      stock.segments.insert(segment.number)
    }
    stocks[name.timeline] = stock
  }

  /// Takes note of a timeline of which there may be no file.
  public mutating func mention(_ timeline: UInt32) {
    stocks[timeline] = stocks[timeline] ?? Stock()
  }

  public mutating func add(_ history: TimelineHistory) { histories[history.timeline] = history }

  /// How a timeline came to be; nil when the archive does not say.
  public func history(of timeline: UInt32) -> TimelineHistory? {
    histories[timeline] ?? (timeline == 1 ? TimelineHistory(timeline: 1) : nil)
  }

  /// True unless it is known that the timeline's last file came at `moment` or before.
  public func isActive(_ timeline: UInt32, after moment: Int64) -> Bool {
    guard let stock = stocks[timeline] else { return true }
    return stock.lastArrival.map { $0 > moment } ?? true
  }

  /// The first segment that lacks on the way from `start` along `history`, up to `end`.
  ///
  /// Without `end`, up to the last segment that there is on that way. Of a segment in which a
  /// timeline was left, the copy of the timeline that goes on is the one that replay needs.
  /// Nil when none lacks.
  public func firstMissing(
    from start: LSN, along history: TimelineHistory, to end: LSN? = nil
  ) -> Segment? {
    let bytes = UInt64(size.bytes)
    let first = start.rawValue / bytes
    let spans = spans(of: history)
    let last: UInt64
    if let end {
      last = (max(end.rawValue, 1) - 1) / bytes
    } else {
      let ends = spans.compactMap { stocks[$0.timeline]?.segments.last(in: $0.numbers) }
      guard let highest = ends.max() else { return nil }
      last = highest
    }
    for span in spans {
      let from = max(span.numbers.lowerBound, first)
      let to = min(span.numbers.upperBound, last)
      guard from <= to else { continue }
      let segments = stocks[span.timeline]?.segments ?? SegmentRuns()
      if let number = segments.firstMissing(in: from...to) {
        return Segment(timeline: span.timeline, number: number, size: size)
      }
    }
    return nil
  }

  /// The numbers of the segments that replay along `history` takes from each timeline.
  private func spans(
    of history: TimelineHistory
  ) -> [(timeline: UInt32, numbers: ClosedRange<UInt64>)] {
    let bytes = UInt64(size.bytes)
    var spans: [(UInt32, ClosedRange<UInt64>)] = []
    var first: UInt64 = 0
    for ancestor in history.ancestors {
      let next = ancestor.end.rawValue / bytes
      if next > first { spans.append((ancestor.timeline, first...next - 1)) }
      first = next
    }
    spans.append((history.timeline, first...UInt64.max / bytes))
    return spans
  }
}
