internal import Bytes
public import Postgres

/// Finds where the log ends in a segment that was never completed.
///
/// The bytes behind that end are to be replaced by zeros before a server gets to see them.
///
/// What is kept is never too little: all records that hold are in front of the end, and so is the
/// rest of a record that began in a segment that is not at hand, when the pages up to its end are
/// well formed. And never too much: nothing behind a record that does not hold is.
public struct SegmentTail: Sendable {
  private var walk: RecordWalk
  /// Why the log ends before the segment does; nil when it does not, or not so far.
  public private(set) var fault: WALFault?
  /// True if there is more behind the end than a receiver leaves that was stopped.
  ///
  /// Records that were received, and perhaps acknowledged, are then lost: this is no end of the
  /// log but damage.
  public private(set) var isDamaged = false
  private var position: LSN

  /// `walk` has come to the start of the segment.
  public init(_ walk: RecordWalk) {
    self.walk = walk
    position = walk.segment.start
  }

  /// The end in the whole bytes of a segment, with those of the segment before it if at hand.
  ///
  /// Both spans have the segment's size. With the segment before, a record that began there is
  /// checked too; where that segment itself is damaged, it is as if it were not at hand.
  public init(
    of bytes: Span<UInt8>, as segment: Segment, systemIdentifier: UInt64?,
    history: TimelineHistory?
  ) {
    self.init(RecordWalk(from: segment, of: systemIdentifier, history: history))
    take(bytes)
  }

  /// As above, with the segment before it, which may be of the timeline before.
  public init(
    of bytes: Span<UInt8>, as segment: Segment, after before: Span<UInt8>, as previous: Segment,
    systemIdentifier: UInt64?, history: TimelineHistory?
  ) {
    var walk = RecordWalk(from: previous, of: systemIdentifier, history: history)
    do throws(WALFault) {
      try walk.take(before)
      walk.go(on: segment, history: history)
    } catch {
      walk = RecordWalk(from: segment, of: systemIdentifier, history: history)
    }
    self.init(walk)
    take(bytes)
  }

  /// Takes in the next pages: a multiple of `RecordWalk.blockBytes`.
  public mutating func take(_ bytes: Span<UInt8>) {
    defer { position = position + bytes.count }
    if fault == nil {
      do throws(WALFault) { return try walk.take(bytes) } catch { fault = error }
    }
    guard let fault, !isDamaged else { return }
    guard let zerosFrom = fault.zerosFrom else {
      isDamaged = true
      return
    }
    let rest = bytes.extracting(droppingFirst: max(0, zerosFrom - position))
    isDamaged = !rest.isZero
  }

  /// Where the last record ends; the segment's start when none ends in it.
  public var end: LSN { walk.end }

  /// Where the last whole record begins; nil when there was none, in it or before it.
  public var lastRecord: LSN? { walk.lastRecord }

  /// Where a record begins that was not received whole; nil when there is none, or nobody knows.
  public var openRecord: LSN? {
    if let open = walk.openRecord { return open }
    guard let fault, fault.kind == .record, fault.zerosFrom != fault.position else { return nil }
    return fault.position
  }

  /// Whole records since the walk began.
  public var recordCount: Int { walk.recordCount }
}

extension Span where Element == UInt8 {
  /// True if every byte is zero.
  var isZero: Bool {
    guard let first = indices.first else { return true }
    // Each byte is compared with the one before it, many at a time.
    return self[first] == 0
      && extracting(droppingFirst: 1).equals(extracting(droppingLast: 1))
  }
}
