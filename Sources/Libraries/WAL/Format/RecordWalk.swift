internal import Bytes
public import Postgres

/// Walks the records of a chain of segments, page by page, and throws at the first fault.
///
/// A value without I/O: a copy walks on by itself, so one chain can be followed into several
/// timelines. Memory does not grow with the records: what goes over the end of a page is summed
/// up as it comes.
///
/// What lies behind a record that ends a segment early (`pg_switch_wal`) is not looked at. A
/// server that crashes then may leave what the file held before.
public struct RecordWalk: Sendable {
  /// What a span handed to `take` must be a multiple of: every page size divides it.
  public static var blockBytes: Int { 64 << 10 }

  private let systemIdentifier: UInt64?
  private(set) var segment: Segment
  private var history: TimelineHistory?
  private var pageBytes = 8192
  /// Nil before the first page.
  private var magic: UInt16?
  /// Where the next page begins.
  private var position: LSN
  /// The timeline of the pages before `timelineEnd`.
  private var timeline: UInt32 = 0
  private var timelineEnd = LSN.invalid

  private var pending: PendingRecord?
  /// What is to come of a record that began before the walk did.
  private var unknownBytes = 0
  private var isAtStart = true
  private var hasSwitched = false
  private var expectsOverwrite = false

  /// Where the last whole record begins; nil before the first.
  public private(set) var lastRecord: LSN?
  /// Where the last record that holds ends, and the next would begin.
  ///
  /// At first that is the segment's start. The end of a record that began before the walk did counts, although it could not be checked.
  public private(set) var end: LSN
  /// When the last commit that lies within a page was made, in microseconds since 1970.
  public private(set) var lastCommit: Int64?
  /// Whole records that began since the walk did.
  public private(set) var recordCount = 0

  /// Begins at a segment, of which nothing that came before it is known.
  ///
  /// `history` is that of the segment's timeline; with nil, pages of any earlier timeline are
  /// taken. With nil for `systemIdentifier` the segment may be any cluster's.
  public init(from segment: Segment, of systemIdentifier: UInt64?, history: TimelineHistory?) {
    (self.segment, self.systemIdentifier) = (segment, systemIdentifier)
    self.history = history
    (position, end) = (segment.start, segment.start)
  }

  /// Goes on with the next segment, which may be on a timeline that branches off in it.
  public mutating func go(on next: Segment, history: TimelineHistory?) {
    precondition(next.start == position)
    (segment, self.history) = (next, history)
    timelineEnd = .invalid
    hasSwitched = false
  }

  /// True inside a record whose rest is still to come.
  public var isInsideRecord: Bool { pending != nil || unknownBytes > 0 }

  /// Where the record begins whose rest is still to come, if that is known.
  public var openRecord: LSN? { pending?.start }

  /// True when a record behind `start` was held against the one before it, so that a walk that
  /// began at `start` has nothing left to learn from this one.
  public func hasSettled(behind start: LSN) -> Bool {
    if hasSwitched { return true }
    guard let lastRecord, !isInsideRecord else { return false }
    return lastRecord >= start
  }

  /// Takes in the next pages of the segment: a multiple of `blockBytes`.
  public mutating func take(_ bytes: Span<UInt8>) throws(WALFault) {
    precondition(bytes.count % Self.blockBytes == 0 && position + bytes.count <= segment.end)
    if position == segment.start { try takeLongHeader(bytes) }
    var offset = 0
    while offset < bytes.count, !hasSwitched {
      try take(page: bytes.extracting(offset..<offset + pageBytes))
      offset += pageBytes
    }
    position = position + (bytes.count - offset)
  }

  // MARK: - Pages

  private mutating func takeLongHeader(_ bytes: Span<UInt8>) throws(WALFault) {
    let header: SegmentHeader
    do throws(DecodeError) { header = try SegmentHeader(parsing: bytes) } catch {
      throw WALFault(.header, at: position, "\(error)", zerosFrom: position)
    }
    if let fault = header.fault(as: segment, systemIdentifier: systemIdentifier) { throw fault }
    guard magic == nil || pageBytes == header.pageBytes else {
      throw WALFault(.header, at: position, "its pages are of another size than those before it")
    }
    pageBytes = header.pageBytes
  }

  private mutating func take(page: Span<UInt8>) throws(WALFault) {
    let header = try readHeader(page)
    var cursor = header.isLong ? SegmentHeader.bytes : PageHeader.bytes
    try join(header)
    if pending != nil {
      try takeRest(page, &cursor)
    } else if unknownBytes > 0 {
      let count = min(unknownBytes, page.count - cursor)
      unknownBytes -= count
      cursor = Self.aligned(cursor + count)
      if unknownBytes == 0 { end = position + cursor }
    }
    if !isInsideRecord, !hasSwitched { try takeRecords(page, from: cursor) }
    position = position + page.count
  }

  private mutating func readHeader(_ page: Span<UInt8>) throws(WALFault) -> PageHeader {
    let header: PageHeader
    do throws(DecodeError) { header = try PageHeader(parsing: page) } catch {
      throw WALFault(.header, at: position, "\(error) of the page", zerosFrom: position)
    }
    if let text = try contradiction(header) {
      throw WALFault(.header, at: position, text, zerosFrom: position)
    }
    magic = header.magic
    return header
  }

  private mutating func contradiction(_ header: PageHeader) throws(WALFault) -> String? {
    if header.magic != magic ?? header.magic {
      return "the page has the magic number \(header.magic), not \(magic ?? 0)"
    }
    if header.address != position { return "the page says that it begins at \(header.address)" }
    if header.isLong != (position == segment.start) {
      return "the page has the header of another place in the segment"
    }
    if let history {
      if position >= timelineEnd {
        timeline = history.timeline(holding: position)
        timelineEnd = history.end(of: timeline) ?? LSN(rawValue: .max)
      }
      guard header.timeline == timeline else {
        return "the page is of timeline \(header.timeline), not \(timeline)"
      }
    } else {
      guard header.timeline >= max(1, timeline), header.timeline <= segment.timeline else {
        return "the page is of timeline \(header.timeline)"
      }
      timeline = header.timeline
    }
    return nil
  }

  /// Holds what the page says of the record before it against that record.
  private mutating func join(_ header: PageHeader) throws(WALFault) {
    defer { isAtStart = false }
    if header.overwrites {
      guard isInsideRecord || isAtStart else {
        throw WALFault(.header, at: position, "the page overwrites a record that did not go on")
      }
      (pending, unknownBytes, expectsOverwrite) = (nil, 0, true)
    } else if isAtStart {
      unknownBytes = header.remainingBytes
    } else {
      let expected = pending?.remainingBytes ?? unknownBytes
      guard header.remainingBytes == expected else {
        throw WALFault(
          .header, at: position,
          "the page says that \(header.remainingBytes) bytes remain of the record before, "
            + "not \(expected)")
      }
    }
  }

  // MARK: - Records

  private mutating func takeRest(_ page: Span<UInt8>, _ cursor: inout Int) throws(WALFault) {
    guard var record = pending.take() else { return }
    let isHeaderNew = record.header == nil
    let count = min(record.remainingBytes, page.count - cursor)
    record.take(page.extracting(cursor..<cursor + count))
    cursor += count
    if isHeaderNew, let header = record.header { try check(header, at: record.start) }
    guard record.remainingBytes == 0, let header = record.header else {
      pending = record
      return
    }
    guard record.holds(header) else { throw badChecksum(at: record.start, endingAt: cursor) }
    cursor = Self.aligned(cursor)
    note(header, at: record.start, endingAt: cursor)
  }

  private mutating func takeRecords(_ page: Span<UInt8>, from first: Int) throws(WALFault) {
    var cursor = first
    while cursor < page.count, !hasSwitched {
      let start = position + cursor
      let total = Int(page.littleEndian(UInt32.self, at: cursor))
      guard total >= RecordHeader.bytes, total <= RecordHeader.maxRecordBytes else {
        throw WALFault(.record, at: start, Self.text(ofLength: total), zerosFrom: start)
      }
      guard total <= page.count - cursor else {
        var record = PendingRecord(start: start, totalBytes: total)
        record.take(page.extracting(cursor..<page.count))
        if let header = record.header { try check(header, at: start) }
        pending = record
        return
      }
      let header = RecordHeader(page.extracting(cursor..<cursor + RecordHeader.bytes))
      try check(header, at: start)
      var crc = CRC32C()
      crc.update(page.extracting(cursor + RecordHeader.bytes..<cursor + total))
      crc.update(page.extracting(cursor..<cursor + RecordHeader.checkedBytes))
      guard crc.value == header.crc else {
        throw badChecksum(at: start, endingAt: cursor + total)
      }
      if header.isCommit {
        let body = page.extracting(cursor + RecordHeader.bytes..<cursor + total)
        lastCommit = header.commitTime(body) ?? lastCommit
      }
      cursor = Self.aligned(cursor + total)
      note(header, at: start, endingAt: cursor)
    }
  }

  private func check(_ header: RecordHeader, at start: LSN) throws(WALFault) {
    if let lastRecord {
      guard header.previous == lastRecord else {
        throw WALFault(
          .prev, at: start,
          "the record says that \(header.previous) is before it, not \(lastRecord)")
      }
    } else if header.previous >= start {
      throw WALFault(.prev, at: start, "the record says that \(header.previous) is before it")
    }
    guard !expectsOverwrite || header.isOverwrite else {
      throw WALFault(
        .record, at: start, "the record does not tell what it overwrites, as the page says it does")
    }
  }

  private mutating func note(_ header: RecordHeader, at start: LSN, endingAt cursor: Int) {
    lastRecord = start
    recordCount += 1
    expectsOverwrite = false
    hasSwitched = header.isSwitch
    end = hasSwitched ? segment.end : position + cursor
  }

  private func badChecksum(at start: LSN, endingAt cursor: Int) -> WALFault {
    // Disks and page caches keep or lose sectors of 512 bytes as wholes.
    let lastByte = position + (cursor - 1)
    return WALFault(
      .record, at: start, "the record's checksum differs",
      zerosFrom: LSN(rawValue: lastByte.rawValue & ~511))
  }

  private static func text(ofLength total: Int) -> String {
    total == 0 ? "there is no record" : "a record cannot have \(total) bytes"
  }

  /// Records begin at multiples of 8.
  private static func aligned(_ offset: Int) -> Int { (offset + 7) & ~7 }
}
