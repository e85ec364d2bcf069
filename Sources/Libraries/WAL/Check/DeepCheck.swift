internal import Posix
internal import Postgres

/// Walks the records of all chains of a cluster, several parts at a time.
final class DeepCheck: Sendable {
  /// A part has about so many bytes of the log.
  private static var partBytes: Int { 128 << 20 }

  private struct Work: Sendable {
    var next = 0
    var done: [Int: Result<ChainFindings, any Error>] = [:]
    var isCancelled = false
  }

  private let cluster: ClusterWAL
  private let reader: SegmentReader
  /// By chain.
  private let parts: [ChainPart]
  private let counts: [Int]
  private let work = Monitor(Work())

  init(_ chains: [Chain], of cluster: ClusterWAL, _ reader: SegmentReader) {
    (self.cluster, self.reader) = (cluster, reader)
    let branches = Self.branches(cluster)
    let byChain = chains.map { Self.parts(of: $0, cluster, branches[$0.timeline] ?? [:]) }
    counts = byChain.map(\.count)
    parts = byChain.flatMap { $0 }
  }

  /// Calls `body` for each chain, in order, with what was found in its parts.
  func run(jobs: Int, _ body: (Int, [ChainFindings]) throws -> Void) throws {
    var group = ThreadGroup()
    defer {
      work.update { $0.isCancelled = true }
      group.join()
    }
    for _ in 0..<min(jobs, parts.count) { try group.start { [self] in walkParts() } }
    var next = 0
    for (chain, count) in counts.enumerated() {
      var findings: [ChainFindings] = []
      for part in next..<next + count { findings.append(try result(of: part)) }
      next += count
      try body(chain, findings)
    }
  }

  private func result(of part: Int) throws -> ChainFindings {
    let result = work.wait { work -> Result<ChainFindings, any Error>? in
      if StopSignal.received != nil { return .failure(SystemError.interrupted) }
      return work.done.removeValue(forKey: part)
    }
    return try result.get()
  }

  private func walkParts() {
    while let index = takeIndex() {
      let result = Result {
        var walk = ChainWalk(parts[index], of: cluster, reader)
        return try walk.run()
      }
      work.update { $0.done[index] = result }
    }
  }

  private func takeIndex() -> Int? {
    work.update { work in
      guard !work.isCancelled, work.next < parts.count else { return nil }
      defer { work.next += 1 }
      return work.next
    }
  }

  // MARK: - Parts

  private static func parts(
    of chain: Chain, _ cluster: ClusterWAL, _ branches: [UInt64: [UInt32]]
  ) -> [ChainPart] {
    guard let whole = chain.whole else {
      return [
        ChainPart(
          timeline: chain.timeline, whole: nil, partial: chain.partial, goesOn: false, branches: [:]
        )
      ]
    }
    let step = UInt64(max(1, partBytes / cluster.size.bytes))
    return stride(from: whole.lowerBound, through: whole.upperBound, by: Int(step)).map { first in
      let last = min(first + step - 1, whole.upperBound)
      let isLast = last == whole.upperBound
      return ChainPart(
        timeline: chain.timeline, whole: first...last, partial: isLast ? chain.partial : nil,
        goesOn: !isLast, branches: branches)
    }
  }

  /// For each timeline the segments in which another takes over from it, and which these are.
  private static func branches(_ cluster: ClusterWAL) -> [UInt32: [UInt64: [UInt32]]] {
    var branches: [UInt32: [UInt64: [UInt32]]] = [:]
    for timeline in cluster.order {
      guard let begin = cluster.beginning(of: timeline), begin > 0,
        let files = cluster.timelines[timeline], files.has(begin),
        let history = files.history
      else { continue }
      // The last byte before the segment.
      let before = history.timeline(holding: cluster.segment(timeline, begin).start + -1)
      branches[before, default: [:]][begin, default: []].append(timeline)
    }
    return branches
  }
}
