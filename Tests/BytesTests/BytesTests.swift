import Bytes
import Testing

@Suite struct CRC32CTests {
  @Test func knowsTheCheckValue() {
    var crc = CRC32C()
    crc.update(Array("123456789".utf8).span)
    #expect(crc.value == 0xE306_9283)
    #expect(crc.bytes == [0xE3, 0x06, 0x92, 0x83])
  }

  @Test(arguments: [0, 1, 7, 8, 9, 63, 64, 1000])
  func combinesPartsIntoTheWhole(split: Int) {
    let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    var (whole, left, right) = (CRC32C(), CRC32C(), CRC32C())
    whole.update(bytes.span)
    left.update(bytes.span.extracting(first: split))
    right.update(bytes.span.extracting(droppingFirst: split))
    left.append(right)
    #expect(left == whole)
  }
}

@Suite struct TextCodingTests {
  @Test(arguments: ["", "f", "fo", "foo", "foob", "fooba", "foobar"])
  func base64GoesThereAndBack(text: String) {
    #expect(Base64.decode(Base64.encode(Array(text.utf8))) == Array(text.utf8))
  }

  @Test func base64IsTheStandards() {
    #expect(Base64.encode(Array("fooba".utf8)) == "Zm9vYmE=")
    #expect(Base64.encode([0xFB, 0xFF]) == "+/8=")
  }

  @Test(arguments: ["a", "ab=c", "====", "Zm9v!mFy"])
  func base64RejectsWhatIsNone(text: String) { #expect(Base64.decode(text) == nil) }

  @Test func hexGoesThereAndBack() {
    #expect(Hex.encode([0x00, 0xAB, 0xFF]) == "00abff")
    #expect(Hex.decode("00aBfF") == [0x00, 0xAB, 0xFF])
    #expect(Hex.encode(UInt32(0xBEEF)) == "0000beef")
  }

  @Test(arguments: ["0", "0g", "  "])
  func hexRejectsWhatIsNone(text: String) { #expect(Hex.decode(text) == nil) }
}

@Suite struct ByteBufferTests {
  @Test func growsAndForgets() {
    var buffer = ByteBuffer(capacity: 1)
    for index in 0..<1000 { buffer.append(UInt8(truncatingIfNeeded: index)) }
    buffer.append("text")
    buffer.append(decimal: -12)
    #expect(buffer.count == 1007)
    buffer.removeFirst(1000)
    let whole = buffer.span.equals("text-12")
    #expect(whole)
    buffer.truncate(to: 4)
    let text = String(utf8: buffer.span)
    let found = ["x", "t", "z"].map { (letter: Unicode.Scalar) in UInt8(ascii: letter) }
    let places = (
      buffer.span.firstIndex(of: found[0]), buffer.span.firstIndex(of: found[1], from: 1),
      buffer.span.firstIndex(of: found[2])
    )
    #expect(text == "text")
    #expect(places == (2, 3, nil))
  }
}

@Suite struct PlainTextTests {
  /// Each byte at each place of a text that is longer than the eight bytes that are looked at together.
  @Test(arguments: 0..<20)
  func endsWhereOneByteIsSpecial(place: Int) {
    for byte in UInt8.min...UInt8.max {
      var text = [UInt8](repeating: UInt8(ascii: "x"), count: 20)
      text[place] = byte
      let isPlain = byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
      let end = isPlain ? 20 : place
      var copy = ByteBuffer(capacity: 1)
      let copied = copy.appendPlain(text.span, from: 0)
      #expect(text.span.endOfPlain(from: 0) == end && copied == end)
      let isSame = copy.span.equals(text.span.extracting(..<end))
      #expect(isSame)
      #expect(text.span.endOfPlain(from: min(place + 1, 20)) == 20)
    }
  }

  @Test(arguments: 0..<20)
  func passesOverQuotes(place: Int) {
    for byte in UInt8.min...UInt8.max {
      var text = [UInt8](repeating: UInt8(ascii: "\""), count: 20)
      text[place] = byte
      let end = byte >= 0x20 && byte != UInt8(ascii: "\\") ? 20 : place
      var copy = ByteBuffer(capacity: 1)
      let copied = unsafe text.withUnsafeBufferPointer { bytes in
        guard let start = bytes.baseAddress else { return -1 }
        return unsafe copy.appendPlain(from: start, end: start + 20, withQuotes: true) - start
      }
      let isSame = copy.span.equals(text.span.extracting(..<end))
      #expect(copied == end && isSame)
    }
  }
}
