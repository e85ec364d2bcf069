import Bytes
import JSON
import Posix
import Testing

@testable import Changes

@Suite struct EventConverterTests {
  private static let begin =
    #"{"type":"begin","xid":7,"lsn":"0/A","committed_at":"1970-01-01T00:00:01.500000Z","#
    + #""origin":"elsewhere","origin_lsn":"0/B"}"#
  private static let relation =
    #"{"type":"relation","schema":"s","table":"t","identity":"default","columns":["#
    + #"{"name":"id","type":"integer","key":true},{"name":"at","type":"timestamp with time zone","#
    + #""key":false},{"name":"doc","type":"jsonb","key":false},{"name":"ok","type":"boolean","#
    + #""key":false},{"name":"n","type":"numeric","key":false,"domain":true}]}"#
  private static let commit = #"{"type":"commit","xid":7,"lsn":"0/A","end_lsn":"0/10"}"#

  /// A row's event in two ways: as the tool writes it, and of PostgreSQL's own text.
  private static func insert(text: Bool) -> String {
    let head = #"{"type":"insert","schema":"s","table":"t","lsn":"0/9","new":"#
    return head
      + (text
        ? #"{"id":"1","at":"0044-01-31 12:00:00.5+00 BC","doc":"{\"a\": \"\\n\"}","ok":"t","n":"1.50"}}"#
        : #"{"id":1,"at":"0044-01-31T12:00:00.5+00:00 BC","doc":{"a": "\n"},"ok":true,"n":1.50}}"#)
  }

  private static func wal2json(quoteNumbers: Bool = false) -> any FormatWriter {
    Wal2JSONWriter(quoteNumbers: quoteNumbers)
  }

  private static func debezium() -> any FormatWriter {
    var names = SourceNames()
    (names.name, names.database) = ("shop", #"a "b""#)
    return DebeziumWriter(names, quoteNumbers: false) { 2_000_001 }
  }

  private static func convert(
    _ lines: [String], _ writer: any FormatWriter, _ values: EventConverter.Values = .text
  ) throws -> [String] {
    var converter = EventConverter(writer, values: values)
    var out = ByteBuffer()
    for line in lines { try converter.convert(line.utf8.span, to: &out) }
    return String(utf8: out.span).split(separator: "\n").map(String.init)
  }

  // MARK: - wal2json

  @Test(arguments: [true, false])
  func wal2jsonHasTextAndNumbers(text: Bool) throws {
    let lines = try Self.convert(
      [Self.begin, Self.relation, Self.insert(text: text), Self.commit], Self.wal2json(),
      text ? .text : .ofEvents)
    #expect(
      lines == [
        #"{"action":"B"}"#,
        #"{"action":"I","schema":"s","table":"t","columns":[{"name":"id","type":"integer","value":1},"#
          + #"{"name":"at","type":"timestamp with time zone","value":"0044-01-31 12:00:00.5+00 BC"},"#
          + #"{"name":"doc","type":"jsonb","value":"{\"a\": \"\\n\"}"},"#
          + #"{"name":"ok","type":"boolean","value":true},"#
          + #"{"name":"n","type":"numeric","value":"1.50"}]}"#,
        #"{"action":"C"}"#,
      ])
  }

  @Test func anUpdateOfWhatIsNoKeyHasItsIdentityFromTheNewRow() throws {
    let line =
      #"{"type":"update","schema":"s","table":"t","new":{"id":"1","ok":"f","n":null}}"#
    #expect(
      try Self.convert([Self.relation, line], Self.wal2json()) == [
        #"{"action":"U","schema":"s","table":"t","columns":[{"name":"id","type":"integer","value":1},"#
          + #"{"name":"ok","type":"boolean","value":false},"#
          + #"{"name":"n","type":"numeric","value":null}],"#
          + #""identity":[{"name":"id","type":"integer","value":1}]}"#
      ])
  }

  @Test func numbersThatJSONHasNotAreNull() throws {
    let line = #"{"type":"read","schema":"s","table":"t","new":{"id":"NaN"}}"#
    #expect(
      try Self.convert([Self.relation, line], Self.wal2json())[0].hasSuffix(#""value":null}]}"#))
    let quoted = try Self.convert([Self.relation, line], Self.wal2json(quoteNumbers: true))
    #expect(quoted[0].hasSuffix(#""value":"NaN"}]}"#))
  }

  @Test(arguments: [
    ("integer", "integer"), ("character varying(10)[]", "character varying(10)[]"),
    (#""char""#, "char"), (#""char"[]"#, #""char"[]"#), (#""public"."mood""#, "mood"),
    (#""public"."_mood""#, "mood[]"), (#""public"."Mood""#, "Mood"),
    (#""public"."_Mood""#, #""Mood"[]"#), (#""other"."kind""#, "other.kind"),
    (#""other"."_K""#, #"other."K"[]"#), (#""My Schema"."a "" b""#, #""My Schema"."a "" b""#),
  ])
  func wal2jsonNamesTypes(type: String, name: String) {
    #expect(Wal2JSONTypeName.name(of: type) == name)
  }

  // MARK: - Debezium

  private static func end(_ operation: String, _ sequence: String = #"[null,\"9\"]"#) -> String {
    #","source":{"version":"0.1.0","connector":"postgresql","name":"shop","ts_ms":1500,"#
      + #""snapshot":"false","db":"a \"b\"","sequence":"\#(sequence)","ts_us":1500000,"#
      + #""ts_ns":1500000000,"schema":"s","table":"t","txId":7,"lsn":9,"xmin":null,"#
      + #""origin":"elsewhere","origin_lsn":11},"transaction":null,"op":"\#(operation)","#
      + #""ts_ms":2000,"ts_us":2000001,"ts_ns":2000001000}"#
  }

  @Test(arguments: [true, false])
  func debeziumHasASource(text: Bool) throws {
    let insert = Self.insert(text: text)
    let lines = try Self.convert(
      [Self.begin, Self.relation, insert, Self.commit, Self.begin, insert], Self.debezium(),
      text ? .text : .ofEvents)
    let row =
      #"{"before":null,"after":{"id":1,"at":"-0043-01-31T12:00:00.500000Z","#
      + #""doc":"{\"a\": \"\\n\"}","ok":true,"n":"1.50"}"#
    #expect(lines == [row + Self.end("c"), row + Self.end("c", #"[\"16\",\"9\"]"#)])
  }

  @Test func anotherKeyIsADeleteAndACreate() throws {
    let head = #"{"type":"update","schema":"s","table":"t","lsn":"0/9","old":{"id":"1"},"new":"#
    let lines = try Self.convert(
      [
        Self.begin, Self.relation, head + #"{"id":"2","at":null,"doc":null,"ok":null}}"#,
        head + #"{"id":"1","at":null,"doc":null,"ok":null,"n":null}}"#,
      ], Self.debezium())
    let (deleted, updated) = (Self.end("d"), Self.end("u"))
    #expect(
      lines == [
        #"{"before":{"id":1},"after":null"# + deleted,
        #"{"before":null,"after":{"id":2,"at":null,"doc":null,"ok":null,"#
          + #""n":"__debezium_unavailable_value"}"# + Self.end("c"),
        #"{"before":{"id":1},"after":{"id":1,"at":null,"doc":null,"ok":null,"n":null}"# + updated,
      ])
  }

  @Test func rowsOfASnapshotAreReads() throws {
    let begin = #"{"type":"begin","xid":0,"lsn":"0/9","snapshot":true}"#
    let row = #"{"type":"read","schema":"s","table":"t","new":{}}"#
    let lines = try Self.convert([begin, Self.relation, row], Self.debezium(), .ofEvents)
    #expect(lines[0].contains(#""ts_ms":2000,"snapshot":"true""#))
    #expect(lines[0].contains(#""lsn":null,"#))
    #expect(lines[0].contains(#""op":"r""#))
  }

  // MARK: - What is wrong

  private static let wrong = [
    "", "{}", #"{"type":"other"}"#, insert(text: true) + "x",
    #"{"type":"insert","schema":"s","table":"t"}"#,
    #"{"type":"insert","schema":"s","table":"t","new":{"no":"1"}}"#,
    #"{"type":"insert","schema":"s","table":"t","new":["1"]}"#,
    #"{"type":"delete","schema":"s","table":"u","old":{}}"#,
    #"{"type":"relation","schema":"s"}"#, #"{"type":"truncate","relations":[{"schema":"s"}]}"#,
    #"{"type":"message","prefix":"p"}"#, #"{"type":"message","prefix":"p","content_base64":"?"}"#,
    #"{"type":"begin","xid":1,"gid":"later"}"#, #"{"type":"prepare","xid":1,"gid":"later"}"#,
    #"{"type":"commit_prepared","xid":1}"#,
  ]

  @Test(arguments: wrong)
  func whatIsNoEventIsBadInput(line: String) throws {
    for writer in [Self.wal2json(), Self.debezium()] {
      let error = #expect(throws: Failure.self) { try Self.convert([Self.relation, line], writer) }
      #expect(error?.exitCode == .badInput)
    }
  }

  @Test func everyPrefixOfALineIsBadInput() throws {
    let line = Self.insert(text: true)
    for length in 0..<line.utf8.count {
      let cut = String(line.prefix(length))
      #expect(throws: Failure.self) { try Self.convert([Self.relation, cut], Self.debezium()) }
    }
  }

  @Test func aLineThatIsWrongAppendsNothing() throws {
    var converter = EventConverter(Self.debezium(), values: .text)
    var out = ByteBuffer()
    try converter.convert(Self.relation.utf8.span, to: &out)
    // Half of a surrogate pair is found when the value is written.
    let line = #"{"type":"insert","schema":"s","table":"t","new":{"id":"1","at":"\ud800"}}"#
    do {
      try converter.convert(line.utf8.span, to: &out)
      Issue.record("half of a pair was taken")
    } catch is Failure {}
    let count = out.count
    #expect(count == 0)
  }
}
