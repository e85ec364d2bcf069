internal import Bytes
internal import Posix
internal import Postgres

/// When the last commit was made that is durable here, read from the segment that is being received.
///
/// It walks on from where it was, so that each byte is looked at once or twice, and never in the
/// way of what is being received.
struct CommitClock {
  private let directory: String
  private let size: SegmentSize
  private var walk: RecordWalk?
  private var position = LSN.invalid
  /// Microseconds since 1970; nil as long as none was seen.
  private(set) var lastCommit: Int64?

  init(directory: String, size: SegmentSize) { (self.directory, self.size) = (directory, size) }

  /// Looks at what is durable up to `flushed`; what cannot be read is passed over.
  mutating func look(at timeline: UInt32, upTo flushed: LSN) {
    let segment = Segment(timeline: timeline, holding: flushed, size: size)
    if walk?.segment != segment {
      walk = RecordWalk(from: segment, of: nil, history: nil)
      position = segment.start
    }
    guard let file = try? File(reading: "\(directory)/\(segment.name).partial") else { return }
    while position < flushed {
      let block = RecordWalk.blockBytes
      guard
        var bytes = try? file.descriptor.read(count: block, at: Int64(position - segment.start)),
        bytes.count == block
      else { return }
      guard flushed - position >= block else {
        // Not the last look at this block: a copy of the walk takes it, up to what is durable.
        for index in flushed - position..<block { bytes[index] = 0 }
        var ahead = walk
        try? ahead?.take(bytes.span)
        return note(ahead)
      }
      do { try walk?.take(bytes.span) } catch { return note(walk) }
      position = position + block
      note(walk)
    }
  }

  private mutating func note(_ walk: RecordWalk?) { lastCommit = walk?.lastCommit ?? lastCommit }
}
