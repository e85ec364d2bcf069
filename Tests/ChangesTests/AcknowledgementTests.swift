import Changes
import JSON
import Postgres
import Testing

@Suite struct AcknowledgementTests {
  @Test func isReadAsItIsWritten() throws {
    let ack = Acknowledgement(LSN(rawValue: 0x16_B374_D848))
    #expect(ack.record.text == #"{"type":"ack","lsn":"16/B374D848"}"#)
    #expect(try Acknowledgement(Record(parsing: ack.record.text)) == ack)
  }

  @Test(arguments: [
    #"{"type":"ack"}"#, #"{"type":"ack","lsn":"x"}"#, #"{"type":"commit","lsn":"0/1"}"#,
  ])
  func refusesWhatIsNone(text: String) {
    #expect(throws: (any Error).self) { try Acknowledgement(Record(parsing: text)) }
  }
}
