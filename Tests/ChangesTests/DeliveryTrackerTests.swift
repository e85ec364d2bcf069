import Postgres
import Testing

@testable import Changes

@Suite struct DeliveryTrackerTests {
  private func lsn(_ value: UInt64) -> LSN { LSN(rawValue: value) }

  /// One that expects acknowledgements, and has received transactions that end there.
  private func tracker(_ ends: UInt64...) -> DeliveryTracker {
    var tracker = DeliveryTracker(expectsAcknowledgements: true, confirmed: lsn(10))
    for end in ends { receive(end, &tracker) }
    return tracker
  }

  private func receive(_ end: UInt64, _ tracker: inout DeliveryTracker) {
    tracker.take(.begin(lsn(end - 4)))
    tracker.take(.end(at: lsn(end - 4), lsn(end)))
  }

  @Test func theEndOfAnAcknowledgedTransactionIsConfirmed() {
    var tracker = tracker(20, 30, 40)
    #expect(tracker.confirmed == lsn(10))
    tracker.acknowledge(lsn(30))
    #expect(tracker.confirmed == lsn(30))
    #expect(!tracker.isSettled)
    tracker.acknowledge(lsn(40))
    #expect(tracker.confirmed == lsn(40))
    #expect(tracker.isSettled)
  }

  @Test func whatIsBetweenEndsIsNeverConfirmed() {
    var tracker = tracker(20, 30)
    tracker.acknowledge(lsn(29))
    #expect(tracker.confirmed == lsn(20))
    tracker.acknowledge(lsn(1000))
    #expect(tracker.confirmed == lsn(30))
  }

  @Test func itNeverGoesBack() {
    var tracker = tracker(20, 30)
    tracker.acknowledge(lsn(30))
    tracker.acknowledge(lsn(20))
    tracker.pass(lsn(25))
    #expect(tracker.confirmed == lsn(30))
  }

  @Test func whatWasAcknowledgedBeforeItCameAgainIsConfirmedAtOnce() {
    var tracker = tracker()
    tracker.acknowledge(lsn(30))
    #expect(tracker.confirmed == lsn(10))
    receive(20, &tracker)
    #expect(tracker.confirmed == lsn(20))
    receive(40, &tracker)
    #expect(tracker.confirmed == lsn(20))
  }

  @Test func itGoesOnWithTheServerWhenNothingIsOutstanding() {
    var tracker = tracker()
    tracker.pass(lsn(50))
    #expect(tracker.confirmed == lsn(50))
    receive(60, &tracker)
    tracker.pass(lsn(70))
    #expect(tracker.confirmed == lsn(50))
    tracker.acknowledge(lsn(60))
    tracker.pass(lsn(80))
    #expect(tracker.confirmed == lsn(80))
  }

  @Test func itDoesNotGoOnInTheMiddle() {
    var tracker = tracker()
    tracker.take(.begin(lsn(60)))
    tracker.pass(lsn(50))
    #expect(tracker.confirmed == lsn(10))
    tracker.cutOff()
    tracker.pass(lsn(50))
    #expect(tracker.confirmed == lsn(50))
  }

  @Test func itDoesNotGoOnWithOpenTransactions() {
    var tracker = tracker()
    tracker.take(.partBegin(xid: 1))
    tracker.take(.partEnd)
    tracker.pass(lsn(50))
    #expect(tracker.confirmed == lsn(10))
    tracker.take(.abort(xid: 1, isWhole: false))
    tracker.pass(lsn(51))
    #expect(tracker.confirmed == lsn(10))
    tracker.take(.abort(xid: 1, isWhole: true))
    tracker.pass(lsn(52))
    #expect(tracker.confirmed == lsn(52))
    tracker.take(.partBegin(xid: 2))
    tracker.take(.partEnd)
    tracker.take(.streamEnd(xid: 2, at: lsn(56), lsn(60)))
    tracker.acknowledge(lsn(60))
    tracker.pass(lsn(61))
    #expect(tracker.confirmed == lsn(61))
  }

  @Test func aMessageOutsideIsOutstandingUntilItIsAcknowledged() {
    var tracker = tracker()
    tracker.take(.message(lsn(20)))
    tracker.pass(lsn(30))
    #expect(tracker.confirmed == lsn(10))
    tracker.acknowledge(lsn(20))
    tracker.pass(lsn(30))
    #expect(tracker.confirmed == lsn(30))
  }

  @Test func whatComesAgainAfterACutIsKnown() {
    var tracker = tracker(20, 30)
    tracker.cutOff()
    receive(20, &tracker)
    receive(30, &tracker)
    receive(40, &tracker)
    tracker.acknowledge(lsn(30))
    #expect(tracker.confirmed == lsn(30))
    #expect(!tracker.isSettled)
    tracker.acknowledge(lsn(40))
    #expect(tracker.isSettled)
  }

  @Test func withoutAcknowledgementsNothingReceivedIsConfirmed() {
    var tracker = DeliveryTracker(expectsAcknowledgements: false)
    tracker.pass(lsn(50))
    #expect(tracker.confirmed == lsn(50))
    receive(60, &tracker)
    tracker.pass(lsn(70))
    #expect(tracker.confirmed == lsn(50))
  }

  @Test func ofTooManyThatWaitEverySecondIsForgotten() {
    var tracker = tracker()
    let count = UInt64(DeliveryTracker.maxPending) + 1
    for number in 1...count { tracker.take(.end(at: lsn(number * 100), lsn(number * 100 + 10))) }
    tracker.acknowledge(lsn(210))
    #expect([lsn(110), lsn(210)].contains(tracker.confirmed))
    tracker.acknowledge(lsn(count * 100 + 10))
    #expect(tracker.confirmed == lsn(count * 100 + 10))
    #expect(tracker.isSettled)
  }
}
