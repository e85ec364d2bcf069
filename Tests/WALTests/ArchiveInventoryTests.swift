import Posix
import Postgres
import Testing
import WAL

@Suite struct ArchiveInventoryTests {
  private let size = SegmentSize(bytes: 1 << 20) ?? .standard

  private func inventory(_ numbers: [UInt64]) throws -> ArchiveInventory {
    var inventory = ArchiveInventory(size: size)
    for number in numbers {
      let name = Segment(timeline: 1, number: number, size: size).name
      try inventory.add(try #require(WALFileName(name)), arrival: 0)
    }
    return inventory
  }

  private func missing(_ inventory: ArchiveInventory, from: UInt64) -> UInt64? {
    inventory.firstMissing(
      from: LSN(rawValue: from << 20), along: TimelineHistory(timeline: 1))?.number
  }

  @Test(arguments: [
    [3, 4, 5, 6, 7], [7, 6, 5, 4, 3], [3, 5, 7, 4, 6], [5, 5, 4, 3, 7, 6, 6, 3],
  ])
  func orderDoesNotMatter(numbers: [UInt64]) throws {
    let inventory = try inventory(numbers)
    #expect(missing(inventory, from: 3) == nil)
    #expect(missing(inventory, from: 2) == 2)
    #expect(missing(inventory, from: 8) == nil)
  }

  /// Every set of the numbers 0 to 7, and every start.
  @Test(arguments: 0..<256)
  func theFirstGapIsFound(mask: Int) throws {
    let numbers = (0..<8).filter { mask & 1 << $0 != 0 }.map { UInt64($0) }
    let inventory = try inventory(numbers)
    for start in 0..<UInt64(9) {
      let expected = numbers.last.flatMap { last in
        (start...max(start, last)).first { $0 <= last && !numbers.contains($0) }
      }
      #expect(missing(inventory, from: start) == expected)
    }
  }

  @Test func upToAnEndItMustAllBeThere() throws {
    let inventory = try inventory([3, 4, 5])
    func missing(to end: UInt64) -> UInt64? {
      inventory.firstMissing(
        from: LSN(rawValue: 3 << 20), along: TimelineHistory(timeline: 1), to: LSN(rawValue: end)
      )?.number
    }
    #expect(missing(to: 6 << 20) == nil)
    #expect(missing(to: 6 << 20 | 1) == 6)
  }
}
