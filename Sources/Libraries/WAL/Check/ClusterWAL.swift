internal import Postgres

/// What is at hand of one cluster's log.
struct ClusterWAL {
  /// What is at hand of one timeline.
  struct Timeline {
    var segments = SegmentRuns()
    /// The places of unfinished segments, by number.
    var partials: [UInt64: Int] = [:]
    /// Whole segments that need no closer look: what is wrong with them has been said.
    var damaged: Set<UInt64> = []
    var historyPlace: Int?
    /// Nil when there is none that could be read.
    var history: TimelineHistory?

    var isEmpty: Bool { segments.isEmpty && partials.isEmpty }

    /// The last whole segment that is not behind `number`.
    func last(upTo number: UInt64) -> UInt64? {
      segments.runs.last { $0.first <= number }.map { min($0.last, number) }
    }

    /// True if a segment is there, whole or not.
    func has(_ number: UInt64) -> Bool {
      segments.place(of: number) != nil || partials[number] != nil
    }
  }

  /// Nil where no file told it.
  let systemIdentifier: String?
  let size: SegmentSize
  private(set) var places: [WALPlace] = []
  var timelines: [UInt32: Timeline] = [:]

  init(of systemIdentifier: String?, segmentSize: SegmentSize) {
    (self.systemIdentifier, size) = (systemIdentifier, segmentSize)
  }

  /// The number by which a place is known here.
  mutating func index(of place: WALPlace) -> Int {
    if let index = places.lastIndex(of: place) { return index }
    places.append(place)
    return places.count - 1
  }

  /// Takes note of a file; false when its name is none that a segment of this size can have.
  mutating func insert(_ name: WALFileName, at place: WALPlace) -> Bool {
    let index = index(of: place)
    switch name {
    case .segment(let digits):
      guard let segment = Segment(digits, size: size) else { return false }
      timelines[name.timeline, default: Timeline()].segments.insert(segment.number, at: index)
    case .partial(let digits):
      guard let segment = Segment(digits, size: size) else { return false }
      timelines[name.timeline, default: Timeline()].partials[segment.number] = index
    case .history:
      timelines[name.timeline, default: Timeline()].historyPlace = index
    case .backupLabel: break
    }
    return true
  }

  func segment(_ timeline: UInt32, _ number: UInt64) -> Segment {
    Segment(timeline: timeline, number: number, size: size)
  }

  /// True if there is no segment, whole or not.
  var isEmpty: Bool { timelines.values.allSatisfy(\.isEmpty) }

  /// The timelines in order; those from before come first.
  var order: [UInt32] { timelines.keys.sorted() }

  /// The history of a timeline; the first one needs no file.
  func history(of timeline: UInt32) -> TimelineHistory? {
    timeline == 1 ? TimelineHistory(timeline: 1) : timelines[timeline]?.history
  }

  /// The segment that a timeline begins in, as a number; nil when its history is not known.
  func beginning(of timeline: UInt32) -> UInt64? {
    guard let history = history(of: timeline) else { return nil }
    return (history.ancestors.last?.end.rawValue ?? 0) / UInt64(size.bytes)
  }
}

extension Segment {
  var fileName: WALFileName { .segment(digits) }
  var partialName: WALFileName { .partial(digits) }
}
