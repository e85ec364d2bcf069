import Bytes
import Filter
import JSON
import Posix
import Postgres
import Testing

@testable import Changes
@testable import Postgres

/// Lines of events that are cut off or damaged: whatever comes, they are read or refused.
@Suite struct EventDamageTests {
  static let lines = [
    #"{"type":"begin","xid":742,"lsn":"0/1A2B3C8","committed_at":"2026-01-31T10:00:00.000000Z"}"#,
    #"{"type":"begin","xid":0,"lsn":"0/10","snapshot":true}"#,
    #"{"type":"relation","schema":"public","table":"t","identity":"default","columns":"#
      + #"[{"name":"id","type":"bigint","key":true},{"name":"é\n","type":"jsonb","key":false}]}"#,
    #"{"type":"insert","schema":"public","table":"t \u0022","lsn":"1/2","new":"#
      + #"{"id":1,"note":"a\"\\\u00e9\ud83d\ude00","doc":{"k":[1,-2.5e3,null]},"list":[1,[2]]}}"#,
    #"{"type":"update","schema":"s","table":"t","lsn":"1/2","old":{"id":1},"#
      + #""new":{"id":2,"doc":"x","pair":{"a":1,"b":"x y"},"sum":3},"unchanged":["note"]}"#,
    #"{"type":"delete","schema":"s","table":"t","lsn":"1/2","old":{"id":null,"n\u006fte":""}}"#,
    #" { "type" : "read" , "new" : { } , "schema":"s","table":"t" } "#,
    #"{"type":"truncate","lsn":"1/2","relations":[{"schema":"s","table":"t"}],"cascade":false}"#,
    #"{"type":"message","prefix":"p","content_base64":"/wA=","transactional":true}"#,
    #"{"type":"prepare","xid":"x","gid":"g","lsn":"FF/0","end_lsn":"ABCDEF01/ABCDEF01"}"#,
    #"{"type":"commit_prepared","xid":1,"gid":"g","end_lsn":"0/1","committed_at":"now"}"#,
    #"{"type":"commit","xid":742,"lsn":"0/1","end_lsn":"0/2"}"#,
  ].map { Array($0.utf8) }

  static let columns = [
    ("id", ValueShape.scalar), ("note", .scalar), ("doc", .json),
    ("list", .array(.scalar, delimiter: UInt8(ascii: ","))),
    ("pair", .composite([.init(name: "a", shape: .scalar), .init(name: "b", shape: .scalar)])),
    ("sum", .scalar),
  ]

  static let table = TargetTable(
    sqlName: "t",
    columns: columns.map { name, shape in
      .init(name: name, cast: "text", isGenerated: name == "sum", isJSON: shape == .json)
    }, match: .key([0]))

  /// What an applier does with a line before it asks the target.
  static func read(_ line: [UInt8], _ changes: TableChanges) throws {
    let kind = try EventLine.kind(of: line.span)
    var head = EventHead()
    let event = try EventLine(line.span, after: &head)
    #expect(event.kind == kind)
    for member in [event.lsn, event.endLSN] { _ = EventLine.position(line.span, member) }
    for member in [event.xid, event.committedAt] { _ = EventLine.plain(line.span, member) }
    switch kind {
    case .insert, .read, .update, .delete: try readRows(line, event, changes)
    case .relation: _ = try SourceRelation(try Record(parsing: line.span)).createStatement
    case .truncate: _ = try Record(parsing: line.span)["relations"]?.array?.map { $0["schema"] }
    default: return
    }
  }

  private static func readRows(
    _ line: [UInt8], _ opened: EventLine, _ changes: TableChanges
  ) throws {
    var event = opened
    for name in [event.schema, event.table] where !name.isEmpty {
      _ = try JSONValue(parsing: line.span.extracting(name))
    }
    changes.new.clear()
    changes.old.clear()
    if !event.new.isEmpty {
      let end = try changes.readNew(line.span, event.new.lowerBound)
      if event.isOpen { try event.close(line.span, at: end) }
    }
    if !event.old.isEmpty { try changes.readOld(line.span, event.old.lowerBound) }
    // Whoever reads all of the line before its row finds the same in it.
    let whole = try EventLine(line.span)
    #expect(whole.new == event.new && whole.old == event.old && whole.lsn == event.lsn)
    let set = changes.setColumns([0], hasOld: !event.old.isEmpty)
    _ = changes.keyHashes(hasNew: true, hasOld: true)
    var rows = TextRows(width: max(1, set.count))
    changes.new.append(set, to: &rows)
    // What was read is what a tree of the same text says.
    let tree = try JSONValue(parsing: line.span)["new"]
    for (place, column) in set.enumerated() where column < 2 {
      if let text = tree?[columns[column].0]?.string { #expect(rows.text(0, place) == text) }
    }
  }

  private static func makeChanges() -> TableChanges {
    TableChanges(
      table, TextValues(columns.map { TargetColumn(name: $0.0, shape: $0.1) }))
  }

  /// True for the errors that say what is wrong with a line.
  private static func isRefusal(_ error: any Error) -> Bool {
    error is JSONError || error is RowProblem || (error as? Failure)?.exitCode == .badInput
  }

  private func tryToRead(_ line: [UInt8], _ changes: TableChanges) {
    do { try Self.read(line, changes) } catch {
      #expect(Self.isRefusal(error), "\(error) of \(String(decoding: line, as: UTF8.self))")
    }
  }

  @Test func whatIsWholeIsRead() throws {
    let changes = Self.makeChanges()
    for line in Self.lines { try Self.read(line, changes) }
  }

  @Test(arguments: lines.indices)
  func everyPrefixIsRefused(index: Int) {
    let (line, changes) = (Self.lines[index], Self.makeChanges())
    // A blank at the end is no part of it.
    for length in line.indices where line[length] != UInt8(ascii: " ") {
      let error = #expect(throws: (any Error).self) {
        try Self.read(Array(line[..<length]), changes)
      }
      #expect(error.map(Self.isRefusal) ?? false)
    }
  }

  @Test(arguments: lines.indices)
  func noByteThatIsAnotherIsATrap(index: Int) {
    let changes = Self.makeChanges()
    for place in Self.lines[index].indices {
      var line = Self.lines[index]
      for value in [0, line[place] ^ 1, 0x80, 0xFF] + Array(#""\{}[],: -1u"#.utf8) {
        line[place] = value
        tryToRead(line, changes)
      }
    }
  }

  @Test(arguments: lines.indices)
  func noDamageAtRandomIsATrap(index: Int) {
    let changes = Self.makeChanges()
    for seed in 0..<UInt64(1500) {
      var (dice, line) = (Dice(state: seed), Self.lines[index])
      _ = dice.damage(&line)
      tryToRead(line, changes)
    }
  }

  /// One line after another: what a bad one leaves behind does not show in the next.
  @Test func aGoodRowIsReadBehindABadOne() throws {
    let changes = Self.makeChanges()
    let good = Array(#"{"type":"insert","new":{"note":"n","id":5}}"#.utf8)
    for seed in 0..<UInt64(2000) {
      var (dice, line) = (Dice(state: seed), Self.lines[3 + Int(seed % 4)])
      _ = dice.damage(&line)
      tryToRead(line, changes)
      _ = try changes.readNew(good.span, try EventLine(good.span).new.lowerBound)
      var rows = TextRows(width: 2)
      changes.new.append([0, 1], to: &rows)
      #expect(changes.new.present == [1, 0] && rows.text(0, 0) == "5" && rows.text(0, 1) == "n")
    }
  }

  @Test func everyCutLeavesTheLinesBeforeIt() throws {
    let stream = Array(Self.lines.map { $0 + [UInt8(ascii: "\n")] }.joined())
    for cut in stream.indices {
      let part = Array(stream[..<cut])
      let file = try File(scratchIn: "/tmp")
      try file.write(part.span, at: 0)
      var reader = LineReader(from: file.descriptor, maxLineBytes: 4096, chunkBytes: 64)
      var (lines, isCut) = ([[UInt8]](), false)
      do {
        while try reader.next() { lines.append([UInt8](copying: reader.line)) }
      } catch is LineError { isCut = true }
      #expect(lines == Array(Self.lines.prefix(part.count { $0 == UInt8(ascii: "\n") })))
      #expect(isCut == (cut > 0 && part.last != UInt8(ascii: "\n")))
    }
  }
}
