internal import Posix

/// Holds an unfinished segment against the whole one of the same name.
///
/// A receiver's folder or an archive may well have both, if the unfinished one was copied to it
/// while it was received. Then it is a beginning of the whole one.
struct CopyCheck {
  private let cluster: ClusterWAL
  private let reader: SegmentReader

  init(_ cluster: ClusterWAL, _ reader: SegmentReader) {
    (self.cluster, self.reader) = (cluster, reader)
  }

  /// Those that differ.
  ///
  /// Plain files are always compared, objects only with `isDeep`.
  func verdicts(isDeep: Bool) throws -> [WALVerdict] {
    var verdicts: [WALVerdict] = []
    for timeline in cluster.order {
      guard let files = cluster.timelines[timeline] else { continue }
      for (number, partial) in files.partials.sorted(by: { $0.key < $1.key }) {
        guard let whole = files.segments.place(of: number), !files.damaged.contains(number) else {
          continue
        }
        if !isDeep, case .archive = cluster.places[partial] { continue }
        let segment = cluster.segment(timeline, number)
        if let verdict = try verdict(on: segment, partial: partial, whole: whole) {
          verdicts.append(verdict)
        }
      }
    }
    return verdicts
  }

  private func verdict(on segment: Segment, partial: Int, whole: Int) throws -> WALVerdict? {
    do {
      let size = segment.size.bytes
      let extent = try sum(segment.partialName, partial, upTo: size)
      let begun = try sum(segment.partialName, partial, upTo: extent.usedBytes)
      let finished = try sum(segment.fileName, whole, upTo: extent.usedBytes)
      if begun.crc == finished.crc { return nil }
      return WALVerdict(
        .duplicate, segment.partialName, at: segment.start,
        "it is not the beginning of the whole segment, which is there too")
    } catch {
      var verdict = try WALVerdict(failure: error, segment.partialName)
      verdict.position = segment.start
      return verdict
    }
  }

  private func sum(_ name: WALFileName, _ place: Int, upTo limit: Int) throws -> PrefixSumSink {
    let sink = PrefixSumSink(limit: limit)
    try reader.read(name, at: cluster.places[place], into: sink)
    return sink
  }
}
