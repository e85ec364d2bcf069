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
    guard
      let bits = slash == text.count ? 8 * length : bits(text.extracting(droppingFirst: slash + 1))
    else {
      return false
    }
    out.append(bigEndian: Int32(4 + length))
    out.append(isSix ? 3 : 2 as UInt8)
    out.append(bits)
    out.append(0 as UInt8)
    out.append(length)
    return bits <= 8 * length && appendBytes(address, count: Int(length), to: &out)
  }

  /// The corresponding C function is `inet_pton`.
  private func appendBytes(
    _ address: Span<UInt8>, count: Int, to out: inout ByteBuffer
  ) -> Bool {
    // No address is longer, and the end is where the zero byte stands.
    guard address.count < INET6_ADDRSTRLEN, address.firstIndex(of: 0) == nil else { return false }
    return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: address.count + 1) {
      word in
      for index in address.indices {
        unsafe word[index] = CChar(truncatingIfNeeded: address[index])
      }
      unsafe word[address.count] = 0
      let family = count == 16 ? AF_INET6 : AF_INET
      guard unsafe inet_pton(family, word.baseAddress, out.reserve(count)) == 1 else {
        return false
      }
      unsafe out.advance(by: count)
      return true
    }
  }

  /// Without a zero in front, which the server takes in some places only.
  private func bits(_ text: Span<UInt8>) -> UInt8? {
    guard text.count == 1 || !text.isEmpty && (0x31...0x39).contains(text[0]) else { return nil }
    return integer(text).flatMap { UInt8(exactly: $0) }
  }
}
