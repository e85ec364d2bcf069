internal import Bytes
internal import Posix
internal import Postgres

extension WALDirectory {
  /// True if what lies here of a timeline behind `end`, where it was left, is nothing but the beginning
  /// of one record.
  ///
  /// A server sends a long record while it writes it. If it dies then, that record is lost, and another
  /// timeline begins in its place, although segments may be full of it here.
  func holdsOnlyUnfinishedRecord(
    of timeline: UInt32, behind end: LSN, _ content: Content, _ size: SegmentSize
  ) throws -> Bool {
    let first = Segment(timeline: timeline, holding: end, size: size)
    var walk = RecordWalk(from: first, of: nil, history: nil)
    var next = first
    for segment in content.complete where segment.timeline == timeline {
      guard segment.start >= first.start else { continue }
      guard segment == next else { return false }
      if segment != first { walk.go(on: segment, history: nil) }
      do { try visit(segment.name) { try walk.take($0) } } catch is WALFault { return false }
      next = Segment(timeline: timeline, number: segment.number + 1, size: size)
    }
    var tail: SegmentTail?
    if content.partial.contains(next) {
      if next != first { walk.go(on: next, history: nil) }
      var last = SegmentTail(walk)
      try visit(next.name + ".partial") { last.take($0) }
      tail = last
    }
    let lastRecord = tail?.lastRecord ?? walk.lastRecord
    let isOpen = tail.map { $0.fault != nil && !$0.isDamaged } ?? walk.isInsideRecord
    return isOpen && lastRecord.map { $0 < end } ?? true
  }

  /// Hands over the bytes of a segment file, block by block.
  func visit(_ name: String, _ take: (Span<UInt8>) throws -> Void) throws {
    let file = try File(reading: path(of: name))
    var offset: Int64 = 0
    while true {
      let bytes = try file.descriptor.read(count: RecordWalk.blockBytes, at: offset)
      guard bytes.count == RecordWalk.blockBytes else { return }
      try take(bytes.span)
      offset += Int64(bytes.count)
    }
  }
}
