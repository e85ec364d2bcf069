internal import Bytes
internal import CCrypto

/// Two SHA-256 over the same bytes: of the whole, and of the part that the bytes belong to.
///
/// Where the processor has the instructions, both cost little more than one. For that a part must
/// begin at a multiple of 64 bytes of the whole; otherwise `isAligned` is false, and each is
/// computed by itself.
public struct TwinSHA256: ~Copyable {
  private static var blockBytes: Int { 64 }
  private static let start: [UInt32] = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab,
    0x5be0_cd19,
  ]

  private let isTwin: Bool
  // Computed together: the state of the whole, then that of the part.
  private var states = TwinSHA256.start + TwinSHA256.start
  private var wholeCount = 0
  private var partCount = 0
  /// What has not filled a block yet.
  private var tail: [UInt8] = []
  // Computed apart.
  private var plainWhole = SHA256()
  private var plainPart = SHA256()

  public init(isAligned: Bool) { isTwin = isAligned && ccrypto_has_sha256_twin() == 1 }

  public mutating func update(_ bytes: Span<UInt8>) {
    guard isTwin else {
      plainWhole.update(bytes)
      plainPart.update(bytes)
      return
    }
    wholeCount += bytes.count
    partCount += bytes.count
    var rest = bytes
    if !tail.isEmpty {
      let length = min(Self.blockBytes - tail.count, rest.count)
      tail += [UInt8](copying: rest.extracting(first: length))
      rest = rest.extracting(droppingFirst: length)
      guard tail.count == Self.blockBytes else { return }
      let block = tail
      Self.take(block.span, &states)
      tail.removeAll(keepingCapacity: true)
    }
    let blocks = rest.count / Self.blockBytes * Self.blockBytes
    Self.take(rest.extracting(first: blocks), &states)
    tail += [UInt8](copying: rest.extracting(droppingFirst: blocks))
  }

  /// The digest of the part; the next byte begins another one.
  public mutating func finishPart() -> [UInt8] {
    guard isTwin else {
      let digest = plainPart.finish()
      plainPart = SHA256()
      return digest
    }
    let digest = finish(1, partCount)
    states = states[..<8] + Self.start
    partCount = 0
    return digest
  }

  /// The digest of the whole; nothing can be added after that.
  public mutating func finishWhole() -> [UInt8] {
    isTwin ? finish(0, wholeCount) : plainWhole.finish()
  }

  private func finish(_ lane: Int, _ count: Int) -> [UInt8] {
    var last = tail + [0x80]
    let filled = (last.count + 8) % Self.blockBytes
    if filled > 0 { last += [UInt8](repeating: 0, count: Self.blockBytes - filled) }
    let bits = UInt64(count) * 8
    for shift in stride(from: 56, through: 0, by: -8) {
      last.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift)))
    }
    var states = states
    Self.take(last.span, &states)
    return states[lane * 8..<lane * 8 + 8].flatMap { word in
      [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> $0) }
    }
  }

  /// Takes in whole blocks.
  private static func take(_ blocks: Span<UInt8>, _ states: inout [UInt32]) {
    unsafe blocks.withUnsafeBufferPointer { bytes in
      guard let base = bytes.baseAddress, bytes.count >= blockBytes else { return }
      unsafe states.withUnsafeMutableBufferPointer { words in
        guard let one = words.baseAddress else { return }
        unsafe ccrypto_sha256_twin(one, one + 8, base, bytes.count / blockBytes)
      }
    }
  }
}
