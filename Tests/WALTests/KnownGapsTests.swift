import JSON
import Postgres
import Testing
import WAL

@Suite struct KnownGapsTests {
  @Test(arguments: [
    #"{"type":"gap"}"#, #"{"type":"gap","timeline":1,"start_lsn":"0/2","end_lsn":"0/1"}"#,
    #"{"type":"gap","timeline":-1,"start_lsn":"0/1","end_lsn":"0/2"}"#,
    #"{"type":"gap","timeline":1,"start_lsn":"0/x","end_lsn":"0/2"}"#,
  ])
  func malformedRecordsAreRefused(text: String) throws {
    var gaps = KnownGaps()
    let record = try Record(parsing: text)
    #expect(throws: (any Error).self) { try gaps.insert(record) }
  }
}
