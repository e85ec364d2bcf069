import Bytes
import Postgres
import Testing
import WAL

@Suite struct TimelineHistoryTests {
  private let text =
    "1\t0/3000148\tno recovery target specified\n\n# a comment\n2\t0/5000000\tafter\n"

  private func parse(_ text: String, of timeline: UInt32) throws(DecodeError) -> TimelineHistory {
    try TimelineHistory(parsing: Array(text.utf8).span, of: timeline)
  }

  @Test func eachPositionHasItsTimeline() throws {
    let history = try parse(text, of: 3)
    let first = LSN(rawValue: 0x300_0148)
    let second = LSN(rawValue: 0x500_0000)
    #expect(history.timeline(holding: first + -1) == 1)
    #expect(history.timeline(holding: first) == 2)
    #expect(history.timeline(holding: second) == 3)
    #expect(history.end(of: 2) == second)
    #expect(history.end(of: 3) == nil)
    #expect(history.includes(1) && history.includes(3) && !history.includes(4))
  }

  @Test(arguments: [
    "1\n", "x\t0/1\t\n", "1\t0-1\n", "0\t0/1\tx\n", "2\t0/1\tx\n1\t0/2\tx\n",
    "1\t0/2\tx\n2\t0/1\tx\n", "3\t0/1\tx\n",
  ])
  func damagedFilesAreRefused(text: String) {
    #expect(throws: DecodeError.self) { try parse(text, of: 3) }
  }
}
