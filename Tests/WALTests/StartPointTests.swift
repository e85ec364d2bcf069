import Testing

@testable import Postgres
@testable import WAL

@Suite struct StartPointTests {
  private let size = SegmentSize.standard

  private func lsn(_ text: String) throws -> LSN { try #require(LSN(text)) }

  private func remote(
    timeline: UInt32 = 1, at position: String, ancestors: [(UInt32, String)] = [],
    slot: String? = nil, isStandby: Bool = false
  ) throws -> StartPoint.Remote {
    let system = ReplicationConnection.System(
      identifier: "7", timeline: timeline, position: try lsn(position))
    let list = try ancestors.map {
      TimelineHistory.Ancestor(timeline: $0.0, end: try lsn($0.1))
    }
    var remote = StartPoint.Remote(
      system: system, history: TimelineHistory(timeline: timeline, ancestors: list))
    remote.isStandby = isStandby
    if let slot {
      remote.slot = ReplicationConnection.Slot(restart: try lsn(slot), timeline: nil)
    }
    return remote
  }

  private func local(
    _ timeline: UInt32, _ number: UInt64, partialUpTo used: String? = nil, system: String = "7"
  ) throws -> StartPoint.Local {
    let segment = Segment(timeline: timeline, number: number, size: size)
    return StartPoint.Local(
      segment: segment, isPartial: used != nil, usedEnd: try used.map(lsn) ?? segment.end,
      systemIdentifier: system)
  }

  private func decide(
    _ local: StartPoint.Local?, _ remote: StartPoint.Remote
  ) -> (StartPoint.State, UInt32, String) {
    let start = StartPoint.reconcile(local, remote, size)
    return (start.state, start.timeline, "\(start.position)")
  }

  @Test func anEmptyDirectoryBeginsAtTheSlotOrWhereTheServerIs() throws {
    #expect(try decide(nil, remote(at: "0/5000100")) == (.fresh, 1, "0/5000000"))
    #expect(try decide(nil, remote(at: "0/5000100", slot: "0/3000028")) == (.fresh, 1, "0/3000000"))
    // The slot's timeline is the one that holds its position.
    let promoted = try remote(
      timeline: 2, at: "0/5000100", ancestors: [(1, "0/4000000")], slot: "0/3000028")
    #expect(decide(nil, promoted) == (.fresh, 1, "0/3000000"))
  }

  @Test func itGoesOnWhereTheDirectoryEnds() throws {
    #expect(try decide(local(1, 4), remote(at: "0/5000000")) == (.resuming, 1, "0/5000000"))
    let partial = try local(1, 5, partialUpTo: "0/5000100")
    #expect(try decide(partial, remote(at: "0/5000100")) == (.resuming, 1, "0/5000000"))
    // A slot behind the directory changes nothing.
    #expect(
      try decide(partial, remote(at: "0/6000100", slot: "0/5000100"))
        == (.resuming, 1, "0/5000000"))
  }

  @Test func aTimelineThatWasLeftIsFollowedToItsEnd() throws {
    let promoted = try remote(timeline: 2, at: "0/7000000", ancestors: [(1, "0/5000200")])
    #expect(
      try decide(local(1, 5, partialUpTo: "0/5000100"), promoted) == (.resuming, 1, "0/5000000"))
    // More than the new primary ever had may be commits, unless it is a record that has no end.
    var ahead = try local(1, 5, partialUpTo: "0/5000300")
    #expect(decide(ahead, promoted) == (.diverged, 1, "0/5000000"))
    ahead.endsUnfinished = true
    #expect(decide(ahead, promoted) == (.resuming, 1, "0/5000000"))
    let atBoundary = try remote(timeline: 2, at: "0/7000000", ancestors: [(1, "0/5000000")])
    #expect(try decide(local(1, 4), atBoundary) == (.resuming, 1, "0/5000000"))
  }

  @Test func whatTheServerNeverHadIsDivergence() throws {
    let promoted = try remote(timeline: 2, at: "0/7000000", ancestors: [(1, "0/4000200")])
    #expect(try decide(local(1, 4), promoted).0 == .diverged)
    #expect(try decide(local(1, 5, partialUpTo: "0/5000100"), promoted).0 == .diverged)
    #expect(try decide(local(3, 5), promoted).0 == .diverged)
    // A recovery to an earlier point, on the same timeline.
    #expect(try decide(local(1, 5), remote(at: "0/5000100")).0 == .diverged)
    #expect(
      try decide(local(1, 5, partialUpTo: "0/5000200"), remote(at: "0/5000100")).0 == .diverged)
    // A sibling that was promoted too, to a timeline that this history passes over.
    let sibling = try remote(timeline: 3, at: "0/7000000", ancestors: [(1, "0/4000200")])
    #expect(try decide(local(2, 5), sibling).0 == .diverged)
  }

  @Test func aStandbyThatIsBehindIsOnlyWaitedFor() throws {
    let standby = try remote(at: "0/5000100", isStandby: true)
    #expect(try decide(local(1, 5), standby).0 == .resuming)
  }

  @Test func anotherClusterIsNeverFollowed() throws {
    #expect(try decide(local(1, 4, system: "8"), remote(at: "0/5000000")).0 == .otherSystem)
  }
}
