/// Reads values of a wire format one after the other, in network order.
///
/// Every read is checked; one that fails moves nothing.
public struct ByteCursor: ~Escapable {
  @usableFromInline let bytes: Span<UInt8>
  @usableFromInline var next = 0

  @inlinable
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) { self.bytes = bytes }

  /// Of the next byte to read.
  public var offset: Int { next }
  public var remaining: Int { bytes.count - next }
  public var isAtEnd: Bool { next == bytes.count }

  /// Reads an integer; `what` is what errors call it.
  @inlinable
  @_lifetime(self: copy self)
  public mutating func read<T: FixedWidthInteger & BitwiseCopyable>(
    _ type: T.Type, _ what: StaticString
  ) throws(DecodeError) -> T {
    let start = try advance(by: MemoryLayout<T>.size, what)
    return T(
      bigEndian: unsafe bytes.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: start, as: T.self))
  }

  /// Reads so many bytes.
  @inlinable
  @_lifetime(self: copy self)
  @_lifetime(copy self)
  public mutating func read(
    count: Int, _ what: StaticString
  ) throws(DecodeError) -> Span<UInt8> {
    let start = try advance(by: count, what)
    return bytes.extracting(start..<start + count)
  }

  /// Reads text up to the zero byte that ends it.
  @_lifetime(self: copy self)
  @_lifetime(copy self)
  public mutating func readText(_ what: StaticString) throws(DecodeError) -> Span<UInt8> {
    guard let end = bytes.firstIndex(of: 0, from: next) else {
      throw DecodeError(expected: "\(what)", offset: next)
    }
    let text = bytes.extracting(next..<end)
    next = end + 1
    return text
  }

  /// All that is left.
  @_lifetime(self: copy self)
  @_lifetime(copy self)
  public mutating func readRest() -> Span<UInt8> {
    let rest = bytes.extracting(droppingFirst: next)
    next = bytes.count
    return rest
  }

  /// Throws unless everything was read.
  public func expectEnd(_ what: StaticString) throws(DecodeError) {
    guard isAtEnd else { throw DecodeError(expected: "the end of \(what)", offset: next) }
  }

  @inlinable
  @_lifetime(self: copy self)
  mutating func advance(by count: Int, _ what: StaticString) throws(DecodeError) -> Int {
    guard count >= 0, count <= bytes.count - next else {
      throw DecodeError(expected: "\(what)", offset: next)
    }
    let start = next
    next += count
    return start
  }
}
