import Bytes

/// Messages as a server would send them.
enum SampleStream {
  static func u16(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 255), UInt8(value & 255)] }
  static func u32(_ value: Int) -> [UInt8] { u16(value >> 16) + u16(value & 0xFFFF) }
  static func u64(_ value: Int) -> [UInt8] { u32(value >> 32) + u32(value & 0xFFFF_FFFF) }
  static func text(_ value: String) -> [UInt8] { Array(value.utf8) + [0] }
  static func kind(_ letter: String) -> [UInt8] { Array(letter.utf8) }

  /// What a CopyData message carries.
  static func payload(_ message: [UInt8], at position: Int = 0x1_0000_0100) -> [UInt8] {
    kind("w") + u64(position) + u64(position) + u64(0) + message
  }

  static func row(_ values: [String?]) -> [UInt8] {
    values.reduce(u16(values.count)) { row, value in
      guard let value else { return row + kind("n") }
      return row + kind("t") + u32(value.utf8.count) + Array(value.utf8)
    }
  }

  static let begin = kind("B") + u64(0x2_0000_0200) + u64(0) + u32(700)
  static let origin = kind("O") + u64(0xABC) + text("elsewhere")
  static let type = kind("Y") + u32(70000) + text("public") + text("mood")
  static let relation =
    kind("R") + u32(42) + text("public") + text("t") + kind("d") + u16(2) + [1] + text("id")
    + u32(23) + u32(0xFFFF_FFFF) + [0] + text("note") + u32(70000) + u32(0xFFFF_FFFF)
  static let insert = kind("I") + u32(42) + kind("N") + row(["1", "a \"b\"\n"])
  static let update =
    kind("U") + u32(42) + kind("K") + row(["1", nil]) + kind("N") + u16(2) + kind("t") + u32(1)
    + kind("2") + kind("u")
  static let delete = kind("D") + u32(42) + kind("K") + row(["2", nil])
  static let truncate = kind("T") + u32(1) + [3] + u32(42)
  static let message =
    kind("M") + [1] + u64(0x1_0000_0000) + text("pre") + u32(3) + kind("fix")
  static let commit = kind("C") + [0] + u64(0x2_0000_0200) + u64(0x2_0000_0230) + u64(0)

  static let beginPrepare =
    kind("b") + u64(0x10) + u64(0x20) + u64(0) + u32(701) + text("gid")
  static let prepare = kind("P") + [0] + u64(0x10) + u64(0x20) + u64(0) + u32(701) + text("gid")
  static let commitPrepared =
    kind("K") + [0] + u64(0x30) + u64(0x40) + u64(0) + u32(701) + text("gid")
  static let rollbackPrepared =
    kind("r") + [0] + u64(0x30) + u64(0x40) + u64(0) + u64(0) + u32(701) + text("gid")

  static let streamStart = kind("S") + u32(800) + [1]
  static let streamStop = kind("E")
  static let streamAbort = kind("A") + u32(800) + u32(801)
  static let streamCommit = kind("c") + u32(800) + [0] + u64(0x50) + u64(0x60) + u64(0)
  static let streamPrepare =
    kind("p") + [0] + u64(0x50) + u64(0x60) + u64(0) + u32(800) + text("gid")

  /// A message within a piece of a streamed transaction, of a subtransaction.
  static func streamed(_ message: [UInt8], _ xid: Int) -> [UInt8] {
    [message[0]] + u32(xid) + message.dropFirst()
  }

  /// Every kind of message, in an order that a server could send.
  static let all: [[UInt8]] = [
    begin, origin, type, relation, insert, update, delete, truncate, message, commit,
    beginPrepare, insert, prepare, commitPrepared, rollbackPrepared,
    streamStart, streamed(insert, 800), streamed(insert, 801), streamStop, streamAbort,
    streamStart, streamed(relation, 800), streamed(delete, 800), streamStop, streamCommit,
    streamStart, streamed(insert, 800), streamStop, streamPrepare,
  ]
}
