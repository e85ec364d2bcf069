/// How an object of unknown size is cut into parts, so that the largest one fits.
///
/// The first 1,024 parts have the size asked for; then it doubles every 512 parts, up to 1 GiB.
/// So a small object needs little memory, and 5 TiB fit in the 10,000 parts that S3 allows.
public struct PartPlan: Equatable, Sendable {
  /// What S3 allows.
  public static var maxParts: Int { 10_000 }
  public static var maxObjectBytes: Int { 5 << 40 }
  public static var defaultPartBytes: Int { 50 << 20 }
  /// Three of these fit in the memory that a publisher may take.
  static var smallPartBytes: Int { 15 << 20 }
  private static var largestPartBytes: Int { 1 << 30 }
  private static var plainParts: Int { 1024 }
  private static var partsPerStep: Int { 512 }

  /// The size of the first parts.
  public let partBytes: Int

  public init(partBytes: Int = PartPlan.defaultPartBytes) {
    precondition(partBytes > 0)
    self.partBytes = partBytes
  }

  /// The size of part `number`, counted from 1, unless it is the last one.
  public func size(ofPart number: Int) -> Int {
    guard number > Self.plainParts, partBytes < Self.largestPartBytes else { return partBytes }
    let steps = (number - Self.plainParts - 1) / Self.partsPerStep + 1
    return min(Self.largestPartBytes, partBytes << min(steps, 40))
  }

  /// The sizes of the parts of an object of `bytes`; one of 0 bytes for an empty object.
  public func sizes(ofObject bytes: Int) -> [Int] {
    var (sizes, left) = ([Int](), bytes)
    repeat {
      let size = min(left, size(ofPart: sizes.count + 1))
      sizes.append(size)
      left -= size
    } while left > 0
    return sizes
  }

  /// How many buffers of the size of part `number` a budget allows.
  ///
  /// Never less than two, one to fill and one to send.
  func buffers(forPart number: Int, budget: Int) -> Int { max(2, budget / size(ofPart: number)) }
}
