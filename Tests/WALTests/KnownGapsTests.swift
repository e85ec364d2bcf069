import JSON
import Postgres
import Testing

@testable import WAL

@Suite struct KnownGapsTests {
  @Test(arguments: [
    #"{"type":"gap"}"#, #"{"type":"gap","timeline":1,"start_lsn":"0/2","end_lsn":"0/1"}"#,
    #"{"type":"gap","timeline":-1,"start_lsn":"0/1","end_lsn":"0/2"}"#,
    #"{"type":"gap","timeline":1,"start_lsn":"0/x","end_lsn":"0/2"}"#,
    #"{"type":"gap","timeline":2,"start_lsn":"0/1","end_lsn":"0/2","end_timeline":-1}"#,
  ])
  func malformedRecordsAreRefused(text: String) throws {
    var gaps = KnownGaps()
    let record = try Record(parsing: text)
    #expect(throws: (any Error).self) { try gaps.insert(record) }
  }

  /// What ends on another timeline is missing there from that one's beginning, and of the first one
  /// from where the gap begins.
  @Test(arguments: [
    (1, 0x1000, 0x3000, true), (1, 0x1000, 0x4000, false), (1, 0, 0x2000, false),
    (2, 0, 0x9000, true), (3, 0, 0x3000, true), (3, 0, 0x3001, false), (4, 0, 0x1000, false),
  ])
  func gapsMayEndOnAnotherTimeline(timeline: UInt32, from: UInt64, to: UInt64, isKnown: Bool) throws
  {
    var gaps = KnownGaps()
    try gaps.insert(
      Record(
        parsing:
          #"{"type":"gap","timeline":1,"start_lsn":"0/100000","end_lsn":"0/300000","end_timeline":3}"#
      ))
    let size = try #require(SegmentSize(bytes: 1 << 20))
    let scale = UInt64(1 << 8)
    #expect(
      gaps.cover(
        timeline: timeline, from: LSN(rawValue: from * scale), to: LSN(rawValue: to * scale),
        size: size) == isKnown)
  }

  @Test func whereHistoriesOnlyPartNothingIsMissing() throws {
    var gaps = KnownGaps()
    try gaps.insert(
      Record(parsing: #"{"type":"gap","timeline":1,"start_lsn":"0/200000","end_lsn":"0/200000"}"#))
    let size = try #require(SegmentSize(bytes: 1 << 20))
    #expect(
      !gaps.cover(
        timeline: 1, from: LSN(rawValue: 2 << 20), to: LSN(rawValue: 3 << 20), size: size))
  }
}
