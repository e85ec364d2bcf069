internal import Bytes

/// Finds the frames of a zstd stream that comes in pieces, without decompressing anything.
///
/// Damage that shows in the headers, and a stream that ends too early, are errors that name the
/// frame. What lies between the headers is for the decompressor to judge.
public struct FrameScanner: ~Copyable {
  private enum State {
    case header
    case blockHeader
    case content
    case whole
  }

  private static var maxBlockBytes: Int { 128 << 10 }

  /// The bytes scanned so far.
  public private(set) var offset = 0
  /// The frame at hand; nil until its header is whole.
  public private(set) var frame: Frame?

  private var number = 1
  private var start = 0
  private var state = State.header
  private var header: FrameHeader?
  /// The bytes of a header that may come in pieces.
  private var head: [UInt8] = []
  /// The bytes before the next header.
  private var skipping = 0
  private var isLastBlock = false
  private var check = ArchiveCheck()

  public init() {}

  /// True if the last byte scanned was the last one of `frame`; the next one begins another.
  public var isAtFrameEnd: Bool { state == .whole }

  /// Scans up to the end of the frame at hand, or of `bytes`, and returns how many that were.
  public mutating func scan(_ bytes: Span<UInt8>) throws(ZstdError) -> Int {
    if state == .whole, !bytes.isEmpty { beginFrame() }
    do throws(FrameFault) {
      return try advance(over: bytes)
    } catch {
      throw ZstdError("frame \(number) at byte \(start) \(error.predicate)")
    }
  }

  /// Says that the stream has ended; it must not have done so too early.
  public func finish() throws(ZstdError) {
    guard offset > 0 else { throw ZstdError("input is empty, not even a zstd frame") }
    guard state == .whole else {
      throw ZstdError(
        "input is truncated: it ends at byte \(offset), inside frame \(number) at byte \(start)")
    }
    guard check.isComplete else {
      throw ZstdError("input is truncated: it ends at byte \(offset), before its seek table")
    }
  }

  private mutating func beginFrame() {
    number += 1
    start = offset
    frame = nil
    header = nil
    state = .header
  }

  private mutating func advance(over bytes: Span<UInt8>) throws(FrameFault) -> Int {
    var position = 0
    while position < bytes.count, state != .whole {
      let rest = bytes.extracting(droppingFirst: position)
      let count =
        switch state {
        case .header: try scanHeader(rest)
        case .blockHeader: try scanBlockHeader(rest)
        default: skip(rest)
        }
      position += count
      offset += count
      frame?.compressedBytes = offset - start
      if state == .whole, let frame, let header { try check.end(header, frame) }
    }
    return position
  }

  private mutating func scanHeader(_ bytes: Span<UInt8>) throws(FrameFault) -> Int {
    var taken = 0
    while head.count < (try FrameHeader.length(head)) {
      guard taken < bytes.count else { return taken }
      head.append(bytes[taken])
      taken += 1
    }
    let header = try FrameHeader(head)
    head.removeAll(keepingCapacity: true)
    try check.begin(header)
    self.header = header
    frame = Frame(
      number: number, offset: start, kind: header.isSkippable ? .skippable : .zstd,
      compressedBytes: 0, contentBytes: header.contentBytes, windowBytes: header.windowBytes,
      hasChecksum: header.hasChecksum)
    if header.isSkippable {
      expect(content: header.skippedBytes, last: true)
    } else {
      state = .blockHeader
    }
    return taken
  }

  /// A block header is 3 bytes: last block, 1 bit · type, 2 bits · size, 21 bits.
  private mutating func scanBlockHeader(_ bytes: Span<UInt8>) throws(FrameFault) -> Int {
    var taken = 0
    while head.count < 3 {
      guard taken < bytes.count else { return taken }
      head.append(bytes[taken])
      taken += 1
    }
    let bits = Int(head[0]) | Int(head[1]) << 8 | Int(head[2]) << 16
    head.removeAll(keepingCapacity: true)
    let (isLast, type, size) = (bits & 1 == 1, bits >> 1 & 3, bits >> 3)
    guard type != 3, size <= Self.maxBlockBytes else {
      throw FrameFault("is damaged: the block at byte \(offset + taken - 3) has a bad header")
    }
    let checksumBytes = isLast && header?.hasChecksum == true ? 4 : 0
    let isRun = type == 1  // one byte, repeated
    expect(content: (isRun ? 1 : size) + checksumBytes, last: isLast)
    return taken
  }

  private mutating func expect(content length: Int, last: Bool) {
    skipping = length
    isLastBlock = last
    state = .content
    if length == 0 { endContent() }
  }

  private mutating func skip(_ bytes: Span<UInt8>) -> Int {
    let count = min(skipping, bytes.count)
    check.take(bytes.extracting(first: count))
    skipping -= count
    if skipping == 0 { endContent() }
    return count
  }

  private mutating func endContent() { state = isLastBlock ? .whole : .blockHeader }
}
