import Posix
import Testing

@testable import Postgres

@Suite struct ReplicationMessageTests {
  private let data =
    [UInt8(ascii: "w")] + [0, 0, 0, 1, 0, 0, 0, 2] + [0, 0, 0, 1, 0, 0, 0, 9]
    + [UInt8](
      repeating: 0, count: 8)
  private let keepAlive =
    [UInt8(ascii: "k")] + [0, 0, 0, 1, 0, 0, 0, 9] + [UInt8](repeating: 0, count: 8) + [1]

  private func lsn(_ text: String) throws -> LSN { try #require(LSN(text)) }

  @Test func headsAreRead() throws {
    #expect(
      try ReplicationMessage(data.span) == .data(start: lsn("1/2"), serverEnd: lsn("1/9")))
    #expect(
      try ReplicationMessage(keepAlive.span)
        == .keepAlive(serverEnd: lsn("1/9"), wantsReply: true))
  }

  @Test func whatIsCutOffOrSomethingElseIsRefused() {
    for message in [Array(data.dropLast()), Array(keepAlive.dropLast()), [], [1, 2]] {
      #expect(throws: Failure.self) { try ReplicationMessage(message.span) }
    }
  }

  @Test func feedbackHasTheServersClock() throws {
    let feedback = Feedback(
      written: try lsn("1/2"), flushed: try lsn("0/3"), wantsReply: true)
    #expect(
      feedback.bytes(now: 946_684_800_000_005)
        == [UInt8(ascii: "r")] + [0, 0, 0, 1, 0, 0, 0, 2] + [0, 0, 0, 0, 0, 0, 0, 3]
        + [UInt8](repeating: 0, count: 8) + [0, 0, 0, 0, 0, 0, 0, 5] + [1])
  }

  @Test func aRequestQuotesNamesAndAsksForWhatIsWanted() {
    var request = LogicalStream.Request()
    (request.slot, request.publications, request.protocolVersion) = ("s", ["a", "B 'c\""], 4)
    #expect(
      request.command(from: .invalid)
        == #"START_REPLICATION SLOT "s" LOGICAL 0/0 (proto_version '4', "#
        + #"publication_names '"a","B ''c"""')"#)
    (request.streaming, request.includesMessages) = ("parallel", true)
    (request.isTwoPhase, request.origin) = (true, "none")
    #expect(
      request.command(from: .invalid).hasSuffix(
        "streaming 'parallel', messages 'true', two_phase 'true', origin 'none')"))
  }
}
