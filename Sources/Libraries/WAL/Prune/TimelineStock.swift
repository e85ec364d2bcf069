/// What an archive has of one timeline.
struct TimelineStock: Sendable {
  /// Numbers of complete segments, ascending, with gaps between.
  private var runs: [ClosedRange<UInt64>] = []
  /// When the last file arrived, in microseconds since 1970; nil when that is unknown.
  var lastArrival: Int64? = .min

  /// Takes note of a complete segment.
  mutating func add(_ number: UInt64) {
    // Listings are in order, so that it is nearly always the end.
    var index = runs.count
    while index > 0, runs[index - 1].lowerBound > number { index -= 1 }
    if index > 0, runs[index - 1].contains(number) { return }
    if index > 0, runs[index - 1].upperBound + 1 == number {
      runs[index - 1] = runs[index - 1].lowerBound...number
    } else {
      runs.insert(number...number, at: index)
      index += 1
    }
    if index < runs.count, runs[index].lowerBound == number + 1 {
      runs[index - 1] = runs[index - 1].lowerBound...runs[index].upperBound
      runs.remove(at: index)
    }
  }

  /// The highest number in `range` that is there.
  func last(in range: ClosedRange<UInt64>) -> UInt64? {
    runs.last { $0.overlaps(range) }.map { min($0.upperBound, range.upperBound) }
  }

  /// The lowest number in `range` that is not there.
  func firstMissing(in range: ClosedRange<UInt64>) -> UInt64? {
    guard let run = runs.first(where: { $0.contains(range.lowerBound) }) else {
      return range.lowerBound
    }
    return run.upperBound < range.upperBound ? run.upperBound + 1 : nil
  }
}
