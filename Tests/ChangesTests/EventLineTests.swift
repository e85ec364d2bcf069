import Bytes
import JSON
import Postgres
import Testing

@testable import Changes

@Suite struct EventLineTests {
  private static func text(_ line: String, _ range: Range<Int>) -> String {
    String(decoding: Array(line.utf8)[range], as: UTF8.self)
  }

  @Test func findsItsMembers() throws {
    let line =
      #"{"type":"update","schema":"s","table":"t","lsn":"1/2","old":{"a":1},"new":{"a":{"old":2}},"unchanged":["b"]}"#
    let event = try EventLine(line.utf8.span)
    #expect(event.kind == .update)
    #expect(Self.text(line, event.schema) == #""s""#)
    #expect(Self.text(line, event.old) == #"{"a":1}"#)
    #expect(Self.text(line, event.new) == #"{"a":{"old":2}}"#)
    #expect(event.endLSN.isEmpty)
  }

  /// The new row is left to whoever reads it, but for one that comes before the event names its table.
  @Test func leavesTheRowOpen() throws {
    let line = #"{"type":"insert","table":"t","new": {"a":1},"lsn":"1/2"}"#
    var head = EventHead()
    var event = try EventLine(line.utf8.span, after: &head)
    #expect(event.isOpen && event.lsn.isEmpty)
    #expect(Self.text(line, event.new).hasPrefix(#"{"a":1}"#))
    try event.close(line.utf8.span, at: event.new.lowerBound + 7)
    #expect(!event.isOpen && Self.text(line, event.lsn) == #""1/2""#)
    #expect(Self.text(line, event.new) == #"{"a":1}"#)
    for whole in [
      #"{"type":"insert","new":{"a":1},"table":"t"}"#,
      #"{"type":"delete","table":"t","new":{},"old":{"a":1}}"#,
    ] {
      #expect(try !EventLine(whole.utf8.span, after: &head).isOpen)
    }
  }

  /// Whatever stood in the line before, a line says what it says alone.
  @Test func aLineIsReadBehindAnyOther() throws {
    let lines = [
      #"{"type":"insert","schema":"s","table":"t","lsn":"1/2"}"#,
      #"{"type":"insert","schema":"s","table":"t2","lsn":"1/2"}"#,
      #"{"type":"insert","schema":"s","table":"t" , "lsn":"1/2"}"#,
      #"{"type":"insert","table":"t","schema":"s"}"#, #"{"type":"insert"}"#,
      #"{"type":"insert","schema":1,"table":2}"#, #"{"type":"insert","schema":1,"table":22}"#,
      #"{"type":"delete","schema":"s","table":"t","lsn":"1/2"}"#,
      #"{"type":"commit","schema":"s","table":"t"}"#,
    ]
    for first in lines {
      for second in lines {
        var head = EventHead()
        _ = try EventLine(first.utf8.span, after: &head)
        let (alone, behind) = try (
          EventLine(second.utf8.span), EventLine(second.utf8.span, after: &head)
        )
        #expect(alone.kind == behind.kind && alone.schema == behind.schema)
        #expect(alone.table == behind.table && alone.lsn == behind.lsn)
        #expect(try EventLine.kind(of: second.utf8.span, after: head) == alone.kind)
      }
    }
  }

  @Test(arguments: ["", "x}", #","new":{}}"#, #","table":"u"}"#, ",}", #","lsn":}"#, "}x", "}}"])
  func refusesWhatIsWrongBehindTheRow(rest: String) throws {
    let line = #"{"type":"insert","table":"t","new":{}"#
    let whole = line + rest
    var head = EventHead()
    var event = try EventLine(whole.utf8.span, after: &head)
    #expect(throws: JSONError.self) { try event.close(whole.utf8.span, at: line.utf8.count) }
  }

  @Test(arguments: [
    ("begin", EventKind.begin), ("read", .read), ("commit_prepared", .commitPrepared),
    ("rollback_prepared", .rollbackPrepared), ("truncate", .truncate), ("relation", .relation),
  ])
  func knowsItsKind(word: String, kind: EventKind) throws {
    #expect(try EventLine.kind(of: #"{"type":"\#(word)","x":1}"#.utf8.span) == kind)
  }

  @Test(arguments: [
    "", "[]", "{}", #"{"type":"other"}"#, #"{"a":1,"type":"begin"}"#, #"{"type":1}"#,
  ])
  func refusesWhatIsNoEvent(line: String) {
    #expect(throws: JSONError.self) { try EventLine.kind(of: line.utf8.span) }
  }

  @Test(arguments: [
    (#""0/1A2B3C8""#, 0x1A2_B3C8 as UInt64?), (#""FF/0""#, 0xFF_0000_0000), (#""/1""#, nil),
    (#""1/""#, nil), (#""1/123456789""#, nil), (#""1/2/3""#, nil), ("12345", nil),
  ])
  func readsPositions(text: String, value: UInt64?) {
    let span = text.utf8.span
    #expect(EventLine.position(span, 0..<span.count)?.rawValue == value)
  }
}
