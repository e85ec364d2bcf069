extension ByteBuffer {
  /// Copies text up to the next quote, backslash or control character, and returns where that is.
  ///
  /// COPY text and JSON strings both end a plain run there. This is the inner loop of reading and
  /// of loading rows: it looks at eight bytes at a time and never reads at or behind `end`, which
  /// it returns when nothing special comes.
  @inlinable
  @inline(__always)
  @unsafe
  public mutating func appendPlain(
    from start: UnsafePointer<UInt8>, end: UnsafePointer<UInt8>
  ) -> UnsafePointer<UInt8> {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let highs: UInt64 = 0x8080_8080_8080_8080
    var next = unsafe start
    while unsafe next < end {
      // A chunk at a time, so that a value of any size needs room only for what it really is.
      let length = unsafe min(end - next, 16 << 10)
      let target = unsafe reserve(length)
      var done = 0
      while done + 8 <= length {
        let word = unsafe UnsafeRawPointer(next + done).loadUnaligned(as: UInt64.self)
        unsafe UnsafeMutableRawPointer(target + done).storeBytes(of: word, as: UInt64.self)
        let quote = word ^ (ones &* 0x22)
        let slash = word ^ (ones &* 0x5C)
        // The lowest bit set marks the first such byte: a borrow disturbs only those above it.
        let control = (word &- ones &* 0x20) & ~word
        let special = (control | ((quote &- ones) & ~quote) | ((slash &- ones) & ~slash)) & highs
        if special != 0 {
          done += special.trailingZeroBitCount >> 3
          unsafe advance(by: done)
          return unsafe next + done
        }
        done += 8
      }
      while done < length {
        let byte = unsafe next[done]
        if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
          unsafe advance(by: done)
          return unsafe next + done
        }
        unsafe target[done] = byte
        done += 1
      }
      unsafe advance(by: done)
      unsafe next += done
    }
    return unsafe next
  }
}
