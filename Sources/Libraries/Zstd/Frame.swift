/// One frame of a zstd stream: where it lies and what its header says of it.
public struct Frame: Equatable, Sendable {
  public enum Kind: String, Sendable {
    case zstd
    case skippable
  }

  /// Counted from 1.
  public let number: Int
  /// Where it begins in the stream, in bytes.
  public let offset: Int
  public let kind: Kind
  /// The bytes of it that were seen so far, its header included.
  public internal(set) var compressedBytes: Int
  /// The bytes it holds; nil when its header does not say.
  public let contentBytes: Int?
  /// The history that must be kept to decompress it, in bytes.
  public let windowBytes: Int
  public let hasChecksum: Bool
}

extension Frame: CustomStringConvertible {
  public var description: String { "frame \(number) at byte \(offset)" }
}

/// What the first bytes of a frame say.
///
///     zstd        magic 28 B5 2F FD · descriptor · [window] · [dictionary 0–4] · [content size 0–8]
///     skippable   magic 5x 2A 4D 18 · length, 4 bytes
struct FrameHeader {
  /// Streams that need more history than this are refused.
  static var maxWindowBytes: Int { 128 << 20 }

  let magic: UInt32
  /// Of a skippable frame: the bytes behind the header.
  private(set) var skippedBytes = 0
  private(set) var contentBytes: Int?
  private(set) var windowBytes = 0
  private(set) var hasChecksum = false

  var isSkippable: Bool { Self.isSkippable(magic) }

  /// The length of the header that begins with `head`, or how much of it must be seen to know.
  static func length(_ head: [UInt8]) throws(FrameFault) -> Int {
    guard head.count >= 4 else { return 4 }
    let magic = UInt32(truncatingIfNeeded: number(head, 0, 4))
    if isSkippable(magic) { return 8 }
    guard magic == 0xFD2F_B528 else { throw FrameFault("is not a zstd frame") }
    guard head.count >= 5 else { return 5 }
    let fields = Fields(head[4])
    return 5 + fields.window + fields.dictionary + fields.content
  }

  /// Reads a header that is whole, by `length`.
  init(_ head: [UInt8]) throws(FrameFault) {
    magic = UInt32(truncatingIfNeeded: Self.number(head, 0, 4))
    if Self.isSkippable(magic) {
      skippedBytes = Int(Self.number(head, 4, 4))
      contentBytes = 0
      return
    }
    let fields = Fields(head[4])
    guard head[4] & 0x08 == 0 else { throw FrameFault("uses a reserved bit of its header") }
    hasChecksum = head[4] & 0x04 != 0
    let behindWindow = 5 + fields.window
    let dictionary = Self.number(head, behindWindow, fields.dictionary)
    guard dictionary == 0 else { throw FrameFault("needs the dictionary \(dictionary)") }
    let content = try Self.contentBytes(head, behindWindow + fields.dictionary, fields.content)
    contentBytes = content
    windowBytes = fields.window == 0 ? content ?? 0 : Self.window(head[5])
    guard windowBytes <= Self.maxWindowBytes else {
      throw FrameFault("needs a window of \(windowBytes) bytes, and the limit is 128 MiB")
    }
  }

  private static func contentBytes(
    _ head: [UInt8], _ start: Int, _ length: Int
  ) throws(FrameFault) -> Int? {
    if length == 0 { return nil }
    // Two bytes begin where one byte ends.
    let value = number(head, start, length)
    guard let bytes = Int(exactly: length == 2 ? value + 256 : value) else {
      throw FrameFault("says that it holds \(value) bytes")
    }
    return bytes
  }

  private static func window(_ descriptor: UInt8) -> Int {
    let base = 1 << (10 + Int(descriptor >> 3))
    return base + base / 8 * Int(descriptor & 7)
  }

  private static func isSkippable(_ magic: UInt32) -> Bool {
    magic & 0xFFFF_FFF0 == SeekTable.firstSkippableMagic
  }

  private static func number(_ bytes: [UInt8], _ start: Int, _ length: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in (start..<start + length).reversed() { value = value << 8 | UInt64(bytes[index]) }
    return value
  }

  /// The lengths of the fields behind a descriptor.
  private struct Fields {
    let window: Int
    let dictionary: Int
    let content: Int

    init(_ descriptor: UInt8) {
      let isSingleSegment = descriptor & 0x20 != 0
      window = isSingleSegment ? 0 : 1
      dictionary = [0, 1, 2, 4][Int(descriptor & 3)]
      content = [isSingleSegment ? 1 : 0, 2, 4, 8][Int(descriptor >> 6)]
    }
  }
}

/// What is wrong with a frame, as a predicate: `is not a zstd frame`.
struct FrameFault: Error {
  let predicate: String
  init(_ predicate: String) { self.predicate = predicate }
}
