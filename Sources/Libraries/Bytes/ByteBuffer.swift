internal import Glibc

/// Bytes that grow at their end and are emptied without giving memory back.
///
/// The one buffer of the house: the row loop, the records and the parts of an upload are built in
/// it. It never shrinks by itself. The primitives are inlinable, because a call per value across
/// a module boundary costs more than the value.
@safe
public struct ByteBuffer: ~Copyable {
  @usableFromInline var base: UnsafeMutablePointer<UInt8>
  /// The number of bytes in use.
  public internal(set) var count: Int {
    @inlinable get { _count }
    set { _count = newValue }
  }
  @usableFromInline var _count = 0
  /// The number of bytes that fit without growing.
  @usableFromInline var capacity: Int

  public init(capacity: Int = 256) {
    self.capacity = max(16, capacity)
    unsafe base = .allocate(capacity: self.capacity)
  }

  /// A copy of `bytes`.
  public init(_ bytes: Span<UInt8>) {
    self.init(capacity: bytes.count)
    append(bytes)
  }

  deinit { unsafe base.deallocate() }

  @inlinable public var isEmpty: Bool { _count == 0 }

  /// The bytes in use.
  public var span: Span<UInt8> {
    @inlinable
    @_lifetime(borrow self)
    get {
      let span = unsafe Span<UInt8>(_unsafeStart: base, count: _count)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// The bytes from `start`, which must not lie behind the end.
  @inlinable
  @_lifetime(borrow self)
  public borrowing func span(from start: Int) -> Span<UInt8> {
    span.extracting(droppingFirst: start)
  }

  /// Forgets all bytes and keeps the memory.
  @inlinable public mutating func removeAll() { _count = 0 }

  /// Forgets all bytes behind the first `count`.
  @inlinable
  public mutating func truncate(to count: Int) {
    precondition(count >= 0 && count <= _count)
    _count = count
  }

  /// Forgets the first `length` bytes and moves the rest to the front.
  public mutating func removeFirst(_ length: Int) {
    precondition(length >= 0 && length <= _count)
    unsafe memmove(base, base + length, _count - length)
    _count -= length
  }

  /// Puts another byte in the place of one in use.
  @inlinable
  public mutating func replace(at index: Int, with byte: UInt8) {
    precondition(index >= 0 && index < _count)
    unsafe base[index] = byte
  }

  /// Makes room for `length` more bytes and returns where they go; `advance` then takes them in.
  @inlinable
  @unsafe
  public mutating func reserve(_ length: Int) -> UnsafeMutablePointer<UInt8> {
    if capacity - _count < length { grow(by: length) }
    return unsafe base + _count
  }

  /// Counts `length` bytes in that were written behind the end.
  @inlinable
  @unsafe
  public mutating func advance(by length: Int) {
    precondition(length >= 0 && _count + length <= capacity)
    _count += length
  }

  @usableFromInline
  mutating func grow(by length: Int) {
    let wanted = max(capacity * 2, _count + length)
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: wanted)
    unsafe larger.update(from: base, count: _count)
    unsafe base.deallocate()
    unsafe base = larger
    capacity = wanted
  }

  @inlinable
  public mutating func append(_ byte: UInt8) {
    unsafe reserve(1).pointee = byte
    _count += 1
  }

  @inlinable
  public mutating func append(_ bytes: Span<UInt8>) {
    let target = unsafe reserve(bytes.count)
    unsafe bytes.withUnsafeBufferPointer { source in
      guard let start = source.baseAddress else { return }
      unsafe target.update(from: start, count: source.count)
    }
    _count += bytes.count
  }

  @inlinable
  public mutating func append(_ bytes: [UInt8]) { append(bytes.span) }

  @inlinable
  public mutating func append(_ text: StaticString) {
    let length = text.utf8CodeUnitCount
    unsafe reserve(length).update(from: text.utf8Start, count: length)
    _count += length
  }

  /// Literals take the overload above, which allocates nothing.
  @_disfavoredOverload
  public mutating func append(_ text: String) {
    var text = text
    text.withUTF8 { bytes in
      guard let start = bytes.baseAddress else { return }
      unsafe reserve(bytes.count).update(from: start, count: bytes.count)
      _count += bytes.count
    }
  }

  /// Appends the bytes of `value`, the most significant first.
  @inlinable
  public mutating func append<T: FixedWidthInteger & BitwiseCopyable>(bigEndian value: T) {
    let length = MemoryLayout<T>.size
    unsafe UnsafeMutableRawPointer(reserve(length)).storeBytes(of: value.bigEndian, as: T.self)
    _count += length
  }

  /// Appends `value` in decimal digits.
  public mutating func append(decimal value: some FixedWidthInteger) {
    append(String(value))
  }
}

extension String {
  /// The text of `bytes`; what is not UTF-8 becomes U+FFFD, so only for showing and for names.
  public init(utf8 bytes: Span<UInt8>) {
    self = unsafe bytes.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
  }
}

extension String {
  /// True if `part` stands somewhere in it, byte for byte.
  public func holds(_ part: String) -> Bool {
    let (text, wanted) = (Array(utf8), Array(part.utf8))
    guard wanted.count <= text.count else { return false }
    return (0...text.count - wanted.count).contains { text[$0...].starts(with: wanted) }
  }
}

extension Array where Element == UInt8 {
  /// A copy of `bytes`.
  public init(copying bytes: Span<UInt8>) {
    self = unsafe bytes.withUnsafeBufferPointer { unsafe Array($0) }
  }
}

extension Span where Element == UInt8 {
  /// True if both hold the same bytes.
  public func equals(_ other: Span<UInt8>) -> Bool {
    guard count == other.count else { return false }
    return unsafe withUnsafeBufferPointer { mine in
      unsafe other.withUnsafeBufferPointer { theirs in
        guard let mine = mine.baseAddress, let theirs = theirs.baseAddress else { return true }
        return unsafe memcmp(mine, theirs, count) == 0
      }
    }
  }

  /// True if the bytes are those of `text`.
  @inlinable
  public func equals(_ text: StaticString) -> Bool {
    count == text.utf8CodeUnitCount && hasBytes(of: text)
  }

  /// `text` must be as long.
  @usableFromInline
  func hasBytes(of text: StaticString) -> Bool {
    unsafe withUnsafeBufferPointer { mine in
      guard let start = mine.baseAddress else { return true }
      return unsafe memcmp(start, text.utf8Start, count) == 0
    }
  }

  /// The index of the first `byte` at or behind `start`; `nil` when there is none.
  public func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
    precondition(start >= 0 && start <= count)
    return unsafe withUnsafeBufferPointer { bytes in
      guard let base = bytes.baseAddress, start < bytes.count else { return nil }
      guard let found = unsafe memchr(base + start, Int32(byte), bytes.count - start) else {
        return nil
      }
      return unsafe UnsafeRawPointer(base).distance(to: found)
    }
  }
}
