internal import Bytes

/// Copies JSON values into COPY text, in place and without allocation.
///
/// Each method returns false where the value is not of its kind or is malformed; the cursor then
/// stands anywhere, and the caller reads the line again in the slow way, which knows the reason.
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
    switch unsafe next.pointee {
    case UInt8(ascii: "\""): return unsafe copyString(to: &out)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      return unsafe copyNumber(to: &out)
    case UInt8(ascii: "n"):
      out.append(#"\N"#)
      return unsafe skip("null")
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
    case UInt8(ascii: "\""), UInt8(ascii: "/"): out.append(byte)
    case UInt8(ascii: "\\"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
      UInt8(ascii: "r"), UInt8(ascii: "t"):
      // COPY has the same escape.
      out.append(UInt8(ascii: "\\"))
      out.append(byte)
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
    for byte in UTF8.encode(scalar) ?? .init() { CopyText.append(byte, to: &out) }
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
      out.append(#"\N"#)
      return true
    }
    let start = unsafe next
    var depth = 0
    while unsafe next < end {
      let byte = unsafe next.pointee
      switch byte {
      case UInt8(ascii: "\""):
        guard unsafe copyJSONString(to: &out) else { return false }
        continue
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        if depth == 0 { return unsafe next > start }
        depth -= 1
      case UInt8(ascii: ","):
        if depth == 0 { return unsafe next > start }
      default: break
      }
      CopyText.append(byte, to: &out)
      unsafe next += 1
    }
    return unsafe depth == 0 && next > start
  }

  /// Copies a string with quotes and escapes, each backslash doubled for COPY.
  private mutating func copyJSONString(to out: inout ByteBuffer) -> Bool {
    out.append(UInt8(ascii: "\""))
    unsafe next += 1
    while true {
      unsafe next = unsafe out.appendPlain(from: next, end: end)
      guard unsafe next < end else { return false }
      switch unsafe next.pointee {
      case UInt8(ascii: "\""):
        out.append(UInt8(ascii: "\""))
        unsafe next += 1
        return true
      case UInt8(ascii: "\\"):
        guard unsafe end - next >= 2 else { return false }
        out.append(#"\\"#)
        CopyText.append(unsafe next[1], to: &out)
        unsafe next += 2
      default: return false
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

/// The text format of COPY.
enum CopyText {
  /// Appends one byte of a value, escaped where COPY would take it for something else.
  @inline(__always)
  static func append(_ byte: UInt8, to out: inout ByteBuffer) {
    switch byte {
    case UInt8(ascii: "\\"): out.append(#"\\"#)
    case UInt8(ascii: "\n"): out.append(#"\n"#)
    case UInt8(ascii: "\r"): out.append(#"\r"#)
    case UInt8(ascii: "\t"): out.append(#"\t"#)
    default: out.append(byte)
    }
  }

  static func append(_ value: Span<UInt8>, to out: inout ByteBuffer) {
    for index in value.indices { append(value[index], to: &out) }
  }
}
