import Bytes
import Testing

@testable import Postgres

@Suite struct RowEncoderTests {
  static let encodings: [ColumnEncoding] = [
    .integer, .number, .boolean, .timestamp, .timestampWithZone, .json, .string, .server,
  ]

  static func encoder() -> RowEncoder {
    RowEncoder(
      encodings.enumerated().map { index, encoding in
        Column(
          name: "c\(index)", type: "", notNull: false, isGenerated: false, encoding: encoding)
      })
  }

  static let good =
    #"12"# + "\t-1.5\tt\t2024-01-31 12:00:00\t0044-03-15 01:02:03+00 BC\t"
    + #"{"a":\n"x\\\\y"}"# + "\t" + #"say "hi"\\\v\t"# + "\u{1}\t[1]\n"

  static func encode(_ row: some Collection<UInt8>) throws(DecodeError) -> String {
    var buffer = ByteBuffer()
    let bytes = Array(row)
    try encoder().append(bytes.span, to: &buffer)
    return String(utf8: buffer.span)
  }

  @Test func writesEveryKindOfValue() throws {
    #expect(
      try Self.encode(Self.good.utf8)
        == #"{"c0":12,"c1":-1.5,"c2":true,"c3":"2024-01-31T12:00:00","#
        + #""c4":"0044-03-15T01:02:03+00:00 BC","c5":{"a": "x\\y"},"#
        + #""c6":"say \"hi\"\\\u000b\t\u0001","c7":[1]}"# + "\n")
  }

  @Test func writesYearsOfMoreThanFourDigits() throws {
    let row = "1\t1\tf\t10000-01-01 00:00:00\t294276-12-31 23:59:59.9+00\t1\t\t1\n"
    #expect(
      try Self.encode(row.utf8)
        == #"{"c0":1,"c1":1,"c2":false,"c3":"10000-01-01T00:00:00","#
        + #""c4":"294276-12-31T23:59:59.9+00:00","c5":1,"c6":"","c7":1}"# + "\n")
  }

  @Test func writesNulls() throws {
    let row = Array(repeating: #"\N"#, count: 8).joined(separator: "\t") + "\n"
    let nulls = (0..<8).map { "\"c\($0)\":null" }.joined(separator: ",")
    #expect(try Self.encode(row.utf8) == "{\(nulls)}\n")
  }

  @Test(arguments: ["NaN", "Infinity", "-Infinity"])
  func quotesWhatIsNoJSONNumber(text: String) throws {
    let row = "1\t\(text)\tf\tinfinity\t-infinity\t1\t\t1\n"
    #expect(
      try Self.encode(row.utf8)
        == "{\"c0\":1,\"c1\":\"\(text)\",\"c2\":false,\"c3\":\"infinity\",\"c4\":\"-infinity\","
        + "\"c5\":1,\"c6\":\"\",\"c7\":1}\n")
  }

  @Test(arguments: 0..<good.utf8.count)
  func rejectsEveryPrefix(length: Int) {
    #expect(throws: DecodeError.self) { try Self.encode(Array(Self.good.utf8).prefix(length)) }
  }

  @Test func rejectsAColumnTooMany() {
    #expect(throws: DecodeError.self) { try Self.encode((Self.good.dropLast() + "\tx\n").utf8) }
  }

  @Test func survivesRandomRows() {
    for _ in 0..<20_000 {
      var bytes = Array(Self.good.utf8)
      for _ in 0..<Int.random(in: 1...4) {
        bytes[Int.random(in: 0..<bytes.count)] = .random(in: 0...255)
      }
      _ = try? Self.encode(bytes)
    }
  }
}
