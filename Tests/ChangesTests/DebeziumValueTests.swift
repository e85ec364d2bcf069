import Bytes
import JSON
import Testing

@testable import Changes

@Suite struct DebeziumValueTests {
  private static func json(
    _ text: String, _ type: String, quoteNumbers: Bool = false
  ) throws -> String {
    var value = ByteBuffer()
    var out = ByteBuffer()
    JSONText.appendString(text, to: &value)
    try DebeziumValue(quoteNumbers: quoteNumbers).append(value.span, ValueType(type), to: &out)
    return String(utf8: out.span)
  }

  @Test(arguments: [
    ("1", "bigint", "1"), ("1a", "integer", #""1a""#), ("-", "integer", #""-""#),
    ("4294967295", "oid", "4294967295"), ("1e+20", "real", "1e+20"), ("NaN", "real", #""NaN""#),
    ("1.50", "numeric(5,2)", #""1.50""#), ("t", "boolean", "true"), ("x", "boolean", #""x""#),
    (#"\x00ff"#, "bytea", #""AP8=""#), (#"\x"#, "bytea", #""""#), (#"\x0"#, "bytea", #""\\x0""#),
    ("1", "bit(1)", "true"), ("10", "bit(1)", #""10""#), ("100000001", "bit(9)", #""AQE=""#),
    ("2", "bit(9)", #""2""#), ("-$1,234.56", "money", #""-1234.56""#),
    ("1,50 €", "money", #""1,50 €""#),
    ("(1.5,-2)", "point", #"{"x":1.5,"y":-2}"#), ("(1.5)", "point", #""(1.5)""#),
    (#"{"a": 1}"#, "jsonb", #""{\"a\": 1}""#), ("a\nb", "text", #""a\nb""#),
    ("{1,NULL}", "integer[]", "[1,null]"), ("{1", "integer[]", #""{1""#),
    ("{(2,2),(0,0);(1,1),(0,0)}", "box[]", #"["(2,2),(0,0)","(1,1),(0,0)"]"#),
    (#"{"\\x00ff"}"#, "bytea[]", #"["AP8="]"#), ("{a}", #""public"."_mood""#, #"["a"]"#),
  ])
  func hasItsForm(text: String, type: String, json: String) throws {
    #expect(try Self.json(text, type) == json)
  }

  @Test func numbersCanBeStrings() throws {
    #expect(try Self.json("1", "bigint", quoteNumbers: true) == #""1""#)
  }

  @Test(arguments: [
    ("2024-02-29", "date", "19782"), ("0001-01-01 BC", "date", "-719528"),
    ("infinity", "date", "-2147472692"), ("2024-13-01", "date", #""2024-13-01""#),
    ("24:00:00", "time without time zone", "86400000000"),
    ("12:00:00.123", "time(3) without time zone", "43200123"),
    ("12:00:00.1234567", "time without time zone", #""12:00:00.1234567""#),
    ("04:05:06.789-08", "time with time zone", #""12:05:06.789Z""#),
    ("00:00:00+15:59:59", "time with time zone", #""08:00:01Z""#),
    ("1970-01-01 00:00:01.000001", "timestamp without time zone", "1000001"),
    ("1969-12-31 23:59:59.999", "timestamp(3) without time zone", "-1"),
    ("-infinity", "timestamp(0) without time zone", "-9223372036832400"),
    (
      "294276-12-31 23:59:59.999999", "timestamp without time zone",
      #""294276-12-31 23:59:59.999999""#
    ),
    ("2024-01-31 12:00:00+05:30", "timestamp with time zone", #""2024-01-31T06:30:00.000000Z""#),
    ("2024-01-31 12:00:00.12+00", "timestamp(2) with time zone", #""2024-01-31T12:00:00.12Z""#),
    ("2024-01-31 12:00:00+00", "timestamp(0) with time zone", #""2024-01-31T12:00:00Z""#),
    (
      "9999-12-31 23:59:59.999999+00", "timestamp with time zone", #""9999-12-31T23:59:59.999999Z""#
    ),
    ("10000-01-01 00:00:00+00", "timestamp with time zone", #""+10000-01-01T00:00:00.000000Z""#),
    ("infinity", "timestamp with time zone", #""infinity""#),
    ("1 year 2 mons -3 days +04:05:06.789", "interval", "36572706789000"),
    ("-00:00:00.000001", "interval", "-1"), ("1 mon", "interval", "2629800000000"),
    ("00:00:00", "interval day to second(3)", "0"),
    ("178000000 years", "interval", #""178000000 years""#),
    ("P1Y", "interval", #""P1Y""#), ("", "interval", #""""#),
  ])
  func timesAreCounted(text: String, type: String, json: String) throws {
    #expect(try Self.json(text, type) == json)
  }

  @Test(arguments: [
    ("{}", "[]"), ("{{1,2},{3,NULL}}", "[[1,2],[3,null]]"), ("[0:1]={7,8}", "[7,8]"),
    (#"{"a,b","c\"d","e\\f","",NULL,"NULL"}"#, #"["a,b","c\"d","e\\f","",null,"NULL"]"#),
  ])
  func arraysAreJSON(text: String, json: String) throws {
    #expect(try Self.json(text, text.contains("a") ? "text[]" : "integer[]") == json)
  }

  @Test(arguments: [
    "", "{", "}", "{,}", "{1,}", "{,1}", "{1}}", "{1}x", "{{1}", "{{1}2}", "{1{2}}", #"{"a}"#,
    #"{"a"b}"#, #"{"\"#, "[0:1]", "[0:1]=", "1",
  ])
  func whatIsNoArrayStaysText(text: String) throws {
    var quoted = ByteBuffer()
    JSONText.appendString(text, to: &quoted)
    #expect(try Self.json(text, "integer[]") == String(utf8: quoted.span))
  }

  @Test func whatWasNotSentHasAPlaceholder() {
    var out = ByteBuffer()
    let values = DebeziumValue(quoteNumbers: false)
    for type in ["text", "bytea", "text[]"] { values.appendUnavailable(ValueType(type), to: &out) }
    #expect(
      String(utf8: out.span) == #""__debezium_unavailable_value""#
        + #""X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="["__debezium_unavailable_value"]"#)
  }
}
