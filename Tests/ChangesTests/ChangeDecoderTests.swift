import Bytes
import JSON
import Posix
import Testing

@testable import Changes

@Suite struct ChangeDecoderTests {
  /// The events that messages stand for.
  private func events(
    _ messages: [[UInt8]], memoryBytes: Int = 1 << 20, format: EventFormat = .events
  ) throws -> [String] {
    let output = try File(scratchIn: "/tmp")
    var options = DecodeOptions()
    options.format = format
    (options.memoryBytes, options.folder) = (memoryBytes, "/tmp")
    var decoder = ChangeDecoder(options, to: output.descriptor)
    do {
      for message in messages { try decoder.take(SampleStream.payload(message).span) }
    } catch {
      try decoder.events.flush()
      throw error
    }
    try decoder.events.flush()
    let size = Int(try output.facts().size)
    let text = String(decoding: try output.descriptor.read(count: size, at: 0), as: UTF8.self)
    return text.split(separator: "\n").map(String.init)
  }

  @Test func aTransactionThatComesWhole() throws {
    let lines = try events(Array(SampleStream.all.prefix(10)))
    #expect(
      lines == [
        #"{"type":"begin","xid":700,"lsn":"2/200","committed_at":"2000-01-01T00:00:00.000000Z""#
          + #","origin":"elsewhere","origin_lsn":"0/ABC"}"#,
        #"{"type":"relation","schema":"public","table":"t","identity":"default","columns":["#
          + #"{"name":"id","type":"integer","key":true},"#
          + #"{"name":"note","type":"\"public\".\"mood\"","key":false}]}"#,
        #"{"type":"insert","schema":"public","table":"t","lsn":"1/100""#
          + #","new":{"id":1,"note":"a \"b\"\n"}}"#,
        #"{"type":"update","schema":"public","table":"t","lsn":"1/100""#
          + #","old":{"id":1},"new":{"id":2},"unchanged":["note"]}"#,
        #"{"type":"delete","schema":"public","table":"t","lsn":"1/100","old":{"id":2}}"#,
        #"{"type":"truncate","lsn":"1/100","relations":[{"schema":"public","table":"t"}]"#
          + #","cascade":true,"restart_identity":true}"#,
        #"{"type":"message","lsn":"1/0","prefix":"pre","content":"fix","transactional":true}"#,
        #"{"type":"commit","xid":700,"lsn":"2/200","end_lsn":"2/230"}"#,
      ])
  }

  @Test(arguments: [1 << 20, 0])
  func whatASubtransactionTookBackLeavesNoTrace(memoryBytes: Int) throws {
    let lines = try events(SampleStream.all, memoryBytes: memoryBytes)
    let kinds = lines.suffix(8).compactMap { $0.split(separator: "\"").dropFirst(3).first }
    #expect(
      kinds == [
        "commit_prepared", "rollback_prepared", "begin", "delete", "commit", "begin", "insert",
        "prepare",
      ])
  }

  /// The second first piece of a transaction voids what was there of it: the server was lost.
  @Test func aTransactionThatIsStreamedAnewBeginsAnew() throws {
    let piece = [
      SampleStream.streamStart, SampleStream.streamed(SampleStream.insert, 800),
      SampleStream.streamStop,
    ]
    let lines = try events(
      Array(SampleStream.all.prefix(10)) + piece + piece + [SampleStream.streamCommit])
    #expect(lines.suffix(3).count { $0.hasPrefix(#"{"type":"insert""#) } == 1)
  }

  @Test func whatIsStreamedSaysWhereItWasFirst() throws {
    let lines = try events([
      SampleStream.begin, SampleStream.relation, SampleStream.commit, SampleStream.streamStart,
      SampleStream.origin, SampleStream.streamed(SampleStream.insert, 800), SampleStream.streamStop,
      SampleStream.streamCommit,
    ])
    #expect(lines.count == 6)
    #expect(lines[3].hasSuffix(#","origin":"elsewhere","origin_lsn":"0/ABC"}"#))
    #expect(lines[4].hasPrefix(#"{"type":"insert""#))
  }

  /// Servers forget the begin of one that has changed nothing.
  @Test func aPreparedTransactionHasABegin() throws {
    let lines = try events([SampleStream.prepare])
    #expect(
      lines == [
        #"{"type":"begin","xid":701,"lsn":"0/10","prepared_at":"2000-01-01T00:00:00.000000Z""#
          + #","gid":"gid"}"#,
        #"{"type":"prepare","xid":701,"gid":"gid","lsn":"0/10","end_lsn":"0/20"}"#,
      ])
  }

  @Test(arguments: SampleStream.all.indices)
  func everyPrefixOfAMessageIsRefused(index: Int) {
    let before = Array(SampleStream.all.prefix(index))
    let message = SampleStream.all[index]
    for length in 0..<message.count {
      // What is missing of a row that is held is seen when it is written.
      let cut = before + [Array(message.prefix(length)), SampleStream.streamCommit]
      #expect(throws: DecodeError.self) { try events(cut) }
    }
  }

  @Test(arguments: SampleStream.all.indices)
  func aMessageWithAByteTooManyIsRefused(index: Int) {
    let before = Array(SampleStream.all.prefix(index))
    // What follows a row that is held is seen when it is written.
    let settled = before + [SampleStream.all[index] + [0], SampleStream.streamCommit]
    #expect(throws: DecodeError.self) { try events(settled) }
  }

  @Test(arguments: [EventFormat.wal2json, .debezium])
  func noDamageIsATrapInAnotherFormat(format: EventFormat) throws {
    var messages = Array(SampleStream.all.prefix(10))
    #expect(try events(messages, format: format).count >= 5)
    for index in messages.indices {
      for place in messages[index].indices {
        for value: UInt8 in [0, 0x22, 0x80, 0xFF] {
          let saved = messages[index][place]
          messages[index][place] = value
          for line in (try? events(messages, format: format)) ?? [] {
            // What goes out is JSON, whatever came in, but for a text that is not UTF-8.
            _ = try JSONValue(parsing: line.utf8.span)
          }
          messages[index][place] = saved
        }
      }
    }
  }

  @Test func aTableThatWasNotAnnouncedIsRefused() {
    #expect(throws: DecodeError.self) { try events([SampleStream.begin, SampleStream.insert]) }
  }

  @Test func aCommitWithoutABeginIsRefused() {
    #expect(throws: DecodeError.self) { try events([SampleStream.commit]) }
  }
}
