import Posix
import Postgres
import Testing

@testable import Changes

@Suite struct SlotCheckTests {
  private typealias Facts = ReplicationConnection.SlotFacts

  private func lsn(_ value: UInt64) -> LSN { LSN(rawValue: value) }

  private func facts(
    plugin: String? = "pgoutput", database: String? = "d", confirmed: UInt64? = 100,
    invalidation: String? = nil
  ) -> Facts {
    Facts(
      plugin: plugin, database: database, confirmed: confirmed.map { lsn($0) },
      invalidation: invalidation)
  }

  private func check(_ facts: Facts?) -> SlotCheck {
    SlotCheck(slot: "s", systemIdentifier: "7", database: "d", facts: facts)
  }

  private func known(
    _ confirmed: UInt64, slot: String = "s", system: String = "7"
  )
    -> ReceiverPosition
  { ReceiverPosition(systemIdentifier: system, slot: slot, confirmed: lsn(confirmed)) }

  private func refusal(_ facts: Facts?, _ known: ReceiverPosition? = nil) -> Failure? {
    do throws(Failure) {
      _ = try check(facts).begin(from: known)
      return nil
    } catch { return error }
  }

  @Test func itBeginsWhereTheSlotOrTheStateIs() throws {
    #expect(try check(facts()).begin(from: nil) == lsn(100))
    #expect(try check(facts()).begin(from: known(100)) == lsn(100))
    #expect(try check(facts()).begin(from: known(120)) == lsn(120))
  }

  @Test func aSlotThatIsFurtherThanTheStateHasLostSomething() throws {
    let failure = try #require(refusal(facts(), known(99)))
    #expect(failure.exitCode == .configuration)
    #expect(failure.message.contains("changes were lost"))
  }

  @Test func whatDoesNotFitIsRefusedWithAHint() throws {
    let refusals = [
      refusal(nil), refusal(nil, known(100)), refusal(facts(plugin: nil)),
      refusal(facts(plugin: "test_decoding")), refusal(facts(database: "e")),
      refusal(facts(confirmed: nil)), refusal(facts(invalidation: "wal_removed")),
      refusal(facts(), known(100, slot: "r")), refusal(facts(), known(100, system: "8")),
    ]
    for failure in refusals {
      #expect(try #require(failure).exitCode == .configuration)
      #expect(try #require(failure).hint != nil)
    }
  }
}
