import Postgres
import Testing
import WAL

@Suite struct RecordWalkTests {
  private func walk(
    _ segments: [[UInt8]], _ log: SampleLog,
    history: TimelineHistory? = TimelineHistory(timeline: 1)
  ) throws(WALFault) -> RecordWalk {
    var walk = RecordWalk(from: log.segment(0), of: SampleLog.system, history: history)
    for (index, bytes) in segments.enumerated() {
      if index > 0 { walk.go(on: log.segment(index), history: history) }
      // In pieces, as a reader hands them on.
      for start in stride(from: 0, to: bytes.count, by: RecordWalk.blockBytes) {
        try walk.take(bytes.span.extracting(start..<start + RecordWalk.blockBytes))
      }
    }
    return walk
  }

  /// Whole segments with records of all lengths, the last of which ends with a switch.
  private func sample(pageBytes: Int = 8192) -> SampleLog {
    var log = SampleLog()
    log.pageBytes = pageBytes
    for index in 0..<400 { log.append(index * 17 % 9000) }
    log.append(2_500_000)
    for index in 0..<50 { log.append(index) }
    log.appendSwitch()
    return log
  }

  @Test(arguments: [1024, 8192, 65536])
  func everyRecordIsSeen(pageBytes: Int) throws {
    let log = sample(pageBytes: pageBytes)
    let walk = try walk(log.segments, log)
    #expect(log.segments.count > 4)
    #expect(walk.recordCount == log.records.count)
    #expect(walk.lastRecord == log.records.last?.start)
    #expect(walk.end == log.position)
    #expect(!walk.isInsideRecord)
  }

  @Test func aChainMayBeginInsideARecord() throws {
    let log = sample()
    var walk = RecordWalk(
      from: log.segment(3), of: nil, history: TimelineHistory(timeline: 1))
    for index in 3..<log.segments.count {
      if index > 3 { walk.go(on: log.segment(index), history: TimelineHistory(timeline: 1)) }
      try walk.take(log.segments[index].span)
    }
    #expect(walk.lastRecord == log.records.last?.start)
    #expect(walk.recordCount < log.records.count)
  }

  @Test func everyFlippedBitOfAPageIsFoundUnlessItMeansNothing() throws {
    var log = SampleLog()
    while log.bytes.count < 3 * 8192 { log.append(log.bytes.count % 900) }
    log.appendSwitch()
    let clean = log.segments
    let padding = Set(
      log.records.flatMap { record -> [Int] in
        let end = record.start - log.start + record.length
        // A record that goes over a page's end is longer by a header, and ends elsewhere.
        return end / 8192 == (record.start - log.start) / 8192 ? Array(end..<(end + 7) / 8 * 8) : []
      })
    for offset in 8192..<2 * 8192 where !padding.contains(offset) {
      var damaged = clean
      damaged[0][offset] ^= UInt8(1) << UInt8(offset % 8)
      // The flag that nothing depends on.
      if offset == 8192 + 2, offset % 8 == 2 { continue }
      #expect(throws: WALFault.self, "offset \(offset)") { try walk(damaged, log) }
    }
  }

  @Test func aRecordThatNamesAnotherBeforeItIsFound() {
    var log = SampleLog()
    log.append(100)
    log.append(100)
    let at = log.append(100, previous: log.start + 40)
    log.appendSwitch()
    expectFault(.prev, at, log.segments, log)
  }

  @Test func theChainOfRecordsIsHeldAcrossSegments() {
    var first = SampleLog()
    first.append(300)
    first.appendSwitch()
    // As sound as the one that belongs there, but of another life of the server.
    var second = SampleLog(from: 2)
    second.previous = first.start + 4096
    let at = second.append(77)
    second.appendSwitch()
    expectFault(.prev, at, first.segments + second.segments, first)
  }

  @Test func aRecordCutOffByACrashIsReplaced() throws {
    var log = SampleLog()
    log.append(500)
    log.appendTorn()
    log.append(500)
    log.appendSwitch()
    let walk = try walk(log.segments, log)
    #expect(walk.recordCount == log.records.count)

    // A page that says so where nothing was cut off is no better than another.
    var wrong = SampleLog()
    wrong.append(8192 - 24 - 40)
    wrong.append(100)
    wrong.appendSwitch()
    var bytes = wrong.segments
    bytes[0][8192 + 2] = 8
    expectFault(.header, wrong.start + 8192, bytes, wrong)
  }

  @Test func pagesAreOfTheTimelineThatHoldsThem() throws {
    var log = SampleLog()
    log.timeline = 3
    log.append(100)
    log.appendSwitch()
    let whole = log.segments
    let other = TimelineHistory(timeline: 4)
    #expect(throws: WALFault.self) { try walk(whole, log, history: other) }
    _ = try walk(whole, log, history: TimelineHistory(timeline: 3))
    _ = try walk(whole, log, history: nil)
  }

  @Test func aMagicNumberToComeIsTakenWhereItStays() throws {
    var log = SampleLog()
    for _ in 0..<100 { log.append(500) }
    log.appendSwitch()
    var bytes = log.segments
    for page in stride(from: 0, to: log.position - log.start, by: 8192) where bytes[0][page] != 0 {
      bytes[0][page] = 0x30
    }
    _ = try walk(bytes, log)
    bytes[0][8192] = 0x31
    expectFault(.header, log.start + 8192, bytes, log)
    bytes[0][0] = 0x05
    expectFault(.header, log.start, bytes, log)
  }

  private func expectFault(
    _ kind: WALFault.Kind, _ position: LSN, _ segments: [[UInt8]], _ log: SampleLog
  ) {
    do throws(WALFault) {
      _ = try walk(segments, log)
      Issue.record("no fault was found")
    } catch {
      #expect(error.kind == kind)
      #expect(error.position == position)
    }
  }
}
