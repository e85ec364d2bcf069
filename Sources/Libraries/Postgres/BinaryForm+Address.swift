internal import Bytes
internal import Glibc

/// Addresses of hosts and networks: `10.1.2.3`, `10.0.0.0/8`, `2001:db8::1/64`.
extension BinaryForm {
  /// Appends the address with its length before it; false, and then perhaps a part of it, for any other text.
  ///
  /// An address with fewer numbers than it should have is one of those, since the server completes it.
  ///
  ///     family Int8 | bits of the network Int8 | whether it is a cidr Int8, not read | length Int8 | the bytes
  func appendAddress(_ text: Span<UInt8>, to out: inout ByteBuffer) -> Bool {
    let slash = text.firstIndex(of: UInt8(ascii: "/")) ?? text.count
    let address = text.extracting(first: slash)
    let isSix = address.firstIndex(of: UInt8(ascii: ":")) != nil
    let length: UInt8 = isSix ? 16 : 4
    guard let bits = slash == text.count ? 8 * length : bits(text, from: slash + 1) else {
      return false
    }
    out.append(bigEndian: Int32(4 + length))
    out.append(isSix ? 3 : 2 as UInt8)
    out.append(bits)
    out.append(0 as UInt8)
    out.append(length)
    return bits <= 8 * length && appendBytes(address, isSix ? AF_INET6 : AF_INET, to: &out)
  }

  /// The corresponding C function is `inet_pton`.
  private func appendBytes(
    _ address: Span<UInt8>, _ family: Int32, to out: inout ByteBuffer
  ) -> Bool {
    // No address is longer, and the end is where the zero byte stands.
    guard address.count < INET6_ADDRSTRLEN, address.firstIndex(of: 0) == nil else { return false }
    return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: address.count + 1) {
      word in
      for index in address.indices {
        unsafe word[index] = CChar(truncatingIfNeeded: address[index])
      }
      unsafe word[address.count] = 0
      let length = family == AF_INET6 ? 16 : 4
      guard unsafe inet_pton(family, word.baseAddress, out.reserve(length)) == 1 else {
        return false
      }
      unsafe out.advance(by: length)
      return true
    }
  }

  /// Without a zero in front, which the server takes in some places only.
  private func bits(_ text: Span<UInt8>, from start: Int) -> UInt8? {
    let length = text.count - start
    guard length > 0, length <= 3, length == 1 || text[start] != UInt8(ascii: "0") else {
      return nil
    }
    var value = 0
    for index in start..<text.count {
      let digit = text[index] &- 0x30
      guard digit < 10 else { return nil }
      value = value * 10 + Int(digit)
    }
    return UInt8(exactly: value)
  }
}
