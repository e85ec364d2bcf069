import Bytes
import Postgres
import Testing
import WAL

@Suite struct SegmentHeaderTests {
  private var bytes: [UInt8] {
    var log = SampleLog(from: 3)
    log.append(100)
    return Array(log.bytes[..<40])
  }

  private func header(_ bytes: [UInt8]) throws(DecodeError) -> SegmentHeader {
    try SegmentHeader(parsing: bytes.span)
  }

  @Test func itSaysWhoseAndWhichSegmentItIs() throws {
    let header = try header(bytes)
    #expect(header.version == 15 && header.timeline == 1)
    #expect(header.systemIdentifier == SampleLog.system)
    #expect(header.pageBytes == 8192 && !header.continues && header.remainingBytes == 0)
    let segment = Segment(timeline: 1, number: 3, size: SampleLog.size)
    #expect(header.contradiction(to: segment, systemIdentifier: SampleLog.system) == nil)
    #expect(header.contradiction(to: segment, systemIdentifier: 1) != nil)
    #expect(header.contradiction(to: segment.next, systemIdentifier: nil) != nil)
    let large = Segment(timeline: 1, number: 3, size: .standard)
    #expect(header.contradiction(to: large, systemIdentifier: nil) != nil)
    // A new timeline's first segment begins as a copy of the old one's, but not the reverse.
    let later = Segment(timeline: 2, number: 3, size: SampleLog.size)
    #expect(header.contradiction(to: later, systemIdentifier: nil) == nil)
    var other = bytes
    other[4] = 2
    #expect(
      try self.header(other).contradiction(to: segment, systemIdentifier: nil) != nil)
  }

  @Test(arguments: 0..<40)
  func everyPrefixIsRefused(count: Int) {
    #expect(throws: DecodeError.self) { try header(Array(bytes[..<count])) }
  }

  @Test(arguments: [
    // Magic, flags, padding, the length of what remains, segment size, page size.
    (0, 0x05), (1, 0xD0), (2, 0), (2, 0x12), (3, 1), (20, 1), (16, 5), (34, 0x18), (36, 1), (37, 0),
  ])
  func fieldsOutOfRangeAreRefused(offset: Int, value: UInt8) {
    var bytes = bytes
    bytes[offset] = value
    #expect(throws: DecodeError.self) { try header(bytes) }
  }

  @Test func aVersionToComeIsTaken() throws {
    var bytes = bytes
    bytes[0] = 0x21
    #expect(try header(bytes).version == nil)
  }
}
