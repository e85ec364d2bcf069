public import Bytes
public import Postgres

/// How a timeline came to be: the timelines before it, and where each was left.
public struct TimelineHistory: Equatable, Sendable {
  /// A timeline that was left for the next one.
  public struct Ancestor: Equatable, Sendable {
    public let timeline: UInt32
    /// The first position that is not on this timeline any more.
    public let end: LSN
  }

  public let timeline: UInt32
  /// Oldest first; empty for the first timeline.
  public let ancestors: [Ancestor]

  public init(timeline: UInt32, ancestors: [Ancestor] = []) {
    (self.timeline, self.ancestors) = (timeline, ancestors)
  }

  /// Reads a history file: a line `PARENT⇥SWITCHPOINT⇥REASON` an ancestor, `#` comments.
  ///
  /// The offset of an error is that of the line's first byte.
  public init(parsing text: Span<UInt8>, of timeline: UInt32) throws(DecodeError) {
    var ancestors: [Ancestor] = []
    var offset = 0
    for line in String(utf8: text).split(separator: "\n", omittingEmptySubsequences: false) {
      if let ancestor = try Self.ancestor(line, offset) {
        if let last = ancestors.last, ancestor.timeline <= last.timeline || ancestor.end < last.end
        {
          throw DecodeError(expected: "timelines in ascending order", offset: offset)
        }
        ancestors.append(ancestor)
      }
      offset += line.utf8.count + 1
    }
    if let last = ancestors.last, last.timeline >= timeline {
      throw DecodeError(expected: "timelines below \(timeline)", offset: 0)
    }
    self.init(timeline: timeline, ancestors: ancestors)
  }

  private static func ancestor(_ line: Substring, _ offset: Int) throws(DecodeError) -> Ancestor? {
    let fields = line.split(maxSplits: 2, whereSeparator: { $0 == "\t" || $0 == " " })
    guard let first = fields.first, !first.hasPrefix("#") else { return nil }
    guard fields.count >= 2, let timeline = UInt32(first), timeline > 0, let end = LSN(fields[1])
    else {
      throw DecodeError(expected: "a timeline and the position where it was left", offset: offset)
    }
    return Ancestor(timeline: timeline, end: end)
  }

  /// The timeline that holds the byte at `position`.
  public func timeline(holding position: LSN) -> UInt32 {
    ancestors.first { position < $0.end }?.timeline ?? timeline
  }

  /// Where `timeline` was left; nil for the present one and for one that is not in this history.
  public func end(of timeline: UInt32) -> LSN? {
    ancestors.first { $0.timeline == timeline }?.end
  }

  /// True if `timeline` is this one or one that led to it.
  public func includes(_ timeline: UInt32) -> Bool {
    timeline == self.timeline || ancestors.contains { $0.timeline == timeline }
  }
}
