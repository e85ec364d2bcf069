import Bytes
import Posix
import Postgres
import Testing

@testable import Changes

@Suite struct ParkedChangesTests {
  /// A line that was cut off, or a file of nonsense, is dropped or named; what is whole stays.
  @Test func noDamageIsATrap() throws {
    let source = "sluice-parked-\(Clock.random())"
    let path = ParkedChanges.path("/tmp", source)
    defer { try? Directory.remove(file: path) }
    let line =
      #"{"type":"insert","schema":"s","table":"t","new":{"id":1},"key_hashes":["ff","0"],"#
      + #""error":null,"batch_lsn":"0/10"}"# + "\n"
    let whole = Array((line + line).utf8)
    for seed in 0..<UInt64(120) {
      var (dice, bytes) = (Dice(state: seed), whole)
      if seed % 2 == 0 { bytes.removeLast(Int(seed)) } else { _ = dice.damage(&bytes) }
      let file = try File(writing: path)
      try file.descriptor.writeAll(bytes.span)
      do {
        let parked = try ParkedChanges(
          directory: "/tmp", source: source, committed: LSN(rawValue: 0x10))
        if seed % 2 == 0, seed < line.utf8.count {
          #expect(parked.holds([0xFF], of: #""s"."t""#))
          let kept = try ParkedChanges.records(path)
          #expect(kept.records.count == (seed == 0 ? 2 : 1) && !kept.isTorn)
        }
      } catch let error as Failure {
        #expect(error.exitCode == .badInput && error.message.contains("line "))
      }
    }
  }
}
