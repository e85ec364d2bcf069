import Testing
import Zstd

@Suite struct SeekTableTests {
  private static let footer = littleEndian(2) + [0] + littleEndian(0x8F92_EAB1)
  private static let entries = [40, 100, 50, 200].flatMap { littleEndian($0) }

  @Test func readsEntries() {
    let table = SeekTable(parsing: (Self.entries + Self.footer).span)
    #expect(
      table?.entries == [
        SeekTable.Entry(compressedBytes: 40, contentBytes: 100),
        SeekTable.Entry(compressedBytes: 50, contentBytes: 200),
      ])
  }

  @Test func passesOverChecksums() {
    let entries = [40, 100, 7, 50, 200, 8].flatMap { littleEndian($0) }
    let footer = littleEndian(2) + [0x83] + littleEndian(0x8F92_EAB1)
    let table = SeekTable(parsing: (entries + footer).span)
    #expect(table?.entries.map(\.contentBytes) == [100, 200])
  }

  @Test func readsATableOfNothing() {
    let footer = littleEndian(0) + [0] + littleEndian(0x8F92_EAB1)
    #expect(SeekTable(parsing: footer.span)?.entries == [])
  }

  @Test func refusesEveryPrefixAndEverySuffix() {
    let whole = Self.entries + Self.footer
    for length in 0..<whole.count {
      #expect(SeekTable(parsing: whole.span.extracting(first: length)) == nil)
      #expect(SeekTable(parsing: whole.span.extracting(last: length)) == nil)
    }
  }

  @Test(arguments: [
    littleEndian(1) + [0] + littleEndian(0x8F92_EAB1),
    littleEndian(3) + [0] + littleEndian(0x8F92_EAB1),
    littleEndian(0xFFFF_FFFF) + [0] + littleEndian(0x8F92_EAB1),
    littleEndian(2) + [0x80] + littleEndian(0x8F92_EAB1),
    littleEndian(2) + [0x04] + littleEndian(0x8F92_EAB1),
    littleEndian(2) + [0] + littleEndian(0x8F92_EAB2),
  ])
  func refusesAFooter(footer: [UInt8]) {
    #expect(SeekTable(parsing: (Self.entries + footer).span) == nil)
  }

  @Test func anArchiveEndsWithTheTableOfItsFrames() throws {
    let archive = try compress(sampleRows(100), frameBytes: 500)
    let frames = try frames(of: archive)
    let table = try #require(frames.last)
    let content = archive.span.extracting(table.offset + 8..<archive.count)
    let entries = frames.dropLast().map {
      SeekTable.Entry(
        compressedBytes: UInt32($0.compressedBytes), contentBytes: UInt32($0.contentBytes ?? 0))
    }
    #expect(SeekTable(parsing: content)?.entries == entries)
    #expect(table.offset == frames.dropLast().reduce(0) { $0 + $1.compressedBytes })
  }
}
