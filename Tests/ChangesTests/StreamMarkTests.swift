import Posix
import Postgres
import Testing

@testable import Changes

/// Messages of pgoutput, as far as they are looked at.
enum Sample {
  static func bytes<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    (0..<MemoryLayout<T>.size).reversed().map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
  }

  /// A letter, and integers behind it.
  static func message(_ letter: Character, _ parts: [UInt8]...) -> [UInt8] {
    [letter.asciiValue ?? 0] + parts.flatMap { $0 }
  }

  static func lsn(_ value: UInt64) -> LSN { LSN(rawValue: value) }

  static let flags: [UInt8] = [0]
  static let time = bytes(UInt64(7))
}

@Suite struct StreamMarkTests {
  private func mark(_ message: [UInt8], isInside: Bool = false) throws -> StreamMark {
    try StreamMark(message.span, isInside: isInside)
  }

  private typealias S = Sample

  @Test func transactionsBeginAndEnd() throws {
    let (start, end, xid) = (S.bytes(UInt64(100)), S.bytes(UInt64(140)), S.bytes(UInt32(9)))
    #expect(try mark(S.message("B", start, S.time, xid)) == .begin(S.lsn(100)))
    #expect(try mark(S.message("b", start, end, S.time, xid)) == .begin(S.lsn(100)))
    for letter in ["C", "P"] as [Character] {
      let message = S.message(letter, S.flags, start, end, S.time)
      #expect(try mark(message) == .end(at: S.lsn(100), S.lsn(140)))
    }
    #expect(
      try mark(S.message("K", S.flags, start, end, S.time)) == .single(at: S.lsn(100), S.lsn(140)))
    #expect(
      try mark(S.message("r", S.flags, start, end, S.time)) == .single(at: S.lsn(140), S.lsn(140)))
  }

  @Test func transactionsComeInParts() throws {
    let (start, end, xid) = (S.bytes(UInt64(100)), S.bytes(UInt64(140)), S.bytes(UInt32(9)))
    #expect(try mark(S.message("S", xid, [1])) == .partBegin(xid: 9))
    #expect(try mark(S.message("E")) == .partEnd)
    #expect(
      try mark(S.message("c", xid, S.flags, start, end, S.time))
        == .streamEnd(xid: 9, at: S.lsn(100), S.lsn(140)))
    #expect(
      try mark(S.message("p", S.flags, start, end, S.time, xid))
        == .streamEnd(xid: 9, at: S.lsn(100), S.lsn(140)))
    #expect(try mark(S.message("A", xid, xid)) == .abort(xid: 9, isWhole: true))
    let other = S.bytes(UInt32(10))
    #expect(try mark(S.message("A", xid, other)) == .abort(xid: 9, isWhole: false))
  }

  @Test func aMessageCountsOutsideOfTransactionsOnly() throws {
    let message = S.message("M", S.flags, S.bytes(UInt64(100)), [0])
    #expect(try mark(message) == .message(S.lsn(100)))
    #expect(try mark(message, isInside: true) == .other)
  }

  @Test func changesAreOfNoInterest() throws {
    for letter in "RYIUDTO" { #expect(try mark(S.message(letter)) == .other) }
  }

  @Test(arguments: [("B", 8), ("b", 8), ("C", 17), ("P", 17), ("K", 17), ("r", 17), ("c", 21)])
  func aMessageThatIsCutOffIsRefused(letter: Character, needed: Int) throws {
    let whole = S.message(letter, [UInt8](repeating: 0, count: needed))
    _ = try mark(whole)
    #expect(throws: Failure.self) { try mark(whole.dropLast()) }
  }

  @Test func anEmptyMessageIsRefused() {
    #expect(throws: Failure.self) { try mark([]) }
  }

  @Test func whatCommitsAtTheEndPositionIsBehindIt() {
    let end = S.lsn(100)
    for (position, isBeyond) in [(99, false), (100, true), (101, true)] as [(UInt64, Bool)] {
      let at = S.lsn(position)
      #expect(StreamMark.begin(at).isBeyond(end, at: S.lsn(5)) == isBeyond)
      #expect(StreamMark.message(at).isBeyond(end, at: at) == isBeyond)
      #expect(StreamMark.single(at: at, at + 40).isBeyond(end, at: at) == isBeyond)
      #expect(StreamMark.streamEnd(xid: 1, at: at, at + 40).isBeyond(end, at: at) == isBeyond)
      #expect(StreamMark.partBegin(xid: 1).isBeyond(end, at: at) == isBeyond)
      #expect(!StreamMark.end(at: at, at + 40).isBeyond(end, at: at))
      #expect(!StreamMark.other.isBeyond(end, at: at))
    }
    // Of a rollback of a prepared transaction only the end is known.
    #expect(!StreamMark.single(at: end, end).isBeyond(end, at: end))
    #expect(StreamMark.single(at: end + 1, end + 1).isBeyond(end, at: end))
  }
}
