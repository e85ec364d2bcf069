extension Span where Element == UInt8 {
  /// The little-endian integer at `offset`, which must lie within the span with all its bytes.
  @inlinable
  public func littleEndian<T: FixedWidthInteger & BitwiseCopyable>(
    _ type: T.Type, at offset: Int
  ) -> T {
    precondition(offset >= 0 && offset <= count - MemoryLayout<T>.size)
    return T(
      littleEndian: unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: T.self))
  }

  /// The big-endian integer at `offset`, which must lie within the span with all its bytes.
  @inlinable
  public func bigEndian<T: FixedWidthInteger & BitwiseCopyable>(
    _ type: T.Type, at offset: Int
  ) -> T {
    precondition(offset >= 0 && offset <= count - MemoryLayout<T>.size)
    return T(
      bigEndian: unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: T.self))
  }
}
