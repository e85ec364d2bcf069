import Testing

@testable import Changes

@Suite struct MissCountTests {
  @Test func aTableIsToldOnceAndTheRestAtTheEnd() {
    var misses = MissCount()
    misses.add(2, "a")
    misses.add(0, "b")
    #expect(misses.commit() == ["2 updates or deletes of a found no row"])
    misses.add(1, "a")
    #expect(misses.commit() == [])
    #expect(misses.totals() == ["3 updates or deletes of a found no row"])
  }

  @Test func whatIsUndoneDoesNotCount() {
    var misses = MissCount()
    misses.add(1, "a")
    misses.keep()
    misses.add(5, "a")
    misses.forget(all: false)
    #expect(misses.commit() == ["1 updates or deletes of a found no row"])
    #expect(misses.totals() == [])
  }
}
