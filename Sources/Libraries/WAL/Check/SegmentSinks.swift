internal import Posix
internal import Postgres

/// A segment that has not the size of its cluster's.
struct SegmentLengthError: Diagnosable {
  let found: Int
  let expected: Int
  var exitCode: ExitCode { .negative }
  var message: String { "it has \(found) bytes, not \(expected)" }
}

/// Walks the records of a whole segment, or of its beginning.
final class WalkSink: BlockSink {
  private(set) var walk: RecordWalk
  private let settlesBehind: LSN?
  private let segmentBytes: Int
  private var offset = 0
  private var isEnough = false

  /// `walk` has come to the start of the segment, and need not go on once it has settled.
  init(_ walk: RecordWalk, settlesBehind: LSN? = nil) {
    (self.walk, self.settlesBehind) = (walk, settlesBehind)
    segmentBytes = walk.segment.size.bytes
  }

  func take(_ bytes: Span<UInt8>) throws -> Bool {
    let isWhole = bytes.count % RecordWalk.blockBytes == 0
    guard isWhole, offset + bytes.count <= segmentBytes else {
      throw SegmentLengthError(found: offset + bytes.count, expected: segmentBytes)
    }
    try walk.take(bytes)
    offset += bytes.count
    if let settlesBehind { isEnough = walk.hasSettled(behind: settlesBehind) }
    return !isEnough
  }

  /// Throws when there was less than a segment.
  func finish() throws {
    if offset < segmentBytes, !isEnough {
      throw SegmentLengthError(found: offset, expected: segmentBytes)
    }
  }
}

/// Finds the end of the log in a segment that was never finished.
final class TailSink: BlockSink {
  private(set) var tail: SegmentTail
  private let segmentBytes: Int
  private var offset = 0

  init(_ walk: RecordWalk) {
    tail = SegmentTail(walk)
    segmentBytes = walk.segment.size.bytes
  }

  func take(_ bytes: Span<UInt8>) throws -> Bool {
    let isWhole = bytes.count % RecordWalk.blockBytes == 0
    guard isWhole, offset + bytes.count <= segmentBytes else {
      throw SegmentLengthError(found: offset + bytes.count, expected: segmentBytes)
    }
    tail.take(bytes)
    offset += bytes.count
    return true
  }

  /// Throws when there was less than a segment.
  func finish() throws {
    if offset < segmentBytes {
      throw SegmentLengthError(found: offset, expected: segmentBytes)
    }
  }
}
