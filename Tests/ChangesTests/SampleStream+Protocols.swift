/// Streams of each protocol, short enough to be damaged at every byte.
extension SampleStream {
  /// CopyData messages as they come from the wire.
  static func frames(_ payloads: [[UInt8]]) -> [[UInt8]] {
    payloads.map { kind("d") + u32($0.count + 4) + $0 }
  }

  static let keepalive = kind("k") + u64(0x2_0000_0300) + u64(0) + [0]

  static func column(
    _ name: String, _ type: Int, _ modifier: Int = -1, isKey: Bool = false
  ) -> [UInt8] {
    [isKey ? 1 : 0] + text(name) + u32(type) + u32(modifier)
  }

  /// A domain of a built-in type goes by the name of that.
  static let domain = kind("Y") + u32(70001) + text("") + text("numeric")

  /// A column for each way in which values are written.
  static let wideRelation =
    kind("R") + u32(43) + text("") + text("w \"q\"") + kind("f") + u16(12)
    + column("id", 20, isKey: true) + column("b", 16) + column("f", 701)
    + column("n", 1700, 0xA0006) + column("t", 1114, 3) + column("z", 1184) + column("j", 114)
    + column("a", 1007) + column("v", 1043, 14) + column("x", 17) + column("d", 70001)
    + column("c", 18)

  static let wideRow = row([
    "7", "t", "NaN", "-1.50", "2024-01-31 12:00:00.123", "0044-03-15 12:00:00+00 BC",
    "{\"a\":\n[1, \"é\"]}", "{1,NULL}", "\t\"é\\", "\\x00ff", "12", "\u{1}",
  ])

  /// Every value of another kind: NULL, unchanged, text.
  static let mixedRow =
    u16(12) + [kind("t") + u32(1) + kind("1"), kind("n"), kind("u")].joined().repeated(4)

  static let wideInsert = kind("I") + u32(43) + kind("N") + wideRow
  static let wideUpdate = kind("U") + u32(43) + kind("O") + wideRow + kind("N") + mixedRow
  static let wideDelete = kind("D") + u32(43) + kind("O") + mixedRow
  static let truncateBoth = kind("T") + u32(2) + [0] + u32(42) + u32(43)
  static let wideTruncate = kind("T") + u32(1) + [1] + u32(43)
  static let binaryMessage =
    kind("M") + [0] + u64(0x1_0000_0000) + text("") + u32(2) + [0xFF, 0]

  /// Says from protocol 4 on where and when it was, too.
  static let parallelAbort = kind("A") + u32(800) + u32(801) + u64(0x50) + u64(7)
  static let wholeAbort = kind("A") + u32(802) + u32(802) + u64(0x50) + u64(7)
  static let otherStart = kind("S") + u32(802) + [1]
  static let streamAgain = kind("S") + u32(800) + [0]

  /// The streams by their protocols, as payloads.
  static let protocols: [[[UInt8]]] = [
    [
      begin, origin, type, relation, insert, update, delete, truncate, message, commit, begin,
      domain, wideRelation, wideInsert, wideUpdate, wideDelete, truncateBoth, commit,
      binaryMessage,
    ].map { payload($0) } + [keepalive],
    [
      begin, relation, commit, streamStart, streamed(insert, 800), streamed(insert, 801),
      streamStop, otherStart, streamed(delete, 802), streamStop, streamAbort, begin, insert, commit,
      streamAgain, streamed(update, 803), streamed(message, 800), streamStop, streamCommit,
    ].map { payload($0) },
    [
      beginPrepare, relation, insert, prepare, commitPrepared, rollbackPrepared, streamStart,
      streamed(type, 800), streamed(relation, 800), streamed(delete, 800), streamStop,
      streamPrepare,
    ].map { payload($0) },
    [
      streamStart, origin, streamed(domain, 800), streamed(wideRelation, 800),
      streamed(wideInsert, 801), streamStop, parallelAbort, otherStart,
      streamed(wideInsert, 802), streamStop, streamAgain, streamed(wideRelation, 800),
      streamed(wideUpdate, 800), streamed(wideTruncate, 800),
      streamStop, wholeAbort, streamCommit,
    ].map { payload($0) },
  ]
}

extension Sequence<UInt8> {
  fileprivate func repeated(_ count: Int) -> [UInt8] { (0..<count).flatMap { _ in Array(self) } }
}
