internal import Bytes

/// Names that fit into PostgreSQL's catalogs.
enum PartitionName {
  private static var digestBytes: Int { 9 }

  /// `name`, or a part of it and a digest of `identity` where it is too long or `isDistinct` asks for one.
  static func fit(_ name: String, identity: [String], isDistinct: Bool) -> String {
    let limit = NamingTemplate.maxBytes
    guard isDistinct || name.utf8.count > limit else { return name }
    var kept = ""
    var count = 0
    for scalar in name.unicodeScalars {
      count += String(scalar).utf8.count
      if count > limit - digestBytes { break }
      kept.unicodeScalars.append(scalar)
    }
    return "\(kept)_\(Hex.encode(digest([name] + identity)))"
  }

  /// FNV-1a of 64 bits folded to 32; the parts are kept apart by a byte that no name has.
  private static func digest(_ parts: [String]) -> UInt32 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for part in parts {
      for byte in [UInt8](part.utf8) + [0] { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    }
    return UInt32(truncatingIfNeeded: hash ^ (hash >> 32))
  }
}
