import Postgres
import Testing
import WAL

@Suite struct SegmentTailTests {
  private let history = TimelineHistory(timeline: 1)

  private func tail(_ bytes: [UInt8], _ log: SampleLog, _ index: Int = 0) -> SegmentTail {
    SegmentTail(
      of: bytes.span, as: log.segment(index), systemIdentifier: SampleLog.system, history: history)
  }

  private func cut(_ bytes: [UInt8], _ count: Int) -> [UInt8] {
    Array(bytes[..<count]) + [UInt8](repeating: 0, count: bytes.count - count)
  }

  @Test func theEndIsThatOfTheLastRecord() {
    var log = SampleLog()
    for index in 0..<60 { log.append(index * 37) }
    let tail = tail(log.segments[0], log)
    #expect(tail.end >= log.position && tail.end - log.position < 8)
    #expect(tail.lastRecord == log.records.last?.start)
    #expect(!tail.isDamaged && tail.openRecord == nil)
  }

  @Test func whatArrivedOfARecordIsCutOff() {
    var log = SampleLog()
    for _ in 0..<10 { log.append(5000) }
    let bytes = log.segments[0]
    for sectors in 1..<90 {
      let cut = cut(bytes, sectors * 512)
      let tail = tail(cut, log)
      let whole = log.records.filter { end(of: $0) <= log.start + sectors * 512 }
      #expect(tail.lastRecord == whole.last?.start, "\(sectors)")
      #expect(!tail.isDamaged, "\(sectors)")
      #expect(tail.end <= log.start + sectors * 512)
    }
  }

  /// Where a record ends, with the headers of the pages that it goes over.
  private func end(of record: (start: LSN, length: Int)) -> LSN {
    var (at, left) = (Int(record.start.rawValue), record.length)
    while left > 8192 - at % 8192 {
      left -= 8192 - at % 8192
      at = at / 8192 * 8192 + 8192 + 24
    }
    return LSN(rawValue: UInt64(at + left))
  }

  @Test func damageInTheMiddleIsNoEnd() {
    var log = SampleLog()
    for _ in 0..<60 { log.append(3000) }
    var bytes = log.segments[0]
    let victim = log.records[30]
    bytes[victim.start - log.start + 200] ^= 1
    let tail = tail(bytes, log)
    #expect(tail.isDamaged)
    #expect(tail.end <= victim.start)
    #expect(tail.lastRecord == log.records[29].start)
    #expect(tail.fault?.position == victim.start)
  }

  /// The rest of a record that began before is kept where nothing can be checked, and checked where
  /// the segment before is at hand.
  @Test func theRestOfARecordFromBefore() {
    var log = SampleLog()
    while log.bytes.count < (1 << 20) - 20_000 { log.append(7000) }
    let crossing = log.append(60_000)
    log.append(100)
    let segments = log.segments
    let alone = tail(segments[1], log, 1)
    #expect(!alone.isDamaged)
    #expect(alone.lastRecord == log.records.last?.start)

    // Behind the rest, nothing is whole: the rest is kept.
    let restEnd = end(of: (crossing, 60_024)) - log.segment(1).start
    var bytes = cut(segments[1], (restEnd + 7) / 8 * 8)
    let kept = tail(bytes, log, 1)
    #expect(kept.end - log.segment(1).start == (restEnd + 7) / 8 * 8)
    #expect(kept.lastRecord == nil && !kept.isDamaged)

    // One flipped byte: with the segment before it is known that the record does not hold.
    bytes[20_000] ^= 4
    #expect(tail(bytes, log, 1).end == kept.end)
    let checked = SegmentTail(
      of: bytes.span, as: log.segment(1), after: segments[0].span, as: log.segment(0),
      systemIdentifier: SampleLog.system, history: history)
    #expect(checked.fault?.position == crossing)
    #expect(checked.lastRecord == log.records[log.records.count - 3].start)
    #expect(checked.end <= crossing)
  }

  @Test func aSegmentBeforeThatIsDamagedIsAsIfItWereNotThere() {
    var log = SampleLog()
    while log.bytes.count < (1 << 20) + 100_000 { log.append(7000) }
    let segments = log.segments
    var before = segments[0]
    before[100_000] ^= 1
    let tail = SegmentTail(
      of: segments[1].span, as: log.segment(1), after: before.span, as: log.segment(0),
      systemIdentifier: SampleLog.system, history: history)
    #expect(!tail.isDamaged)
    #expect(tail.lastRecord == log.records.last?.start)
  }

  @Test func nothingButZerosIsAnEmptySegment() {
    let log = SampleLog()
    let tail = tail([UInt8](repeating: 0, count: 1 << 20), log)
    #expect(tail.end == log.start && !tail.isDamaged && tail.lastRecord == nil)
  }

  @Test func anotherSystemsSegmentIsDamage() {
    var log = SampleLog()
    log.append(100)
    let tail = SegmentTail(
      of: log.segments[0].span, as: log.segment(0), systemIdentifier: 1, history: history)
    #expect(tail.isDamaged && tail.fault?.kind == .system && tail.end == log.start)
  }
}
