import Bytes
import JSON
import Testing

@testable import Postgres

/// A decoder for columns `a`, `b`, … of the given shapes.
private func plan(
  _ shapes: [ValueShape], missing: LoadPlan.Missing = .error, ignoresUnknown: Bool = false
) -> LoadPlan {
  let columns = shapes.enumerated().map { index, shape in
    TargetColumn(name: String(Unicode.Scalar(UInt8(97 + index))), shape: shape)
  }
  return LoadPlan(
    "t", #""public"."t""#,
    columns + [TargetColumn(name: "made", shape: .scalar, isGenerated: true)],
    missing: missing, ignoresUnknown: ignoresUnknown)
}

/// The rows of some lines, of which the first settles the order, as text for COPY.
private func decode(_ lines: [String], _ plan: LoadPlan) throws(RowError) -> String {
  var decoder = RowDecoder(plan)
  try decoder.learn(lines[0].utf8.span)
  var rows = TextRows(width: decoder.order.count)
  for line in lines { try decoder.append(line.utf8.span, to: &rows) }
  #expect(rows.count == lines.count)
  var out = ByteBuffer()
  rows.appendCopyText(to: &out)
  return String(utf8: out.span)
}

/// A value of column `a`, decoded in the fast way and in the slow way, which must agree.
private func value(_ json: String, _ shape: ValueShape) throws(RowError) -> String {
  let first = shape == .scalar || shape == .json ? "0" : "null"
  let fast = try decode([#"{"a":\#(first)}"#, #"{"a":\#(json)}"#], plan([shape]))
  let slow = try decode([#"{"a":\#(first)}"#, #"{ "a":\#(json)}"#], plan([shape]))
  #expect(fast == slow)
  return String(fast.split(separator: "\n", omittingEmptySubsequences: false)[1])
}

@Suite struct RowDecoderValueTests {
  @Test(arguments: [
    ("null", #"\N"#), ("1", "1"), ("-0.5e+10", "-0.5e+10"),
    ("9007199254740993", "9007199254740993"),
    ("0", "0"), ("1E5", "1E5"), ("true", "true"), ("false", "false"), (#""""#, ""),
    (#""a\"b\/c""#, #"a"b/c"#), (#""\\N""#, #"\\N"#),
    (#""\b\f\n\r\t\\""#, "\u{8}\u{c}" + #"\n\r\t\\"#),
    (#""\u0001\u000a\u000d\u0009\u005c\u00e9\u20ac""#, "\u{1}\\n\\r\\t\\\\é€"),
    (#""\ud83d\ude00""#, "😀"),
    (
      #""a long run of plain bytes é, quoted \" at the end""#,
      #"a long run of plain bytes é, quoted " at the end"#
    ), (#""\\.""#, #"\\."#),
  ])
  func scalars(json: String, text: String) throws {
    #expect(try value(json, .scalar) == text)
  }

  @Test(arguments: [
    "", "{}", "[1]", "nul", "truth", "01", "-", "1.", "1e", "+1", ".5", "1-2", "0x1", #""a"#,
    #""\x""#, #""\u12g4""#, #""\u0000""#, #""\ud800""#, #""\ud800\u0041""#, #""\udc00""#,
    "\"\u{1}\"", "\"a\tb\"", "'a'", "1 2", "NaN",
  ])
  func refusedScalars(json: String) {
    #expect(throws: RowError.self) { try value(json, .scalar) }
  }

  @Test(arguments: [
    ("null", #"\N"#), (#"{"a": [1, "x,}]", null]}"#, #"{"a": [1, "x,}]", null]}"#),
    (#""null""#, #""null""#), (#""a\"\\\n\u0000""#, #""a\\"\\\\\\n\\u0000""#), ("[]", "[]"),
    (" {} ", " {} "), (" null ", #"\N"#), ("1e5", "1e5"), ("{\t\r}", #"{\t\r}"#),
    (#"[null,"null"]"#, #"[null,"null"]"#),
  ])
  func json(json: String, text: String) throws {
    #expect(try value(json, .json) == text)
  }

  @Test func jsonStopsAtItsMember() throws {
    let line = #"{"a":{"b":[1,2]},"b":2}"#
    #expect(
      try decode([line, line], plan([.json, .scalar])) == "{\"b\":[1,2]}\t2\n{\"b\":[1,2]}\t2\n")
  }

  static let integers = ValueShape.array(.scalar, delimiter: 0x2C)
  static let pair = ValueShape.composite([
    .init(name: "x", shape: .scalar), .init(name: "y z", shape: integers),
  ])

  @Test(arguments: [
    ("null", integers, #"\N"#), ("[]", integers, "{}"),
    ("[1,null,-2.5]", integers, "{1,NULL,-2.5}"),
    ("[[1,2],[3,4]]", integers, "{{1,2},{3,4}}"),
    (
      #"["a","",null,"NULL"]"#, integers,
      #"{"a","",NULL,"NULL"}"#
    ), (#"["\"\\\n"]"#, integers, #"{"\\"\\\\\n"}"#),
    ("[ 1 , true ]", integers, "{1,true}"), (#""{1,2}""#, integers, "{1,2}"),
    ("[\"(1,2)\"]", .array(.scalar, delimiter: 0x3B), #"{"(1,2)"}"#),
    ("[1,2]", .array(.scalar, delimiter: 0x3B), "{1;2}"),
    (
      "[[1],[2,3],null,\"s\",4]", .array(.json, delimiter: 0x2C),
      #"{"[1]","[2,3]",NULL,"\\"s\\"","4"}"#
    ),
    ("[[1],[2,3]]", .array(integers, delimiter: 0x2C), #"{"{1}","{2,3}"}"#),
    ("[1,2]", .vector, "1 2"), ("[]", .vector, ""),
    (
      "[[1,2],[]]", .array(.vector, delimiter: 0x2C),
      #"{"1 2",""}"#
    ),
    (#"{"x":1,"y z":[1,2]}"#, pair, #"(1,"{1,2}")"#),
    (
      #"{"y z":null,"x":"a \"b\""}"#, pair,
      #"("a \\"b\\"",)"#
    ), (#"{"x":"","y z":[]}"#, pair, #"("","{}")"#),
    (
      #"[{"x":"a","y z":["b"]}]"#, .array(pair, delimiter: 0x2C),
      #"{"(\\"a\\",\\"{\\\\\\"b\\\\\\"}\\")"}"#
    ),
    (#"{"k":"v","\"":null}"#, .hstore, #""k"=>"v", "\\""=>NULL"#),
    (#"{"type":"Point"}"#, .foreign, #"{"type":"Point"}"#),
    (#""POINT(1 2)""#, .foreign, "POINT(1 2)"),
  ])
  func nested(json: String, shape: ValueShape, text: String) throws {
    #expect(try value(json, shape) == text)
  }

  @Test(arguments: [
    ("1", integers), ("{}", integers), ("[1", integers), ("[1,]", integers), ("[{}]", integers),
    ("[,]", integers), (#"["\u0000"]"#, integers), ("[]", pair), (#"{"x":1}"#, pair),
    (#"{"x":1,"y z":[],"q":1}"#, pair), (#"{"x":1,"x":1,"y z":[]}"#, pair), ("[true]", .vector),
    ("[]", .hstore), (#"{"x":1,"y z":{}}"#, pair),
  ])
  func refusedNested(json: String, shape: ValueShape) {
    #expect(throws: RowError.self) { try value(json, shape) }
  }
}

@Suite struct LiteralWriterTests {
  /// Each level of nesting doubles the backslashes.
  @Test func noLiteralIsLongerThanTheLimit() throws {
    let shape = (0..<5).reduce(ValueShape.scalar) { inner, _ in
      .composite([.init(name: "a", shape: inner)])
    }
    func json(_ backslashes: Int) -> String {
      let text = String(repeating: #"\\"#, count: backslashes)
      return String(repeating: #"{"a":"#, count: 5) + "\"\(text)\""
        + String(repeating: "}", count: 5)
    }
    var writer = LiteralWriter(maxBytes: 1000)
    #expect(try writer.write(json(20).utf8.span, as: shape))
    let length = writer.span.count
    #expect(length > 20 * 32 && length <= 1000)
    for count in [30, 10_000] {
      #expect(throws: ValueError("the value's text is longer than 1000 bytes")) {
        try writer.write(json(count).utf8.span, as: shape)
      }
    }
  }
}

@Suite struct RowDecoderLineTests {
  static let shapes: [ValueShape] = [
    .scalar, .json, RowDecoderValueTests.integers, RowDecoderValueTests.pair,
  ]
  static let good =
    #"{"a":"x\u00e9\n","b":{"k":[1,"}"]},"c":[1,null],"d":{"x":-1.5e3,"y z":[]},"made":true}"#

  @Test func membersMayComeInAnyOrderAndWithBlanks() throws {
    let lines = [
      #"{"b":2,"a":1}"#, #"{"a":3,"b":4}"#, #" { "b" : 6 , "a" : 5 } "#, #"{"b":8,"a":7}"#,
      #"{"\u0062":10,"a":9}"#,
    ]
    #expect(try decode(lines, plan([.scalar, .scalar])) == "2\t1\n4\t3\n6\t5\n8\t7\n10\t9\n")
  }

  @Test func blanksOfTheFirstLineAreLearned() throws {
    let lines = ["{\"a\": 1, \"b\": {} }\r", "{\"a\": 2, \"b\": null }\r"]
    #expect(try decode(lines, plan([.scalar, .json])) == "1\t {} \n2\t\\N\n")
  }

  @Test func theOrderIsThatOfTheFirstLine() throws {
    var decoder = RowDecoder(plan([.scalar, .scalar, .scalar], missing: .null))
    try decoder.learn(#"{"c":1,"made":0,"a":2}"#.utf8.span)
    #expect(decoder.order == [2, 0, 1])
  }

  @Test(arguments: [
    (#"{"a":1}"#, "b", "member is missing"),
    (#"{"a":1,"b":2,"a":3}"#, "a", "member is there twice"),
    (#"{"a":1,"b":[]}"#, "b", "expected a string, number or boolean, found an array"),
    (#"{"a":1,"b":2,"z":3}"#, nil, #"unknown member "z""#), ("[]", nil, "expected an object"),
    ("", nil, "expected a value at byte 0"),
    (#"{"a":1,"b":2} x"#, nil, "expected nothing more at byte 14"),
    (#"{"a":1,"b":2"#, nil, #"expected "}" at byte 12"#),
    (#"{"a":1,"b":"\u0000"}"#, "b", #"\u0000 cannot be stored as text"#),
  ])
  func wrongLinesAreExplained(line: String, column: String?, problem: String) {
    let expected = RowError(column: column, problem: problem)
    for first in [#"{"a":1,"b":2}"#, line] {
      #expect(throws: expected) { try decode([first, line], plan([.scalar, .scalar])) }
    }
  }

  @Test func missingMembersAreNullsWhereThatIsAskedFor() throws {
    let lines = [#"{"b":1}"#, #"{"a":2,"b":3}"#, "{\"b\":4}", "{}"]
    #expect(
      try decode(lines, plan([.scalar, .scalar], missing: .null))
        == "1\t\\N\n3\t2\n4\t\\N\n\\N\t\\N\n")
    #expect(try decode(["{}"], plan([.scalar, .scalar], missing: .null)) == "\\N\t\\N\n")
  }

  @Test func defaultsAreForMembersThatNoLineHas() throws {
    let defaults = plan([.scalar, .scalar], missing: .default)
    #expect(try decode([#"{"b":1}"#, #"{"b":2}"#], defaults) == "1\n2\n")
    #expect(throws: RowError.self) { try decode([#"{"b":1}"#, #"{"b":2,"a":3}"#], defaults) }
    #expect(throws: RowError.self) { try decode([#"{"b":1}"#, "{}"], defaults) }
    #expect(throws: RowError.self) { try decode(["{}"], defaults) }
  }

  @Test func unknownAndComputedMembersArePassedOver() throws {
    let lines = [#"{"z":[{}],"a":1,"made":"x"}"#, #"{"z":7,"a":2,"made":null}"#, #"{"a":3}"#]
    #expect(try decode(lines, plan([.scalar], ignoresUnknown: true)) == "1\n2\n3\n")
    #expect(throws: RowError.self) {
      try decode([#"{"z":[}],"a":1}"#], plan([.scalar], ignoresUnknown: true))
    }
  }

  @Test func namesThatLookEqualAreDifferent() {
    let column = TargetColumn(name: "caf\u{e9}", shape: .scalar)
    let accented = LoadPlan("t", "t", [column])
    #expect(throws: RowError.self) { try decode(["{\"cafe\u{301}\":1}"], accented) }
  }

  @Test(arguments: 0..<good.utf8.count)
  func everyPrefixIsRefused(length: Int) {
    let prefix = String(decoding: Array(Self.good.utf8).prefix(length), as: UTF8.self)
    #expect(throws: RowError.self) { try decode([Self.good, prefix], plan(Self.shapes)) }
    #expect(throws: RowError.self) { try decode([prefix], plan(Self.shapes)) }
  }

  /// Whatever comes, a row is whole or not there, and nothing traps.
  @Test func survivesRandomBytes() throws {
    var generator = SystemRandomNumberGenerator()
    var decoder = RowDecoder(plan(Self.shapes))
    var rows = TextRows(width: 4)
    var out = ByteBuffer()
    try decoder.learn(Self.good.utf8.span)
    for _ in 0..<20_000 {
      var bytes = Array(Self.good.utf8)
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] =
          Bool.random(using: &generator)
          ? .random(in: 0...255) : Array(#"{}[],":\un0"#.utf8).randomElement()!
      }
      rows.removeAll()
      out.removeAll()
      guard (try? decoder.append(bytes.span, to: &rows)) != nil else {
        #expect(rows.byteCount == 0 && rows.count == 0)
        continue
      }
      rows.appendCopyText(to: &out)
      let row = [UInt8](copying: out.span)
      #expect(row.last == 0x0A && row.count { $0 == 0x09 } == 3 && row.count { $0 == 0x0A } == 1)
    }
  }

  @Test func longValuesAreWhole() throws {
    let text = String(repeating: "0123456789abcdef\\\"", count: 100_000)
    let row = try decode([#"{"a":"\#(text)"}"#], plan([.scalar]))
    #expect(row.utf8.count == 17 * 100_000 + 1)
  }
}

@Suite struct CopyPlaceTests {
  @Test(arguments: [
    (#"COPY t, line 17, column a b: "x""#, 17, "a b", #""x""#),
    ("COPY t, line 2: \"1\t2\"", 2, nil, "\"1\t2\""),
    ("COPY t, line 3", 3, nil, nil), ("COPY t, Zeile 4, Spalte a: »x«", 4, nil, "»x«"),
    ("SQL function \"f\"\nCOPY t, line 5, column b: null input", 5, "b", "null input"),
  ])
  func isRead(context: String, line: Int, column: String?, rest: String?) {
    let place = CopyPlace(context, relation: "t")
    #expect(place?.line == line && place?.column == column && place?.rest == rest)
  }

  @Test(arguments: ["", "COPY u, line 1", "COPY t", "COPY t, ", "COPY t, line x"])
  func isAbsent(context: String) { #expect(CopyPlace(context, relation: "t") == nil) }
}
