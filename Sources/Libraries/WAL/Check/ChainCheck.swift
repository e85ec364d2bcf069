internal import Postgres

/// Whole segments of one timeline that follow one another, and an unfinished one behind them.
struct Chain {
  let timeline: UInt32
  /// Nil when there is only the unfinished one.
  let whole: ClosedRange<UInt64>?
  /// The unfinished segment, which ends the timeline's log; nil when there is none.
  let partial: UInt64?

  var first: UInt64 { whole?.lowerBound ?? partial ?? 0 }
  var last: UInt64 { partial ?? whole?.upperBound ?? 0 }
}

/// Looks for what is missing between the segments of a cluster, by their names alone.
struct ChainCheck {
  private let cluster: ClusterWAL
  private let knownGaps: KnownGaps
  private(set) var verdicts: [WALVerdict] = []
  private(set) var chains: [Chain] = []

  init(_ cluster: ClusterWAL, _ knownGaps: KnownGaps) {
    (self.cluster, self.knownGaps) = (cluster, knownGaps)
    for timeline in cluster.order where cluster.timelines[timeline]?.isEmpty == false {
      checkBeginning(timeline)
      let found = chains(of: timeline)
      checkGaps(found)
      chains += found
      checkDuplicates(timeline)
    }
  }

  // MARK: - One timeline

  private func chains(of timeline: UInt32) -> [Chain] {
    guard let files = cluster.timelines[timeline] else { return [] }
    // An unfinished segment of which the whole one is there too adds nothing.
    var partials = files.partials.keys.filter { files.segments.place(of: $0) == nil }.sorted()[...]
    var found: [Chain] = []
    for whole in files.segments.chains {
      while let partial = partials.first, partial < whole.lowerBound {
        append(partial: partial, timeline, to: &found)
        partials.removeFirst()
      }
      found.append(Chain(timeline: timeline, whole: whole, partial: nil))
    }
    for partial in partials { append(partial: partial, timeline, to: &found) }
    return found
  }

  private func append(partial: UInt64, _ timeline: UInt32, to found: inout [Chain]) {
    if let last = found.last, last.partial == nil, last.last + 1 == partial {
      found.removeLast()
      found.append(Chain(timeline: timeline, whole: last.whole, partial: partial))
    } else {
      found.append(Chain(timeline: timeline, whole: nil, partial: partial))
    }
  }

  private mutating func checkGaps(_ found: [Chain]) {
    for (chain, next) in zip(found, found.dropFirst()) {
      if let partial = chain.partial, !isKnown(chain.timeline, partial...partial) {
        let segment = cluster.segment(chain.timeline, partial)
        verdicts.append(
          WALVerdict(
            .partial, segment.partialName, at: segment.start,
            "it was never finished, although the timeline goes on behind it"))
      }
      if chain.last + 1 < next.first {
        noteGap(chain.timeline, chain.last + 1...next.first - 1)
      }
    }
  }

  private mutating func checkBeginning(_ timeline: UInt32) {
    guard let files = cluster.timelines[timeline], let begin = cluster.beginning(of: timeline),
      let first = [files.segments.first, files.partials.keys.min()].compactMap({ $0 }).min()
    else { return }
    if first < begin {
      let segment = cluster.segment(timeline, first)
      let name = files.segments.first == first ? segment.fileName : segment.partialName
      verdicts.append(
        WALVerdict(
          .history, name, at: segment.start,
          "the timeline began later, in \(cluster.segment(timeline, begin).name)"))
    } else if isReachedByAncestors(of: timeline, before: begin) {
      if first > begin { noteGap(timeline, begin...first - 1) }
      checkAncestors(of: timeline, upTo: begin)
    }
  }

  private mutating func checkDuplicates(_ timeline: UInt32) {
    for run in cluster.timelines[timeline]?.segments.duplicates ?? [] {
      guard let first = cluster.timelines[timeline]?.segments.place(of: run.first) else { continue }
      let segment = cluster.segment(timeline, run.first)
      let (here, there) = (cluster.places[first], cluster.places[run.place])
      let count = run.last - run.first + 1
      verdicts.append(
        WALVerdict(
          .duplicate, segment.fileName, at: segment.start,
          "it is at \"\(here.description(of: segment.fileName))\" and at "
            + "\"\(there.description(of: segment.fileName))\""
            + (count > 1 ? ", and so are the \(count - 1) behind it" : "")))
    }
  }

  // MARK: - From one timeline to the next

  /// True if a timeline before has something from before it was left.
  private func isReachedByAncestors(of timeline: UInt32, before begin: UInt64) -> Bool {
    cluster.history(of: timeline)?.ancestors.contains { ancestor in
      begin > 0 && cluster.timelines[ancestor.timeline]?.segments.first.map { $0 < begin } == true
    } ?? false
  }

  /// Looks whether the timelines before have all that leads up to the segment `begin`.
  ///
  /// The segment in which a timeline was left need not be there: the next one has a copy of what
  /// was in it, and by design nobody ever finishes it.
  private mutating func checkAncestors(of timeline: UInt32, upTo begin: UInt64) {
    guard let history = cluster.history(of: timeline), begin > 0 else { return }
    var needed = begin - 1
    for ancestor in history.ancestors.reversed() {
      let first = cluster.beginning(of: ancestor.timeline) ?? 0
      guard needed >= first else { continue }
      let files = cluster.timelines[ancestor.timeline]
      if let last = files?.last(upTo: needed) {
        // A hole that the timeline goes on behind is found when that one is looked at.
        if last < needed, files?.segments.last == last {
          noteGap(ancestor.timeline, last + 1...needed)
        }
        return
      }
      guard isReachedByAncestors(of: ancestor.timeline, before: first) else { return }
      // The same when the timeline has something, but later.
      if files?.isEmpty != false { noteGap(ancestor.timeline, first...needed) }
      guard first > 0 else { return }
      needed = first - 1
    }
  }

  private mutating func noteGap(_ timeline: UInt32, _ missing: ClosedRange<UInt64>) {
    guard !isKnown(timeline, missing) else { return }
    let first = cluster.segment(timeline, missing.lowerBound)
    let last = cluster.segment(timeline, missing.upperBound)
    let detail =
      missing.count == 1
      ? "the segment is missing" : "the \(missing.count) segments up to \(last.name) are missing"
    var verdict = WALVerdict(.gap, first.fileName, at: first.start, detail)
    verdict.end = last.end
    // Two timelines may have left the same one.
    if !verdicts.contains(where: { $0.kind == .gap && $0.segment == verdict.segment }) {
      verdicts.append(verdict)
    }
  }

  private func isKnown(_ timeline: UInt32, _ missing: ClosedRange<UInt64>) -> Bool {
    knownGaps.cover(
      timeline: timeline, from: cluster.segment(timeline, missing.lowerBound).start,
      to: cluster.segment(timeline, missing.upperBound).end, size: cluster.size)
  }
}
