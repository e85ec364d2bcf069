import Posix
import Postgres
import Testing

@testable import Changes

@Suite struct ReceiverFilesTests {
  /// A path that nobody else has, in the directory for such files.
  private func path() -> String { "/tmp/sluice-changes-\(Clock.random())" }

  private func write(_ text: String, to path: String) throws {
    let file = try File(appending: path)
    try file.descriptor.append(text.utf8.span)
    try file.close()
  }

  private func lsn(_ value: UInt64) -> LSN { LSN(rawValue: value) }

  @Test func aPositionIsReadAsItIsWritten() throws {
    let path = path()
    defer { try? Directory.remove(file: path) }
    #expect(try ReceiverPosition(from: path) == nil)
    let position = ReceiverPosition(systemIdentifier: "7", slot: "s", confirmed: lsn(0x1A))
    try position.write(to: path)
    #expect(try ReceiverPosition(from: path) == position)
    #expect(
      position.record.text
        == #"{"type":"position","system_identifier":"7","slot":"s","confirmed_lsn":"0/1A"}"#)
  }

  @Test(arguments: ["", "{}\n", "x\n", #"{"type":"position","slot":"s"}"# + "\n"])
  func aFileThatHoldsNoPositionIsRefused(text: String) throws {
    let path = path()
    defer { try? Directory.remove(file: path) }
    try write(text, to: path)
    let failure = #expect(throws: Failure.self) { try ReceiverPosition(from: path) }
    #expect(failure?.exitCode == .badInput)
  }

  @Test func acknowledgementsAreReadAsTheFileGrows() throws {
    let path = path()
    defer { try? Directory.remove(file: path) }
    var follower = try AcknowledgementFollower(path)
    #expect(try follower.next() == nil)
    try write(#"{"type":"ack","lsn":"0/2"}"# + "\n" + #"{"type":"ack","#, to: path)
    #expect(try follower.next() == lsn(2))
    #expect(try follower.next() == nil)
    try write(#""lsn":"0/1"}"# + "\n\n" + #"{"type":"ack","lsn":"0/5"}"# + "\n", to: path)
    #expect(try follower.next() == lsn(5))
  }

  @Test func aLineThatIsNoneOrTooLongIsRefused() throws {
    for text in ["nonsense\n", "{\"type\":\"commit\"}\n", String(repeating: " ", count: 70_000)] {
      let path = path()
      defer { try? Directory.remove(file: path) }
      try write(text, to: path)
      var follower = try AcknowledgementFollower(path)
      var failure: Failure?
      do { _ = try follower.next() } catch { failure = error as? Failure }
      #expect(failure?.exitCode == .badInput)
    }
  }

  @Test func noDamageOfAnAcknowledgementIsATrap() throws {
    for seed in 0..<UInt64(150) {
      var (dice, line) = (Dice(state: seed), Array(#"{"type":"ack","lsn":"1A/2B"}"#.utf8) + [0x0A])
      _ = dice.damage(&line)
      let path = path()
      defer { try? Directory.remove(file: path) }
      try write(String(decoding: line, as: UTF8.self), to: path)
      var follower = try AcknowledgementFollower(path)
      do { _ = try follower.next() } catch {
        #expect((error as? Failure)?.exitCode == .badInput, "\(error)")
      }
    }
  }

  @Test func aSpoolGivesBackWhatWasPutInAcrossItsEnd() throws {
    let spool = try SpoolFile(in: "/tmp", bytes: 10)
    var position = 0
    for round in UInt8(0)..<20 {
      let bytes = [round, round &+ 1, round &+ 2, round &+ 3]
      try spool.write(bytes.span, at: position)
      #expect(try spool.read(position..<position + 4) == bytes)
      position += 4
    }
    try spool.empty()
    try spool.write([1, 2, 3].span, at: position)
    #expect(try spool.read(position..<position + 3) == [1, 2, 3])
  }
}
