import JSON
import Postgres
import Testing

@testable import Changes

@Suite struct SnapshotProgressTests {
  static let start = [
    #"{"type":"snapshot","slot":"s"}"#,
    #"{"type":"run","run":1,"lsn":"0/10","xmin":740}"#,
    #"{"type":"table","table_oid":7,"schema":"s","table":"t","file":7,"first":0,"end":1200,"step":512}"#,
  ]

  static func progress(_ lines: [String]) throws -> SnapshotProgress {
    var progress = SnapshotProgress()
    for line in start + lines { #expect(progress.take(try Record(parsing: line)), "\(line)") }
    return progress
  }

  static func statuses(_ progress: SnapshotProgress) -> [SnapshotProgress.Status?] {
    [0, 512, 1024].map { progress.tables[7]?.ranges[$0]?.status }
  }

  @Test func pagesAreCutIntoRanges() throws {
    let table = try Self.progress([]).tables[7]
    #expect(
      table?.ranges.map { [$0.key, $0.value.end] }.sorted { $0[0] < $1[0] } == [
        [0, 512], [512, 1024], [1024, 1200],
      ])
    #expect(table?.end == 1200)
  }

  @Test func aRangeIsDoneOnceThePartWithItsLastRowIsAcknowledged() throws {
    let read = [
      #"{"type":"begun","table_oid":7,"first":0}"#,
      #"{"type":"begun","table_oid":7,"first":512}"#,
      #"{"type":"read","table_oid":7,"first":0,"part":"1/2"}"#,
      #"{"type":"read","table_oid":7,"first":512,"part":"1/3"}"#,
    ]
    #expect(Self.statuses(try Self.progress(read)) == [.begun, .begun, .untouched])
    let acknowledged = try Self.progress(read + [#"{"type":"ack","part":"1/2"}"#])
    #expect(Self.statuses(acknowledged) == [.done(run: 1), .begun, .untouched])
    #expect(acknowledged.lastPart.description == "1/2")
  }

  @Test func anAcknowledgementSaysNothingOfAnotherRun() throws {
    let progress = try Self.progress([
      #"{"type":"begun","table_oid":7,"first":0}"#,
      #"{"type":"read","table_oid":7,"first":0,"part":"1/2"}"#,
      #"{"type":"run","run":2,"lsn":"0/20","xmin":750}"#,
      #"{"type":"ack","part":"2/5"}"#,
    ])
    #expect(Self.statuses(progress) == [.begun, .untouched, .untouched])
    #expect(progress.removedRun == 1)
  }

  @Test func aRangeThatIsReadAgainIsDoneUnderTheLaterSnapshot() throws {
    let progress = try Self.progress([
      #"{"type":"read","table_oid":7,"first":0,"part":"1/2"}"#,
      #"{"type":"ack","part":"1/2"}"#,
      #"{"type":"run","run":2,"lsn":"0/20","xmin":750}"#,
      #"{"type":"removed","part":"2/1"}"#,
      #"{"type":"read","table_oid":7,"first":0,"part":"2/2"}"#,
      #"{"type":"ack","part":"2/2"}"#,
    ])
    #expect(Self.statuses(progress)[0] == .done(run: 2))
    #expect(progress.removedRun == 2)
  }

  @Test func anotherFileMakesVoidWhatWasDoneOfATable() throws {
    let progress = try Self.progress([
      #"{"type":"read","table_oid":7,"first":0,"part":"1/2"}"#,
      #"{"type":"read","table_oid":7,"first":512,"part":"1/3"}"#,
      #"{"type":"ack","part":"1/2"}"#,
      #"{"type":"table","table_oid":7,"schema":"s","table":"t","file":8,"first":0,"end":600,"step":512}"#,
      #"{"type":"ack","part":"1/3"}"#,
    ])
    #expect(Self.statuses(progress) == [.begun, .begun, nil])
  }

  @Test func pagesThatAreAddedAreUntouched() throws {
    let progress = try Self.progress([
      #"{"type":"read","table_oid":7,"first":1024,"part":"1/2"}"#,
      #"{"type":"ack","part":"1/2"}"#,
      #"{"type":"table","table_oid":7,"schema":"s","table":"t","file":7,"first":1200,"end":1300,"step":512}"#,
    ])
    #expect(progress.tables[7]?.ranges[1024]?.status == .done(run: 1))
    #expect(progress.tables[7]?.ranges[1200]?.status == .untouched)
  }

  @Test(arguments: [
    #"{"type":"run","run":3,"lsn":"0/10","xmin":740}"#,
    #"{"type":"begun","table_oid":8,"first":0}"#,
    #"{"type":"read","table_oid":7,"first":1,"part":"1/2"}"#, #"{"type":"ack"}"#,
    #"{"type":"table","table_oid":7,"schema":"s","table":"t","file":7,"first":0,"end":1,"step":0}"#,
    #"{"type":"position"}"#, #"{"type":"ack","part":"9/1"}"#, #"{"type":"ack","part":"0/1"}"#,
    #"{"type":"removed","part":"9/1"}"#, #"{"type":"read","table_oid":7,"first":0,"part":"0/2"}"#,
    #"{"type":"run","run":2,"lsn":"0/1","xmin":740}"#,
  ])
  func refusesWhatDoesNotFollow(text: String) throws {
    var progress = try Self.progress([])
    #expect(!progress.take(try Record(parsing: text)))
  }
}
