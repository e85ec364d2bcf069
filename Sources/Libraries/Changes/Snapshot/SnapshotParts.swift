internal import Bytes
internal import Filter
internal import JSON
internal import Posix
internal import Postgres

/// The output of a snapshot that can be resumed: parts, each a transaction, and what is acknowledged of them.
///
/// A part is a cut through all that is being read. So a range is done once a part is acknowledged that ends behind
/// its last row, and the rows of one that is not may have arrived as well. A class, because the workers share it; their
/// turns keep calls apart.
final class SnapshotParts: @unchecked Sendable {
  /// A part ends at the first end of a range, or where it is larger.
  private static var maxBytes: Int { 16 << 20 }

  private let output: Descriptor
  private let log: JobLog
  private var progress: Progress
  private var journal: SnapshotJournal
  private var acks: AcknowledgementFollower
  /// What all parts say alike: where the snapshot ends, what it is called, what is there, where the slot begins.
  private let facts: (position: LSN, copy: String, after: LSN, since: LSN)
  private let run: Int
  /// The part that is open, or the last one that was.
  private var number = 0
  /// Bytes in the part that is open; 0 while none is.
  private var bytesInPart = 0
  private var bytes = 0
  /// Rows of readings that have ended.
  private var rows = 0
  /// The rows may be there already.
  private var isAgain = false
  /// What is written is the last of it.
  private var isLast = false

  init(
    to output: Descriptor, _ log: JobLog, _ journal: consuming SnapshotJournal,
    _ acks: consuming AcknowledgementFollower
  ) {
    (self.output, self.log) = (output, log)
    progress = Progress(log)
    let known = journal.progress
    let since = known.runs.first?.position ?? .invalid
    let names = ["slot", "system_identifier"].compactMap { known.header?.string($0) }
    facts = (
      known.runs.last?.position ?? .invalid, "\(names.joined(separator: " ")) \(since)",
      known.lastPart, since
    )
    run = known.runs.count
    self.journal = journal
    self.acks = acks
  }

  /// Of a new snapshot nothing can have been acknowledged.
  func passOverOldAcknowledgements() throws { try acks.skipWhatIsThere() }

  var known: SnapshotProgress { journal.progress }

  // -- lines

  func write(_ lines: borrowing ByteBuffer, rows: Int) throws {
    if bytesInPart == 0 { try begin() }
    try output.writeAll(lines.span)
    bytes += lines.count
    bytesInPart += lines.count
    progress.report(inBytes: 0, outBytes: bytes, rows: self.rows + rows)
    if bytesInPart >= Self.maxBytes, !isLast { try cut() }
    try takeAcknowledgements()
  }

  private func begin() throws {
    number += 1
    var line = JSONWriter()
    line.object { line in
      line.field("type", "begin")
      line.field("xid", 0)
      line.field("lsn", facts.position.description)
      line.field("snapshot", true)
      if isAgain { line.field("again", true) }
    }
    line.endLine()
    try output.writeAll(line.span)
    bytes += line.count
    bytesInPart = line.count
  }

  /// Ends the part that is open.
  private func cut() throws {
    guard bytesInPart > 0 else { return }
    try end(part: SnapshotProgress.part(run, number))
  }

  private func end(part: LSN?) throws {
    var line = JSONWriter()
    line.object { line in
      line.field("type", "commit")
      line.field("xid", 0)
      line.field("lsn", facts.position.description)
      line.field("end_lsn", facts.position.description)
      line.field("copy", facts.copy)
      if let part { line.field("part", part.description) }
      line.field("after", facts.after.description)
      line.field("since", facts.since.description)
    }
    line.endLine()
    try output.writeAll(line.span)
    bytes += line.count
    bytesInPart = 0
  }

  /// What comes now may be there already, or cannot be.
  func turn(again: Bool) throws {
    try cut()
    isAgain = again
  }

  /// What comes now is the last of it.
  func turnToLast() throws {
    try turn(again: false)
    isLast = true
    try begin()
  }

  // -- ranges

  /// The first rows of a range come next.
  func began(_ place: SnapshotProgress.Place) throws {
    guard known.tables[place.table]?.ranges[place.first]?.status == .untouched else { return }
    try journal.append(SnapshotProgress.record("begun", place))
  }

  /// All rows of a range were written.
  func ended(_ place: SnapshotProgress.Place) throws {
    var record = SnapshotProgress.record("read", place)
    record.set("part", SnapshotProgress.part(run, number).description)
    // Lost, the range is read once more.
    try journal.append(record, durable: false)
    try cut()
    try takeAcknowledgements()
  }

  /// A reading has ended.
  func add(rows: Int) { self.rows += rows }

  /// All that had to be removed was written.
  func endedRemovals() throws {
    var record = Record(type: "removed")
    record.set("part", SnapshotProgress.part(run, number).description)
    try journal.append(record)
    try cut()
  }

  // -- acknowledgements

  /// Throws `SnapshotIsThere` where they say that there is nothing left to do.
  func takeAcknowledgements() throws {
    try acks.take { ack in
      if let part = ack.part, part.isValid { try note(acknowledged: part) }
      if ack.position >= facts.since, !known.isWhole {
        var record = Record(type: "whole")
        record.set("lsn", ack.position.description)
        try journal.append(record)
      }
    }
    guard known.isWhole, !isLast else { return }
    // Half a part would be an error to whoever reads it.
    try cut()
    throw SnapshotIsThere()
  }

  private func note(acknowledged part: LSN) throws {
    guard part.rawValue >> 32 <= UInt64(run), part > known.lastPart else { return }
    var record = Record(type: "ack")
    record.set("part", part.description)
    try journal.append(record)
  }

  /// Ends the last part, and waits until all of it is acknowledged.
  func finish() throws {
    try end(part: nil)
    var lastWord = Clock.monotonic()
    while !known.isWhole {
      try takeAcknowledgements()
      try StopSignal.check()
      try output.checkReader()
      guard !acks.hasEnded || known.isWhole else {
        throw Failure(
          .badInput, "the acknowledgements end before all of the snapshot is acknowledged")
      }
      if !acks.waits(milliseconds: 100) { try Clock.sleep(milliseconds: 20) }
      guard Clock.monotonic() - lastWord >= Self.silenceNanoseconds else { continue }
      try saySomething()
      lastWord = Clock.monotonic()
    }
    done()
  }

  private static var silenceNanoseconds: Int64 { 1_000_000_000 }

  /// Whoever stands between us and an applier that is gone finds out when it has something to pass on.
  private func saySomething() throws {
    var line = JSONWriter()
    line.object { line in
      line.field("type", "message")
      line.field("lsn", facts.position.description)
      line.field("prefix", "cdc-snapshot")
      line.field("content", "waiting to be acknowledged")
      line.field("transactional", false)
    }
    line.endLine()
    try output.writeAll(line.span)
    bytes += line.count
  }

  /// Tells the job log that all was written.
  func done() { log.done(inBytes: 0, outBytes: bytes, rows: rows) }
}

/// The target has all of it already: an acknowledgement said so before anything else could.
struct SnapshotIsThere: Error {}
