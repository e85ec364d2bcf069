internal import Bytes
internal import Postgres

/// The 24 bytes that begin every page of WAL.
struct PageHeader: Equatable {
  static var bytes: Int { 24 }

  // The flags.
  private static var continuesFlag: UInt16 { 1 }
  private static var longFlag: UInt16 { 2 }
  private static var overwritesFlag: UInt16 { 8 }
  private static var allFlags: UInt16 { 15 }

  let magic: UInt16
  let flags: UInt16
  let timeline: UInt32
  /// Where the page begins.
  let address: LSN
  /// The bytes of the record before that are on this page and on those behind it.
  let remainingBytes: Int

  /// Throws where there is no header, or where its flags contradict one another.
  init(parsing bytes: Span<UInt8>) throws(DecodeError) {
    guard bytes.count >= Self.bytes else {
      throw DecodeError(expected: "a page header", offset: bytes.count)
    }
    magic = bytes.littleEndian(UInt16.self, at: 0)
    flags = bytes.littleEndian(UInt16.self, at: 2)
    timeline = bytes.littleEndian(UInt32.self, at: 4)
    address = LSN(rawValue: bytes.littleEndian(UInt64.self, at: 8))
    remainingBytes = Int(bytes.littleEndian(UInt32.self, at: 16))
    guard flags & ~Self.allFlags == 0 else {
      throw DecodeError(expected: "no flags but those known", offset: 2)
    }
    guard bytes.littleEndian(UInt32.self, at: 20) == 0 else {
      throw DecodeError(expected: "zeros", offset: 20)
    }
    guard continues == (remainingBytes > 0), !(continues && overwrites) else {
      throw DecodeError(expected: "a length of what remains that agrees with the flags", offset: 16)
    }
  }

  /// The page begins inside a record.
  var continues: Bool { flags & Self.continuesFlag != 0 }
  /// It is a segment's first, whose header has 40 bytes.
  var isLong: Bool { flags & Self.longFlag != 0 }
  /// The record that was begun before it never got its rest: the server had crashed.
  var overwrites: Bool { flags & Self.overwritesFlag != 0 }

  static var versions: [(magic: UInt16, version: Int)] {
    [
      (0xD106, 13), (0xD10D, 14), (0xD110, 15), (0xD113, 16), (0xD116, 17), (0xD118, 18),
    ]
  }

  /// True for the versions known, and for those to come.
  static func knows(_ magic: UInt16) -> Bool {
    versions.contains { $0.magic == magic } || (magic > 0xD118 && magic <= 0xD1FF)
  }
}
