import Postgres
import Testing
import WAL

@Suite struct SegmentTests {
  @Test(arguments: [1 << 20, 16 << 20, 64 << 20, 1 << 30])
  func namesAndPositionsAgreeAtEverySize(bytes: Int) throws {
    let size = try #require(SegmentSize(bytes: bytes))
    for number: UInt64 in [0, 1, 2, 255, 256, 4095, 4096, 4097, 1 << 31] {
      let segment = Segment(timeline: 7, number: number, size: size)
      let name = try #require(SegmentName(segment.name))
      #expect(Segment(name, size: size) == segment)
      #expect(Segment(timeline: 7, holding: segment.start, size: size) == segment)
      #expect(Segment(timeline: 7, holding: segment.end + -1, size: size) == segment)
      #expect(segment.end == segment.next.start)
    }
  }

  @Test func namesAreThoseOfTheServer() throws {
    // What pg_walfile_name says of these positions.
    let position = try #require(LSN("16/B374D848"))
    #expect(
      Segment(timeline: 1, holding: position, size: .standard).name == "0000000100000016000000B3")
    let small = try #require(SegmentSize(bytes: 1 << 20))
    #expect(
      Segment(timeline: 10, holding: position, size: small).name == "0000000A0000001600000B37")
  }

  @Test(arguments: [0, 1, (1 << 20) - 1, 3 << 20, 2 << 30])
  func sizesThatNoClusterHasAreRefused(bytes: Int) { #expect(SegmentSize(bytes: bytes) == nil) }

  @Test func digitsBeyondTheSizeAreNoName() throws {
    let name = try #require(SegmentName("000000010000000000000100"))
    #expect(Segment(name, size: .standard) == nil)
    #expect(SegmentName("00000001000000000000000f") == nil)
    #expect(SegmentName("00000001000000000000000") == nil)
    #expect(SegmentName("+00000010000000000000001") == nil)
  }

  @Test(arguments: [
    "000000010000000000000001", "000000010000000000000001.partial", "00000002.history",
    "000000010000000000000001.00000028.backup",
  ])
  func fileNamesAreReadAndWritten(name: String) throws {
    #expect(try #require(WALFileName(name)).text == name)
  }

  @Test(arguments: [
    "", "00000002.history.tmp", "000000010000000000000001.zst", "0000000g.history", "2.history",
    "000000010000000000000001.00000028.backup2", "000000010000000000000001.partial.tmp",
  ])
  func otherNamesAreNone(name: String) { #expect(WALFileName(name) == nil) }

  @Test func keysOfAnArchiveAreReadAndWritten() throws {
    let layout = ArchiveLayout(systemIdentifier: "7123456789012345678")
    let name = try #require(WALFileName("0000000A0000001600000B37.partial"))
    let key = "7123456789012345678/0000000A/0000000A0000001600000B37.partial.zst"
    #expect(layout.key(of: name) == key)
    let parsed = try #require(ArchiveLayout.parse("wal/" + key))
    #expect(parsed.name == name)
    #expect(parsed.layout.systemIdentifier == layout.systemIdentifier)
    #expect(ArchiveLayout.parse("wal/712/00000001/0000000A0000001600000B37.zst") == nil)
    #expect(ArchiveLayout.parse("wal/x/0000000A/0000000A0000001600000B37.zst") == nil)
  }

  @Test func positionsAreReadAndWritten() throws {
    #expect(try #require(LSN("0/0")) == .invalid)
    #expect("\(try #require(LSN("FFFFFFFF/FFFFFFFF")))" == "FFFFFFFF/FFFFFFFF")
    for text in ["", "/", "0", "1/", "/1", "1/2/3", "100000000/0", "+1/0", "0/-1", "0/G"] {
      #expect(LSN(text) == nil)
    }
  }
}
