import Bytes
import JSON
import Testing

func scan(_ text: String) -> Result<Range<Int>, JSONError> {
  var scanner = JSONScanner()
  do throws(JSONError) { return .success(try scanner.value(text.utf8.span)) } catch {
    return .failure(error)
  }
}

@Suite struct JSONScannerTests {
  static let good =
    #"{"a": [1, -0.5e+10, true, false, null, "x\"\\\/\b\f\n\r\té"], "": {}, "b":[]}"#

  @Test func stepsOverEveryKindOfValue() throws {
    #expect(try scan(Self.good).get() == 0..<Self.good.utf8.count)
  }

  @Test(arguments: 0..<good.utf8.count)
  func rejectsEveryPrefix(length: Int) {
    let prefix = String(decoding: Array(Self.good.utf8).prefix(length), as: UTF8.self)
    #expect(throws: JSONError.self) { try scan(prefix).get() }
  }

  @Test(arguments: [
    "01x", "+1", ".5", "-", "1.", "1e", "tru", "nul", "'a'", "[1,]", "{,}", "{\"a\"}", "{a:1}",
    "\"\u{1}\"", "\"\\x\"", "\"\\u12g4\"", "", " ",
  ])
  func rejectsWhatIsNotJSON(text: String) {
    #expect(throws: JSONError.self) { try JSONValue(parsing: text.utf8.span) }
  }

  @Test func refusesBottomlessNesting() {
    let deep = String(repeating: "[", count: 100_000)
    #expect(throws: JSONError.self) { try scan(deep).get() }
    #expect(throws: JSONError.self) { try JSONValue(parsing: deep.utf8.span) }
  }

  @Test func survivesRandomBytes() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<20_000 {
      var bytes = Array(Self.good.utf8)
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255)
      }
      _ = try? JSONValue(parsing: bytes.span)
      _ = try? Record(parsing: bytes.span)
    }
  }
}

@Suite struct JSONTextTests {
  @Test func escapesAsPostgreSQLDoes() {
    var buffer = ByteBuffer()
    JSONText.appendString("a\"\\\n\r\t\u{8}\u{c}\u{b}\u{1}\u{7f}é", to: &buffer)
    let text = String(utf8: buffer.span)
    #expect(text == #""a\"\\\n\r\t\b\f\u000b\u0001\#u{7f}é""#)
  }

  @Test func undoesEscapes() throws {
    let value = try JSONValue(parsing: #""\u0041\ud83d\ude00\/\n\u00e9""#.utf8.span)
    #expect(value == .string("A😀/\né"))
  }

  /// The string is read with what it stands for as it is read without.
  @Test(arguments: [
    #""""#, #""plain""#, #""a\n\u0041\ud83d\ude00 \\ twenty plain bytes\"""#, #""é\/""#,
  ])
  func appendsWhatAStringStandsFor(text: String) throws {
    var (scanner, other) = (JSONScanner(), JSONScanner())
    var buffer = ByteBuffer()
    let escaped = try scanner.string(text.utf8.span, appendingTo: &buffer)
    #expect(try escaped == other.string(text.utf8.span).escaped)
    #expect(scanner.offset == other.offset)
    #expect(try JSONValue(parsing: text.utf8.span) == .string(String(utf8: buffer.span)))
  }

  @Test(arguments: [
    ("1", #""1""#), ("[-1.5e+10, 2E-3,null,true]", #"["-1.5e+10", "2E-3",null,true]"#),
    (#"{"a1":0,"b":"2 \" 3","c":{"d":[[4]]}}"#, #"{"a1":"0","b":"2 \" 3","c":{"d":[["4"]]}}"#),
    (#""\\""#, #""\\""#), ("[]", "[]"), (#""cut"#, #""cut"#), (#""\"#, #""\"#),
  ])
  func makesStringsOfNumbers(text: String, quoted: String) {
    var buffer = ByteBuffer()
    buffer.append("7")
    buffer.append(text)
    JSONText.quoteNumbers(in: &buffer, from: 1)
    #expect(String(utf8: buffer.span) == "7" + quoted)
  }

  @Test(arguments: [#""a"#, #""a\"#, #""\x""#, #""\u12""#, "\"\u{1}\"", #""\ud83d""#, "a"])
  func appendsNothingForWhatIsNoString(text: String) {
    var scanner = JSONScanner()
    var buffer = ByteBuffer()
    #expect(throws: JSONError.self) {
      _ = try scanner.string(text.utf8.span, appendingTo: &buffer)
    }
  }

  @Test(arguments: [#""\ud83d""#, #""\ude00""#, #""\ud83dx""#, #""\ud83d\u0041""#])
  func refusesHalfASurrogatePair(text: String) {
    #expect(throws: JSONError.self) { try JSONValue(parsing: text.utf8.span) }
  }
}

@Suite struct RecordTests {
  @Test func keepsTheBytesItDoesNotKnow() throws {
    let line = #"{ "type":"partition" ,"n":1.50, "x" : [ 1 ,2],"u":"\u0041"}"#
    var record = try Record(parsing: line)
    record.set("key", "a/\"b")
    #expect(
      record.text
        == #"{"type":"partition","n":1.50,"x" : [ 1 ,2],"u":"\u0041","key":"a/\"b"}"#)
  }

  @Test func settingAgainReplaces() throws {
    var record = Record(type: "object")
    record.set("bytes", 1)
    record.set("bytes", 2)
    record.set("gone", true)
    record.remove("gone")
    record.set("none", String?.none)
    #expect(record.text == #"{"type":"object","bytes":2,"none":null}"#)
    #expect(record.integer("bytes") == 2)
    #expect(record.string("none") == nil)
    #expect(record.type == "object")
  }

  @Test(arguments: ["[]", "{} x", "{\"a\":1", "1", ""])
  func refusesWhatIsNoObject(text: String) {
    #expect(throws: JSONError.self) { try Record(parsing: text) }
  }
}
