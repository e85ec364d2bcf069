import Bytes
import Testing

@testable import Postgres

/// What the server makes of these bytes is told by the end-to-end tests; here is what is sent, and what is not.
@Suite struct BinaryFormTests {
  /// The bytes behind the length, in hexadecimal digits; nil where there is no form.
  private static func bytes(_ form: BinaryForm, _ text: String) -> String? {
    var out = ByteBuffer()
    guard form.append(text.utf8.span, to: &out) else { return nil }
    let length = Int(out.span.bigEndian(Int32.self, at: 0))
    guard length == out.count - 4 else { return "a length of \(length) for \(out.count - 4)" }
    return Hex.encode([UInt8](copying: out.span(from: 4)))
  }

  @Test(arguments: [
    (BinaryForm.boolean, "true", "01"), (.boolean, "f", "00"), (.int2, "-2", "fffe"),
    (.int4, "2147483647", "7fffffff"), (.int8, "-1", "ffffffffffffffff"),
    (.int8, "-9223372036854775808", "8000000000000000"), (.float8, "NaN", "7ff8000000000000"),
    (.numeric, "NaN", "00000000c0000000"), (.date, "infinity", "7fffffff"),
    (.timestamp, "-infinity", "8000000000000000"),
    (.oid, "4294967295", "ffffffff"), (.float4, "1", "3f800000"),
    (.float8, "-0.0", "8000000000000000"),
    (.numeric, "12345.6789", "00030001000000040001" + "09291a85"),
    (.numeric, "-0.5", "0002" + "0000" + "4000" + "0001" + "0000" + "1388"),
    (.date, "0044-03-15 BC", "fff49d7b"), (.date, "2000-01-02", "00000001"),
    (.date, "1999-12-31", "ffffffff"),
    (.time, "00:00:01", "00000000000f4240"),
    (.timestamp, "2000-01-01T00:00:00.000001", "0000000000000001"),
    (.timestampWithZone, "2000-01-01 01:00:00+01:00", "0000000000000000"), (.text, "é", "c3a9"),
    (.jsonb, "[1]", "015b315d"), (.bytea, #"\xDEad"#, "dead"), (.bytea, #"\x"#, ""),
    (.uuid, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc999c0b4ef8bb6d6bb9bd380a11"),
    (.uuid, "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc999c0b4ef8bb6d6bb9bd380a11"),
    (.address, "10.1.2.255", "02200004" + "0a0102ff"),
    (.address, "10.0.0.0/8", "02080004" + "0a000000"),
    (.address, "2001:db8::1", "03800010" + "20010db8" + "0000000000000000" + "00000001"),
    (.address, "::/0", "03000010" + "00000000000000000000000000000000"),
  ])
  func isWhatTheServerReads(form: BinaryForm, text: String, bytes: String) {
    #expect(Self.bytes(form, text) == bytes)
  }

  @Test(arguments: [
    (BinaryForm.boolean, ["yes", "", "TRUE"]),
    (.int2, ["32768", "", "-", "+1", " 1", "1.0", "1e1"]),
    (.int4, ["2147483648"]),
    (.int8, ["9223372036854775808", "-9223372036854775809", "99999999999999999999"]),
    (.oid, ["-1", "4294967296"]),
    (.float4, ["1e39", "1e-46", "nan", "inf", "", "-", "0x10", "1 "]),
    (.float8, ["1e309", "1e-400", "infinity", "1e", "--1"]),
    (.numeric, ["Infinity", "1e5", "", ".", "1.", ".5", "+1", "1.2.3", "--1", "1_000"]),
    (
      .date,
      [
        "Infinity", "0000-01-01", "5881610-07-11", "26-01-31", "2026-02-30", "2026-13-01",
        "2026-1-1", "2026-01-31x", "1/2/2026",
      ]
    ),
    (.time, ["24:00:01", "10:60:00", "10:00", "10:00:00+01", "10:00:00.1234567"]),
    (.timestamp, ["2026-01-31", "2026-01-31T25:00:00", "2026-01-31T10:00:00Z", "infinity "]),
    (.timestampWithZone, ["2026-01-31T10:00:00", "2026-01-31T10:00:00 Europe/Berlin"]),
    (.bytea, ["abc", #"\x0"#, #"\xgg"#, #"\\"#]),
    (
      .uuid,
      [
        "a0eebc999c0b4ef8bb6d6bb9bd380a11", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1}",
        "g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1:",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1@", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1\u{10}",
      ]
    ),
    (
      .address,
      [
        "", "/", "10.1", "10.1.2.256", "10.1.2.3/", "10.1.2.3/33", "::1/08", "::/00", "10.0.0.0/08",
        "10.1.2.3/8 ", "10.1.2.3/-1",
        "::1/129", "1::2::3",
        "10.1.2.3\0", "::1%lo", "1:2:3:4:5:6:7:8:9",
      ]
    ),
  ])
  func leavesTheRestToTheServer(form: BinaryForm, texts: [String]) {
    for text in texts { #expect(Self.bytes(form, text) == nil, "\(form): \(text)") }
  }

  @Test func noTextIsATrap() {
    let forms: [BinaryForm] = [
      .boolean, .int2, .int8, .oid, .float4, .float8, .numeric, .date, .time, .timestamp,
      .timestampWithZone, .jsonb, .uuid, .bytea, .address,
    ]
    let alphabet = Array("0123456789-+:.TeE BCxa\\".utf8)
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<20_000 {
      let text = (0..<Int.random(in: 0...40, using: &generator)).map { _ in
        alphabet[Int.random(in: alphabet.indices, using: &generator)]
      }
      var out = ByteBuffer()
      for form in forms { _ = form.append(text.span, to: &out) }
    }
  }

  @Test func rowsWithSuchAValueAreNotBegun() {
    var rows = TextRows(width: 2)
    for value in ["1", nil, "2", "x"] as [String?] { rows.append(value) }
    var out = ByteBuffer()
    let isText = rows.appendCopyBinary([.int2, .text], to: &out)
    let bytes = Hex.encode([UInt8](copying: out.span))
    #expect(
      isText
        && bytes == "0002" + "000000020001" + "ffffffff" + "0002" + "000000020002" + "0000000178")
    out.removeAll()
    let isNumber = rows.appendCopyBinary([.int2, .int2], to: &out)
    #expect(!isNumber && out.count == 0)
  }
}
