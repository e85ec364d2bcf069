import JSON
import Posix
import Postgres
import Testing
import WAL

/// A cluster with segments of 1 MiB; positions are given in segments, times in seconds.
private struct Cluster {
  static let size = SegmentSize(bytes: 1 << 20) ?? .standard
  var backups: [BaseBackup] = []
  var inventory = ArchiveInventory(size: size)

  static func position(_ segments: Double) -> LSN { LSN(rawValue: UInt64(segments * 1_048_576)) }

  static func name(_ timeline: UInt32, _ number: UInt64) -> WALFileName? {
    WALFileName(Segment(timeline: timeline, number: number, size: size).name)
  }

  mutating func segments(
    _ timeline: UInt32, _ numbers: ClosedRange<UInt64>, without gap: Set<UInt64> = [],
    arrived seconds: Int64? = 1000
  ) throws {
    for number in numbers where !gap.contains(number) {
      let name = try #require(Self.name(timeline, number))
      try inventory.add(name, arrival: seconds.map { $0 * 1_000_000 })
    }
  }

  mutating func history(_ timeline: UInt32, _ ancestors: (UInt32, Double)...) throws {
    let text = ancestors.map { "\($0.0)\t\(Self.position($0.1))\twhy\n" }.joined()
    inventory.add(try TimelineHistory(parsing: Array(text.utf8).span, of: timeline))
    try inventory.add(.history(timeline: timeline), arrival: 0)
  }

  mutating func backup(
    _ label: String, _ timeline: UInt32, _ start: Double, _ stop: Double, at seconds: Int64
  ) throws {
    var record = Record(type: "backup")
    record.set("backup", label)
    record.set("system_identifier", "7")
    record.set("timeline", timeline)
    record.set("start_lsn", "\(Self.position(start))")
    record.set("stop_lsn", "\(Self.position(stop))")
    record.set("segment_size", Self.size.bytes)
    let clock = "\(100_000 + seconds / 3600 * 10_000 + seconds / 60 % 60 * 100 + seconds % 60)"
      .dropFirst()
    let digits = Array(clock).map { String($0) }
    record.set(
      "finished_at",
      "1970-01-01T0\(digits[0]):\(digits[1])\(digits[2]):\(digits[3])\(digits[4]).000000Z")
    backups.append(try BaseBackup(record))
  }

  func plan(keepLast: Int? = nil, window: Int? = nil, at seconds: Int64 = 1000) throws -> PrunePlan
  {
    let rules = Retention(keepLast: keepLast, windowMilliseconds: window.map { $0 * 1000 })
    return try PrunePlan(rules, backups, inventory, at: seconds * 1_000_000)
  }

  /// Why nothing may be pruned; nil when something may.
  func refusal(keepLast: Int) -> String? {
    do { _ = try plan(keepLast: keepLast) } catch let failure as Failure {
      return failure.exitCode == .negative ? failure.message : "exit \(failure.exitCode)"
    } catch { return "\(error)" }
    return nil
  }
}

extension PrunePlan {
  fileprivate func needs(_ timeline: UInt32, _ number: UInt64) -> Bool {
    needs(Segment(timeline: timeline, number: number, size: Cluster.size))
  }

  /// The first segment of a timeline that is needed.
  fileprivate func first(_ timeline: UInt32) -> UInt64? {
    (0...100).first { needs(timeline, $0) }
  }

  fileprivate var labels: [String] { kept.map(\.label) }
}

@Suite struct PrunePlanTests {
  /// Three backups on the one timeline.
  private func simple() throws -> Cluster {
    var cluster = Cluster()
    try cluster.segments(1, 1...30)
    try cluster.backup("a", 1, 2.5, 3.1, at: 100)
    try cluster.backup("b", 1, 10.5, 11.1, at: 200)
    try cluster.backup("c", 1, 20.5, 21.1, at: 300)
    return cluster
  }

  @Test(arguments: [
    (1, 20, ["c"]), (2, 10, ["b", "c"]), (3, 2, ["a", "b", "c"]), (9, 2, ["a", "b", "c"]),
  ])
  func theNewestAreKept(count: Int, first: UInt64, labels: [String]) throws {
    let plan = try simple().plan(keepLast: count)
    #expect(plan.first(1) == first)
    #expect(plan.labels == labels)
    #expect(plan.expired.count == 3 - labels.count)
  }

  @Test(arguments: [(699, 20), (700, 20), (701, 10), (800, 10), (801, 2), (5000, 2)])
  func theWindowBeginsWithTheNewestBackupBeforeIt(window: Int, first: UInt64) throws {
    #expect(try simple().plan(window: window).first(1) == first)
  }

  @Test func ofTwoRulesEachIsKept() throws {
    #expect(try simple().plan(keepLast: 1, window: 750).first(1) == 10)
    #expect(try simple().plan(keepLast: 3, window: 0).first(1) == 2)
  }

  @Test func backupsInAnyOrderAreTheSamePlan() throws {
    var cluster = try simple()
    cluster.backups.reverse()
    #expect(try cluster.plan(keepLast: 2).first(1) == 10)
  }

  @Test func withoutBackupsNothingIsPruned() throws {
    var cluster = try simple()
    cluster.backups = []
    #expect(cluster.refusal(keepLast: 1)?.hasPrefix("nothing is pruned: no backup") == true)
  }

  @Test func aBackupWhoseWALIsNotThereDoesNotCountAndIsNotHarmed() throws {
    var cluster = try simple()
    try cluster.backup("d", 1, 30.5, 31.1, at: 400)
    let plan = try cluster.plan(keepLast: 1)
    #expect(plan.labels == ["c"])
    #expect(plan.expired.map(\.label) == ["a", "b"])
  }

  @Test func nothingIsPrunedAcrossAGap() throws {
    var cluster = Cluster()
    try cluster.segments(1, 1...30, without: [25])
    try cluster.backup("a", 1, 2.5, 3.1, at: 100)
    try cluster.backup("b", 1, 20.5, 21.1, at: 200)
    #expect(
      cluster.refusal(keepLast: 1)
        == "nothing is pruned: segment 000000010000000000000019, which backup \"b\" needs, is missing"
    )
    // Once a backup behind it is enough, the gap is over.
    try cluster.backup("c", 1, 26.5, 27.1, at: 300)
    #expect(try cluster.plan(keepLast: 1).first(1) == 26)
    #expect(cluster.refusal(keepLast: 2) != nil)
  }

  @Test func aGapBeforeTheOldestKeptBackupIsNobodysLoss() throws {
    var cluster = Cluster()
    try cluster.segments(1, 1...30, without: [7])
    try cluster.backup("a", 1, 2.5, 3.1, at: 100)
    try cluster.backup("b", 1, 20.5, 21.1, at: 200)
    #expect(try cluster.plan(keepLast: 1).first(1) == 20)
  }

  @Test func aTimelineWithoutItsHistoryIsARefusal() throws {
    var cluster = try simple()
    try cluster.segments(2, 25...40)
    #expect(
      cluster.refusal(keepLast: 1)
        == "nothing is pruned: the history of timeline 2 is not in the archive")
  }

  @Test func aSwitchInsideASegmentNeedsTheCopyOfTheNewTimeline() throws {
    var cluster = Cluster()
    try cluster.segments(1, 1...9)
    try cluster.history(2, (1, 10.5))
    try cluster.backup("a", 1, 2.5, 3.1, at: 100)
    // Just promoted: no segment of the new timeline is finished yet.
    #expect(cluster.refusal(keepLast: 1) == nil)
    try cluster.segments(2, 11...12)
    #expect(
      cluster.refusal(keepLast: 1)?.holds("00000002000000000000000A") == true)
    try cluster.segments(2, 10...10)
    let plan = try cluster.plan(keepLast: 1)
    #expect(plan.first(1) == 2)
    #expect(plan.first(2) == 2)
  }

  @Test func aBackupOnTheNewTimelineNeedsNothingOfTheOldOne() throws {
    var cluster = Cluster()
    try cluster.segments(1, 1...10, arrived: 150)
    try cluster.history(2, (1, 10.5))
    try cluster.segments(2, 10...30)
    try cluster.backup("a", 1, 2.5, 3.1, at: 100)
    try cluster.backup("b", 2, 20.5, 21.1, at: 300)
    let plan = try cluster.plan(keepLast: 1)
    #expect(plan.first(1) == nil)
    #expect(plan.first(2) == 20)
    #expect(try cluster.plan(keepLast: 2).first(1) == 2)
  }

  /// A standby's backup that began before a promotion and ended behind it.
  @Test func aBackupAcrossAPromotionNeedsTheOldTimelineFromItsStart() throws {
    var cluster = Cluster()
    try cluster.segments(1, 1...7, arrived: 50)
    try cluster.history(2, (1, 7.5))
    try cluster.segments(2, 7...20)
    try cluster.backup("a", 1, 2.5, 3.1, at: 40)
    try cluster.backup("b", 2, 5.5, 9.1, at: 100)
    let plan = try cluster.plan(keepLast: 1)
    #expect(plan.labels == ["b"])
    #expect(plan.first(1) == 5)
    #expect(plan.first(2) == 5)
    // One that cannot be restored yet needs it as well.
    try cluster.backup("c", 2, 6.5, 30.1, at: 200)
    try cluster.backup("d", 2, 15.5, 16.1, at: 150)
    #expect(try cluster.plan(keepLast: 1).labels == ["d"])
    #expect(try cluster.plan(keepLast: 1).first(1) == 6)
  }

  /// W9: names are compared with the timeline as a part of the text.
  ///
  /// The oldest kept backup is on timeline 2. Timeline 1 was not left: its server goes on, and has
  /// the newest backup. By their names all segments of timeline 1 lie before that of backup b.
  @Test func w9TimelinesAreRelatedByHistoryNotByText() throws {
    var cluster = Cluster()
    try cluster.segments(1, 1...40)
    try cluster.history(2, (1, 10.5))
    try cluster.segments(2, 10...30)
    try cluster.backup("a", 1, 2.5, 3.1, at: 100)
    try cluster.backup("b", 2, 12.5, 13.1, at: 200)
    try cluster.backup("c", 1, 20.5, 21.1, at: 300)
    let plan = try cluster.plan(window: 850)
    #expect(plan.labels == ["a", "b", "c"])
    let later = try cluster.plan(keepLast: 1)
    #expect(later.labels == ["b", "c"])
    #expect(later.first(1) == 20)
    #expect(later.first(2) == 12)
  }

  /// W9: a timeline that was given up, with higher positions than the one that lives.
  @Test func w9ATimelineThatWasGivenUpIsPruned() throws {
    var cluster = Cluster()
    try cluster.segments(1, 1...10, arrived: 50)
    try cluster.history(2, (1, 6.5))
    try cluster.segments(2, 6...60, arrived: 150)
    try cluster.history(3, (1, 8.5))
    try cluster.segments(3, 8...30)
    try cluster.backup("a", 1, 2.5, 3.1, at: 40)
    try cluster.backup("b", 2, 50.5, 51.1, at: 140)
    try cluster.backup("c", 3, 20.5, 21.1, at: 300)
    let plan = try cluster.plan(keepLast: 1)
    #expect(plan.labels == ["c"])
    #expect(plan.first(1) == nil && plan.first(2) == nil && plan.first(3) == 20)
    // The two newest of all, and the two newest that lead to timeline 3.
    let two = try cluster.plan(keepLast: 2)
    #expect(two.labels == ["a", "b", "c"])
    #expect(two.first(1) == 2 && two.first(2) == 2 && two.first(3) == 2)
  }

  @Test func theNewestChainIsKeptThoughNewerBackupsLieElsewhere() throws {
    var cluster = Cluster()
    try cluster.segments(1, 1...10, arrived: 50)
    try cluster.history(2, (1, 6.5))
    try cluster.segments(2, 6...30, arrived: 500)
    try cluster.history(3, (1, 8.5))
    try cluster.segments(3, 8...12)
    try cluster.backup("a", 1, 2.5, 3.1, at: 40)
    try cluster.backup("b", 2, 20.5, 21.1, at: 140)
    #expect(try cluster.plan(keepLast: 1).labels == ["a", "b"])
    cluster.backups.removeFirst()
    #expect(
      cluster.refusal(keepLast: 1)
        == "nothing is pruned: no backup that can be restored leads to timeline 3")
  }

  @Test func aTimelineThatLivesIsNotPrunedForWantOfABackup() throws {
    var cluster = try simple()
    try cluster.history(2, (1, 15.5))
    try cluster.segments(2, 15...17, arrived: 50)
    try cluster.history(3, (1, 29.5))
    try cluster.segments(3, 29...31)
    #expect(try cluster.plan(keepLast: 1).first(2) == nil)
    try cluster.segments(2, 18...18, arrived: 990)
    #expect(try cluster.plan(keepLast: 1).first(2) == 0)
    #expect(try cluster.plan(keepLast: 1).first(4) == 0)
  }

  @Test func unknownArrivalIsTakenForLife() throws {
    var cluster = try simple()
    try cluster.history(2, (1, 15.5))
    try cluster.segments(2, 15...17, arrived: nil)
    try cluster.history(3, (1, 29.5))
    try cluster.segments(3, 29...31)
    #expect(try cluster.plan(keepLast: 1).first(2) == 0)
  }

  @Test func aNameOfAnotherSizeIsRefused() throws {
    var inventory = ArchiveInventory(size: .standard)
    let name = try #require(WALFileName("000000010000000000000100"))
    #expect(throws: Failure.self) { try inventory.add(name, arrival: 0) }
  }

  @Test(arguments: [
    "backup", "system_identifier", "timeline", "start_lsn", "stop_lsn", "segment_size",
    "finished_at",
  ])
  func aRecordThatLacksAMemberIsRefused(name: String) throws {
    var record = try #require(try simple().backups.first).record
    _ = try BaseBackup(record)
    record.set(name, "0")
    if name != "backup", name != "system_identifier" {
      #expect(throws: Failure.self) { try BaseBackup(record) }
    }
    record.remove(name)
    #expect(throws: Failure.self) { try BaseBackup(record) }
  }
}
