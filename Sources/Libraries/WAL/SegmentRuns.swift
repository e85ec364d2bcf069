/// The segments of one timeline that are at hand: numbers that follow one another, as ranges.
struct SegmentRuns: Sendable {
  /// Segments that follow one another and lie at one place.
  struct Run: Sendable {
    var first: UInt64
    var last: UInt64
    let place: Int
  }

  /// In order, and without overlap.
  private(set) var runs: [Run] = []
  /// What lies at a second place too.
  private(set) var duplicates: [Run] = []

  var isEmpty: Bool { runs.isEmpty }
  var first: UInt64? { runs.first?.first }
  var last: UInt64? { runs.last?.last }

  mutating func insert(_ number: UInt64, at place: Int = 0) {
    let index = firstIndex(endingBehind: number)
    if index < runs.count, runs[index].first <= number {
      if runs[index].place != place { note(duplicate: number, at: place) }
      return
    }
    let joinsLeft =
      index > 0 && runs[index - 1].last + 1 == number && runs[index - 1].place == place
    let joinsRight =
      index < runs.count && runs[index].first == number + 1 && runs[index].place == place
    switch (joinsLeft, joinsRight) {
    case (true, true):
      runs[index - 1].last = runs[index].last
      runs.remove(at: index)
    case (true, false): runs[index - 1].last = number
    case (false, true): runs[index].first = number
    case (false, false): runs.insert(Run(first: number, last: number, place: place), at: index)
    }
  }

  private mutating func note(duplicate number: UInt64, at place: Int) {
    if let last = duplicates.indices.last, duplicates[last].place == place {
      if duplicates[last].last == number { return }
      if duplicates[last].last + 1 == number {
        duplicates[last].last = number
        return
      }
    }
    duplicates.append(Run(first: number, last: number, place: place))
  }

  /// The place of a segment; nil when it is not at hand.
  func place(of number: UInt64) -> Int? {
    let index = firstIndex(endingBehind: number)
    guard index < runs.count, runs[index].first <= number else { return nil }
    return runs[index].place
  }

  /// The ranges without a hole, whatever their places.
  var chains: [ClosedRange<UInt64>] {
    var chains: [ClosedRange<UInt64>] = []
    for run in runs {
      if let last = chains.last, last.upperBound + 1 == run.first {
        chains[chains.count - 1] = last.lowerBound...run.last
      } else {
        chains.append(run.first...run.last)
      }
    }
    return chains
  }

  /// The highest number in `range` that is at hand.
  func last(in range: ClosedRange<UInt64>) -> UInt64? {
    chains.last { $0.overlaps(range) }.map { min($0.upperBound, range.upperBound) }
  }

  /// The lowest number in `range` that is not at hand.
  func firstMissing(in range: ClosedRange<UInt64>) -> UInt64? {
    guard let chain = chains.first(where: { $0.contains(range.lowerBound) }) else {
      return range.lowerBound
    }
    return chain.upperBound < range.upperBound ? chain.upperBound + 1 : nil
  }

  /// The first run that ends at `number` or behind it.
  private func firstIndex(endingBehind number: UInt64) -> Int {
    // What comes in order is found at once.
    guard let last = runs.last, last.last >= number else { return runs.count }
    var (low, high) = (0, runs.count)
    while low < high {
      let middle = (low + high) / 2
      if runs[middle].last < number { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
