/// Numbers that look random and are the same in every run.
struct Dice: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }

  /// Changes some bytes, takes some away, or puts some in; the first place where it did.
  mutating func damage(_ bytes: inout [UInt8]) -> Int {
    var first = bytes.count
    for _ in 0..<Int.random(in: 1...4, using: &self) where !bytes.isEmpty {
      let place = Int.random(in: 0..<bytes.count, using: &self)
      let end = min(bytes.count, place + Int.random(in: 1...12, using: &self))
      switch Int.random(in: 0..<5, using: &self) {
      case 0: bytes.removeSubrange(place..<end)
      case 1: bytes.insert(contentsOf: bytes[place..<end], at: place)
      case 2: bytes.insert(UInt8.random(in: 0...255, using: &self), at: place)
      case 3: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &self)
      default: bytes[place] = .random(in: 0...255, using: &self)
      }
      first = min(first, place)
    }
    return first
  }
}
