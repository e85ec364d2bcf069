import Postgres
import Testing

@testable import WAL

@Suite struct LastSegmentTests {
  @Test func whatIsWrittenIsRead() throws {
    let size = try #require(SegmentSize(bytes: 64 << 20))
    let segment = Segment(timeline: 3, number: 70, size: size)
    for finished in [nil, LastSegment.Finished(segment: segment, checksum: .max)] {
      let last = LastSegment(of: "18446744073709551615", finished)
      #expect(LastSegment(parsing: last.record.text.utf8.span) == last)
    }
  }

  @Test(arguments: [
    "", "{}", #"{"type":"last_segment"}"#, #"{"type":"gap","system_identifier":"1"}"#,
    #"{"type":"last_segment","system_identifier":"1","segment":"000000010000000000000001"}"#,
    #"{"type":"last_segment","system_identifier":"1","segment":"x","bytes":1048576,"crc32c":1}"#,
    #"{"type":"last_segment","system_identifier":"1","segment":"000000010000000000000001","bytes":3,"crc32c":1}"#,
  ])
  func whatMakesNoSenseIsNothing(text: String) {
    #expect(LastSegment(parsing: text.utf8.span) == nil)
  }
}
