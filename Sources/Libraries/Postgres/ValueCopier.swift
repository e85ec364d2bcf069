internal import Bytes

/// Copies JSON values as the text of their types, in place and without allocation.
///
/// What is appended lies as `TextRows` has it: a length, which the limit of a line keeps small enough, and the bytes, or
/// -1 for null. Each method returns false where the value is not of its kind or is malformed; the cursor then stands
/// anywhere, and the caller reads the line again in the slow way, which knows the reason.
@unsafe
struct ValueCopier {
  var next: UnsafePointer<UInt8>
  let end: UnsafePointer<UInt8>

  /// Steps over `word` if it comes next.
  @inline(__always)
  mutating func skip(_ word: UnsafePointer<UInt8>, _ length: Int) -> Bool {
    guard unsafe end - next >= length else { return false }
    for index in 0..<length where unsafe next[index] != word[index] { return false }
    unsafe next += length
    return true
  }

  @inline(__always)
  mutating func skip(_ word: StaticString) -> Bool {
    unsafe skip(word.utf8Start, word.utf8CodeUnitCount)
  }

  /// A string, number, boolean or null.
  @inline(__always)
  mutating func copyScalar(to out: inout ByteBuffer) -> Bool {
    guard unsafe next < end else { return false }
    if unsafe next.pointee == UInt8(ascii: "n") {
      out.append(bigEndian: Int32(-1))
      return unsafe skip("null")
    }
    let start = out.count
    out.append(bigEndian: Int32(0))
    guard unsafe copyText(to: &out) else { return false }
    TextRows.setLength(at: start, in: &out)
    return true
  }

  /// A string without its quotes, a number or a boolean.
  @inline(__always)
  private mutating func copyText(to out: inout ByteBuffer) -> Bool {
    switch unsafe next.pointee {
    case UInt8(ascii: "\""): return unsafe copyString(to: &out)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      return unsafe copyNumber(to: &out)
    case UInt8(ascii: "t"):
      out.append("true")
      return unsafe skip("true")
    case UInt8(ascii: "f"):
      out.append("false")
      return unsafe skip("false")
    default: return false
    }
  }

  /// Whatever the type's own input function may understand: a scalar, or JSON text as it stands.
  mutating func copyForeign(to out: inout ByteBuffer) -> Bool {
    guard unsafe next < end else { return false }
    switch unsafe next.pointee {
    case UInt8(ascii: "{"), UInt8(ascii: "["): return unsafe copyJSON(to: &out)
    default: return unsafe copyScalar(to: &out)
    }
  }

  // -- strings

  @inline(__always)
  private mutating func copyString(to out: inout ByteBuffer) -> Bool {
    unsafe next += 1
    while true {
      unsafe next = unsafe out.appendPlain(from: next, end: end)
      guard unsafe next < end else { return false }
      switch unsafe next.pointee {
      case UInt8(ascii: "\""):
        unsafe next += 1
        return true
      case UInt8(ascii: "\\"):
        guard unsafe copyEscape(to: &out) else { return false }
      default: return false  // a control character
      }
    }
  }

  private mutating func copyEscape(to out: inout ByteBuffer) -> Bool {
    guard unsafe end - next >= 2 else { return false }
    let byte = unsafe next[1]
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "/"), UInt8(ascii: "\\"): out.append(byte)
    case UInt8(ascii: "b"): out.append(0x08 as UInt8)
    case UInt8(ascii: "f"): out.append(0x0C as UInt8)
    case UInt8(ascii: "n"): out.append(UInt8(ascii: "\n"))
    case UInt8(ascii: "r"): out.append(UInt8(ascii: "\r"))
    case UInt8(ascii: "t"): out.append(UInt8(ascii: "\t"))
    case UInt8(ascii: "u"): return unsafe copyScalarEscape(to: &out)
    default: return false
    }
    unsafe next += 2
    return true
  }

  /// `\u0041`, or the two halves of a surrogate pair.
  private mutating func copyScalarEscape(to out: inout ByteBuffer) -> Bool {
    guard var code = unsafe unit() else { return false }
    if code & 0xFC00 == 0xD800 {
      guard let low = unsafe unit(), low & 0xFC00 == 0xDC00 else { return false }
      code = 0x10000 + (code & 0x3FF) << 10 + (low & 0x3FF)
    }
    // PostgreSQL has no text with a zero byte.
    guard code != 0, let scalar = Unicode.Scalar(code) else { return false }
    for byte in UTF8.encode(scalar) ?? .init() { out.append(byte) }
    return true
  }

  private mutating func unit() -> UInt32? {
    guard unsafe end - next >= 6, unsafe next[0] == UInt8(ascii: "\\"),
      unsafe next[1] == UInt8(ascii: "u")
    else { return nil }
    var code: UInt32 = 0
    for index in 2..<6 {
      guard let digit = unsafe Hex.value(next[index]) else { return nil }
      code = code << 4 | UInt32(digit)
    }
    unsafe next += 6
    return code
  }

  // -- numbers

  @inline(__always)
  private mutating func copyNumber(to out: inout ByteBuffer) -> Bool {
    let start = unsafe next
    if unsafe next.pointee == UInt8(ascii: "-") { unsafe next += 1 }
    let first = unsafe next
    guard unsafe skipDigits() else { return false }
    if unsafe first.pointee == UInt8(ascii: "0"), unsafe next - first > 1 { return false }
    if unsafe next < end, unsafe next.pointee == UInt8(ascii: ".") {
      unsafe next += 1
      guard unsafe skipDigits() else { return false }
    }
    if unsafe next < end, unsafe next.pointee | 0x20 == UInt8(ascii: "e") {
      unsafe next += 1
      if unsafe next < end, unsafe next.pointee == 0x2B || next.pointee == 0x2D {
        unsafe next += 1
      }
      guard unsafe skipDigits() else { return false }
    }
    let length = unsafe next - start
    unsafe out.reserve(length).update(from: start, count: length)
    unsafe out.advance(by: length)
    return true
  }

  @inline(__always)
  private mutating func skipDigits() -> Bool {
    let start = unsafe next
    while unsafe next < end, unsafe next.pointee &- 0x30 < 10 { unsafe next += 1 }
    return unsafe next > start
  }

  // -- JSON text

  /// Copies JSON text with its blanks, up to the comma or brace that ends the member.
  ///
  /// Only its extent is found here, because the server checks all of it once more.
  mutating func copyJSON(to out: inout ByteBuffer) -> Bool {
    if unsafe skipNull() {
      out.append(bigEndian: Int32(-1))
      return true
    }
    let start = unsafe next
    guard unsafe skipJSON(), unsafe next > start else { return false }
    let length = unsafe next - start
    out.append(bigEndian: Int32(truncatingIfNeeded: length))
    unsafe out.reserve(length).update(from: start, count: length)
    unsafe out.advance(by: length)
    return true
  }

  /// Steps over what stands before the comma or brace that ends the member, or before the end.
  private mutating func skipJSON() -> Bool {
    var depth = 0
    while unsafe next < end {
      switch unsafe next.pointee {
      case UInt8(ascii: "\""):
        guard unsafe skipJSONString() else { return false }
        continue
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        if depth == 0 { return true }
        depth -= 1
      case UInt8(ascii: ","):
        if depth == 0 { return true }
      default: break
      }
      unsafe next += 1
    }
    return depth == 0
  }

  /// Steps over a string, behind its second quote.
  private mutating func skipJSONString() -> Bool {
    unsafe next += 1
    while true {
      let rest = unsafe Span(_unsafeStart: next, count: end - next)
      unsafe next += rest.endOfPlain(from: 0)
      guard unsafe next < end else { return false }
      switch unsafe next.pointee {
      case UInt8(ascii: "\""):
        unsafe next += 1
        return true
      case UInt8(ascii: "\\"):
        guard unsafe end - next >= 2 else { return false }
        unsafe next += 2
      default: return false  // a control character
      }
    }
  }

  /// Steps over `null`, with blanks around it, if that is the whole member.
  private mutating func skipNull() -> Bool {
    var at = unsafe next
    func skipBlanks() {
      while unsafe at < end, unsafe at.pointee == 0x20 || at.pointee == 0x09 || at.pointee == 0x0D {
        unsafe at += 1
      }
    }
    skipBlanks()
    guard unsafe at < end, unsafe at.pointee == UInt8(ascii: "n") else { return false }
    var ahead = unsafe ValueCopier(next: at, end: end)
    guard unsafe ahead.skip("null") else { return false }
    unsafe at = unsafe ahead.next
    skipBlanks()
    guard unsafe at == end || at.pointee == UInt8(ascii: ",") || at.pointee == UInt8(ascii: "}")
    else { return false }
    unsafe next = unsafe at
    return true
  }
}
