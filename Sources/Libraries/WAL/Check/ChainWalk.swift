internal import Posix
internal import Postgres

/// A part of a chain, small enough that several threads have something to do.
struct ChainPart: Sendable {
  let timeline: UInt32
  /// Nil when there is only the unfinished segment.
  let whole: ClosedRange<UInt64>?
  /// Only behind the chain's last whole segment.
  let partial: UInt64?
  /// The chain goes on with another part.
  let goesOn: Bool
  /// The timelines that begin in a segment of this chain or in the one behind it, by its number.
  let branches: [UInt64: [UInt32]]
}

/// What is known of a part when its records were walked.
struct ChainFindings: Sendable {
  var verdicts: [WALVerdict] = []
  var records = 0
  /// Where the last whole record begins, and where it ends.
  var lastRecord: LSN?
  var end: LSN
  /// The record that was not received whole, if there is one at the end.
  var openRecord: LSN?
}

/// Walks the records of one part of a chain.
///
/// It knows nothing of the part before: where that one ended, its own walk goes on into this one,
/// as far as it needs to hold the first record against its last.
struct ChainWalk {
  private let cluster: ClusterWAL
  private let reader: SegmentReader
  private let part: ChainPart
  private var walk: RecordWalk?
  private var findings: ChainFindings

  init(_ part: ChainPart, of cluster: ClusterWAL, _ reader: SegmentReader) {
    (self.part, self.cluster, self.reader) = (part, cluster, reader)
    let last = part.whole?.upperBound ?? part.partial ?? 0
    findings = ChainFindings(end: cluster.segment(part.timeline, last).start)
  }

  mutating func run() throws -> ChainFindings {
    if let whole = part.whole {
      for number in whole {
        try StopSignal.check()
        try takeWhole(number)
        for timeline in part.branches[number + 1] ?? [] {
          try look(into: cluster.segment(timeline, number + 1))
        }
      }
    }
    if let whole = part.whole, part.goesOn {
      let isInside = walk?.openRecord != nil
      let next = cluster.segment(part.timeline, whole.upperBound + 1)
      if try look(into: next), isInside { findings.records += 1 }
    }
    if let partial = part.partial { try takeTail(partial) }
    return findings
  }

  /// A walk that comes to `segment`, from the one before if that is at hand.
  private func walk(to segment: Segment) -> RecordWalk {
    let history = cluster.history(of: segment.timeline)
    if var walk {
      walk.go(on: segment, history: history)
      return walk
    }
    return RecordWalk(
      from: segment, of: cluster.systemIdentifier.flatMap { UInt64($0) }, history: history)
  }

  private mutating func takeWhole(_ number: UInt64) throws {
    let segment = cluster.segment(part.timeline, number)
    guard let files = cluster.timelines[part.timeline], !files.damaged.contains(number),
      let place = files.segments.place(of: number)
    else {
      walk = nil
      return
    }
    let before = walk?.recordCount ?? 0
    let sink = WalkSink(walk(to: segment))
    walk = nil
    do {
      try reader.read(segment.fileName, at: cluster.places[place], into: sink)
      try sink.finish()
    } catch { return findings.verdicts.append(try verdict(on: error, segment, segment.fileName)) }
    note(sink.walk.recordCount - before, sink.walk.lastRecord, sink.walk.end)
    walk = sink.walk
  }

  private mutating func note(_ records: Int, _ last: LSN?, _ end: LSN) {
    findings.records += records
    findings.lastRecord = last ?? findings.lastRecord
    findings.end = end
  }

  /// Goes on into a segment that another walk looks at as a whole; true if that was no use.
  @discardableResult
  private mutating func look(into segment: Segment) throws -> Bool {
    guard walk != nil, let files = cluster.timelines[segment.timeline] else { return false }
    guard let place = files.segments.place(of: segment.number) else {
      return try look(intoPartial: segment)
    }
    guard !files.damaged.contains(segment.number) else { return false }
    let sink = WalkSink(walk(to: segment), settlesBehind: segment.start)
    do {
      try reader.read(segment.fileName, at: cluster.places[place], into: sink)
    } catch {
      findings.verdicts.append(try verdict(on: error, segment, segment.fileName))
      return false
    }
    return true
  }

  private mutating func look(intoPartial segment: Segment) throws -> Bool {
    guard let place = cluster.timelines[segment.timeline]?.partials[segment.number] else {
      return false
    }
    let sink = TailSink(walk(to: segment))
    do {
      try reader.read(segment.partialName, at: cluster.places[place], into: sink)
    } catch { return false }  // its own walk says so
    if let fault = sink.tail.fault, sink.tail.isDamaged, !isBehindBranch(fault.position, segment) {
      findings.verdicts.append(try verdict(on: fault, segment, segment.partialName))
    }
    return true
  }

  private mutating func takeTail(_ number: UInt64) throws {
    let segment = cluster.segment(part.timeline, number)
    guard let place = cluster.timelines[part.timeline]?.partials[number] else { return }
    let before = walk?.recordCount ?? 0
    let sink = TailSink(walk(to: segment))
    do {
      try reader.read(segment.partialName, at: cluster.places[place], into: sink)
      try sink.finish()
    } catch {
      return findings.verdicts.append(try verdict(on: error, segment, segment.partialName))
    }
    let tail = sink.tail
    note(tail.recordCount - before, tail.lastRecord, tail.end)
    if tail.fault != nil { findings.openRecord = tail.openRecord }
    if let fault = tail.fault, tail.isDamaged, !isBehindBranch(fault.position, segment) {
      findings.verdicts.append(try verdict(on: fault, segment, segment.partialName))
    }
  }

  /// True where another timeline has taken over: what the file of the old one holds there, of a
  /// server that used it before, is nobody's.
  private func isBehindBranch(_ position: LSN, _ segment: Segment) -> Bool {
    cluster.order.contains { timeline in
      guard let end = cluster.timelines[timeline]?.history?.end(of: segment.timeline) else {
        return false
      }
      return end >= segment.start && end < segment.end && position >= end
    }
  }

  private func verdict(
    on error: any Error, _ segment: Segment, _ name: WALFileName
  ) throws -> WALVerdict {
    switch error {
    case let fault as WALFault:
      let kind = WALVerdict.Kind(rawValue: fault.kind.rawValue) ?? .record
      return WALVerdict(kind, name, at: fault.position, fault.detail)
    case let error as SegmentLengthError:
      return WALVerdict(.size, name, at: segment.start, error.message)
    default:
      var verdict = try WALVerdict(failure: error, name)
      verdict.position = segment.start
      return verdict
    }
  }
}
