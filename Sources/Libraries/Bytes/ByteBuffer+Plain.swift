/// Text that COPY and JSON both take as it is: without quote, backslash and control character.
public enum PlainText {
  /// A bit in each byte of eight that is not plain; only the lowest one set is to be relied upon.
  @inlinable
  @inline(__always)
  public static func special(in word: UInt64, withQuotes: Bool = false) -> UInt64 {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let highs: UInt64 = 0x8080_8080_8080_8080
    let quote = withQuotes ? .max : word ^ (ones &* 0x22)
    let slash = word ^ (ones &* 0x5C)
    // A borrow disturbs only the bits above that of the byte that it came from.
    let control = (word &- ones &* 0x20) & ~word
    return (control | ((quote &- ones) & ~quote) | ((slash &- ones) & ~slash)) & highs
  }

  @inlinable
  @inline(__always)
  public static func isSpecial(_ byte: UInt8, withQuotes: Bool = false) -> Bool {
    byte < 0x20 || byte == UInt8(ascii: "\"") && !withQuotes || byte == UInt8(ascii: "\\")
  }
}

extension Span where Element == UInt8 {
  /// The index of the first quote, backslash or control character at or behind `start`; `count` when there is none.
  @inlinable
  public func endOfPlain(from start: Int) -> Int {
    precondition(start >= 0 && start <= count)
    var at = start
    while at + 8 <= count {
      let word = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: at, as: UInt64.self)
      let special = PlainText.special(in: UInt64(littleEndian: word))
      if special != 0 { return at + special.trailingZeroBitCount >> 3 }
      at += 8
    }
    while at < count, unsafe !PlainText.isSpecial(self[unchecked: at]) { at += 1 }
    return at
  }
}

extension ByteBuffer {
  /// Copies the text from `start` up to the next quote, backslash or control character, and returns where that is.
  ///
  /// `withQuotes` takes quotes for plain.
  @inlinable
  public mutating func appendPlain(
    _ text: Span<UInt8>, from start: Int, withQuotes: Bool = false
  ) -> Int {
    precondition(start >= 0 && start <= text.count)
    return unsafe text.withUnsafeBufferPointer { bytes in
      guard let base = bytes.baseAddress else { return start }
      let end = unsafe appendPlain(
        from: base + start, end: base + bytes.count, withQuotes: withQuotes)
      return unsafe end - base
    }
  }

  /// Copies text up to the next quote, backslash or control character, and returns where that is.
  ///
  /// COPY text and JSON strings both end a plain run there. This is the inner loop of reading and
  /// of loading rows: it looks at eight bytes at a time and never reads at or behind `end`, which
  /// it returns when nothing special comes. `withQuotes` takes quotes for plain, as JSON that is
  /// embedded has one with each name.
  @inlinable
  @inline(__always)
  @unsafe
  public mutating func appendPlain(
    from start: UnsafePointer<UInt8>, end: UnsafePointer<UInt8>, withQuotes: Bool = false
  ) -> UnsafePointer<UInt8> {
    var next = unsafe start
    while unsafe next < end {
      // A chunk at a time, so that a value of any size needs room only for what it really is.
      let length = unsafe min(end - next, 16 << 10)
      let target = unsafe reserve(length)
      var done = 0
      while done + 8 <= length {
        let word = unsafe UnsafeRawPointer(next + done).loadUnaligned(as: UInt64.self)
        unsafe UnsafeMutableRawPointer(target + done).storeBytes(of: word, as: UInt64.self)
        let special = PlainText.special(
          in: UInt64(littleEndian: word), withQuotes: withQuotes)
        if special != 0 {
          done += special.trailingZeroBitCount >> 3
          unsafe advance(by: done)
          return unsafe next + done
        }
        done += 8
      }
      while done < length {
        let byte = unsafe next[done]
        if PlainText.isSpecial(byte, withQuotes: withQuotes) {
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
