public import Filter
internal import Bytes
internal import JSON
public import Posix
public import Postgres

/// Applies a stream of change events to a target, each of the source's transactions exactly once.
///
/// The lines of a transaction are held until its commit comes. Several transactions go into one of the
/// target, which is committed together with the position that was reached; their lines are held until
/// then, so that all can be sent again, one by one, when the target refuses something. A transaction that
/// is too large to be held is streamed into a transaction of its own, whose parts are savepoints.
public struct ChangeApplication: ~Copyable {
  private var sink: ChangeSink
  private let options: ApplyOptions
  private let applied: AppliedPosition
  private var acks = RecordWriter()
  private var lines = HeldLines()
  /// The end of the last transaction that is committed or in the batch.
  private var reached: LSN
  /// The end of the last one that is committed.
  private var committed: LSN
  private var committedAt: String?
  /// Transactions were skipped, which are to be acknowledged once more.
  private var owesAck = false
  /// The line that began the source's open transaction; nil while there is none.
  private var open: Int?
  /// Lines in front that were sent, or wait in the sink.
  private var sent = 0
  private var mode = Mode.held
  /// Changes in the target's open transaction, and those of them that are not held any more.
  private var changes = 0
  private var keptChanges = 0
  private var batchStarted: Int64 = 0
  public private(set) var changesApplied = 0

  private enum Mode {
    /// Nothing of the open transaction was sent.
    case held
    /// It is being sent as it comes.
    case streamed
    /// It was applied before.
    case skipped
  }

  /// More bytes than this are not held.
  private static var maxHeldBytes: Int { 16 << 20 }
  /// A longer line is refused; the server's own limit is the same.
  private static var maxLineBytes: Int { 1 << 30 }
  private static var maxAttempts: Int { 5 }

  /// Makes the session ready, and finds out what was applied before.
  public init(
    _ connection: consuming Connection, _ options: ApplyOptions, _ message: Message
  ) throws {
    try connection.execute("SET client_min_messages = error; \(ChangeSink.planSettings)")
    let triggersFire = try options.firesTriggers || !Self.silenceTriggers(on: connection, message)
    let applied = try AppliedPosition(options, on: connection)
    let position = try applied.read(on: connection)
    self.init(
      ChangeSink(connection, options, message, keepsOrder: triggersFire), options, applied, position)
  }

  private init(
    _ sink: consuming ChangeSink, _ options: ApplyOptions, _ applied: AppliedPosition, _ position: LSN
  ) {
    self.sink = sink
    (self.options, self.applied, reached, committed) = (options, applied, position, position)
    owesAck = position.isValid
  }

  /// False when the server does not permit it.
  private static func silenceTriggers(
    on connection: borrowing Connection, _ message: Message
  ) throws -> Bool {
    do { try connection.execute("SET session_replication_role = replica") } catch let error
      as PostgresError where error.exitCode == .notPermitted
    {
      message.warning("triggers and foreign keys of the target are in force: \(error.message)")
      return false
    }
    return true
  }

  /// Applies all events of `input`.
  public mutating func run(_ input: Descriptor, _ log: JobLog) throws -> (
    inBytes: Int, outBytes: Int
  ) {
    var reader = LineReader(from: input, maxLineBytes: Self.maxLineBytes)
    var progress = Progress(log)
    try settle()
    do {
      while try next(&reader, input) {
        try take(reader.line, reader.number)
        progress.report(
          inBytes: reader.bytesRead, outBytes: acks.byteCount, rows: changesApplied)
      }
    } catch let error as LineError {
      try settle()
      throw Failure(.badInput, error.description)
    }
    try finish()
    return (reader.bytesRead, acks.byteCount)
  }

  /// Reads the next line, and commits before it would wait for it.
  private mutating func next(_ reader: inout LineReader, _ input: Descriptor) throws -> Bool {
    if isUnsettled, reader.isDrained, try !input.waitReadable(milliseconds: 0) { try settle() }
    return try reader.next()
  }

  private mutating func finish() throws {
    try settle()
    sink.finish()
    guard open == nil else {
      throw Failure(
        .badInput, "the input ends in the middle of a transaction, which was not applied")
    }
  }

  // -- lines

  private mutating func take(_ line: Span<UInt8>, _ number: Int) throws {
    let kind: EventKind
    do throws(JSONError) { kind = try EventLine.kind(of: line) } catch {
      throw Failure(.badInput, "line \(number): \(error)")
    }
    switch kind {
    case .message: return
    case .begin:
      // The source lost its connection in the middle of the one before, and begins again.
      if open != nil { try forgetOpen() }
      (open, mode) = (lines.count, .held)
      lines.append(line, number: number)
    case .relation:
      lines.append(line, number: number)
      if open == nil { try send(upTo: lines.count) }
    case .commitPrepared, .rollbackPrepared:
      try require(open == nil, number, "\(kind) in the middle of a transaction")
      lines.append(line, number: number)
      try endPrepared(kind)
    case .commit, .prepare:
      try require(open != nil, number, "\(kind) without a begin")
      lines.append(line, number: number)
      try complete(kind)
    case .insert, .update, .delete, .truncate, .read:
      try require(open != nil, number, "\(kind) outside a transaction")
      lines.append(line, number: number)
      if isFull { try stream() }
    }
  }

  private func require(
    _ condition: Bool, _ number: Int, _ problem: @autoclosure () -> String
  ) throws(Failure) {
    guard condition else { throw Failure(.badInput, "line \(number): \(problem())") }
  }

  /// The open transaction is too large to be held.
  private var isFull: Bool {
    guard let open else { return false }
    return lines.count - open > options.batchChanges
      || lines.byteCount - lines.start(open) > Self.maxHeldBytes
  }

  // -- transactions of the source

  /// The open transaction has ended; `kind` is that of its last line.
  private mutating func complete(_ kind: EventKind) throws {
    let last = try event(lines.count - 1)
    guard let end = EventLine.position(lines[lines.count - 1], last.endLSN) else {
      throw Failure(.badInput, "line \(lines.number(lines.count - 1)): \(kind) lacks end_lsn")
    }
    if mode == .skipped || end <= reached {
      owesAck = true
      return try forgetOpen()
    }
    if kind == .prepare { return try prepare(last, end) }
    if !isUnsettled { batchStarted = Clock.monotonic() }
    try send(upTo: lines.count)
    committedAt = EventLine.plain(lines[lines.count - 1], last.committedAt)
    let isDue = mode == .streamed || isBatchFull
    (reached, open, mode) = (end, nil, .held)
    if isDue { try settle() }
  }

  private var isBatchFull: Bool {
    changes >= options.batchChanges || lines.byteCount > Self.maxHeldBytes
      || Clock.monotonic() - batchStarted >= Int64(options.batchMilliseconds) * 1_000_000
  }

  /// Sends what there is of a transaction that is too large to be held.
  private mutating func stream() throws {
    if mode == .held {
      try settle()
      dropSent()
      // A commit that ends in what is applied also begins in it.
      let begin = try event(0)
      let position = EventLine.position(lines[0], begin.lsn)
      mode = position.map { $0 < reached } ?? false ? .skipped : .streamed
    }
    if mode == .streamed {
      try send(upTo: lines.count)
      try flush()
      try sink.keep()
      keptChanges = changes
    } else {
      try learnRelations(from: 0)
    }
    lines.removeFirst(lines.count)
    (open, sent) = (0, 0)
  }

  /// Drops the open transaction, but for what it says of tables: that is not said again.
  private mutating func forgetOpen() throws {
    if mode == .streamed {
      try sink.rollBack(all: true)
      (sent, changes, keptChanges) = (0, 0, 0)
    }
    if let open, try (open..<lines.count).contains(where: { try isRelation($0) }) { try settle() }
    guard let open else { return }
    try learnRelations(from: open)
    lines.truncate(to: open)
    (self.open, mode) = (nil, .held)
  }

  private func isRelation(_ index: Int) throws -> Bool {
    try event(index).kind == .relation
  }

  private mutating func learnRelations(from first: Int) throws {
    for index in first..<lines.count where try isRelation(index) {
      try sink.learn(lines, index, holds: true)
    }
  }

  // -- two-phase commit

  /// The open transaction is to be prepared, and committed later.
  ///
  /// It is prepared before its position is committed: what comes again finds it there.
  private mutating func prepare(_ last: EventLine, _ end: LSN) throws {
    let name = preparedName(lines[lines.count - 1], last)
    if mode == .held {
      try settle()
      dropSent()
    }
    if try isPrepared(name) {
      try forgetOpen()
    } else {
      try send(upTo: lines.count)
      try flush()
      try sink.begin()
      try sink.connection.execute("PREPARE TRANSACTION \(Quoting.literal(name))")
      sink.ended()
      dropSent()
    }
    (reached, open, mode) = (end, nil, .held)
    try settle()
  }

  private mutating func endPrepared(_ kind: EventKind) throws {
    let index = lines.count - 1
    let last = try event(index)
    let name = preparedName(lines[index], last)
    guard let end = EventLine.position(lines[index], last.endLSN) else {
      throw Failure(.badInput, "line \(lines.number(index)): \(kind) lacks end_lsn")
    }
    lines.truncate(to: index)
    owesAck = end <= reached
    try settle()
    guard end > reached else { return }
    if try isPrepared(name) {
      let word = kind == .commitPrepared ? "COMMIT" : "ROLLBACK"
      try sink.connection.execute("\(word) PREPARED \(Quoting.literal(name))")
    }
    reached = end
    try settle()
  }

  private func preparedName(_ line: Span<UInt8>, _ event: EventLine) -> String {
    "sluice_\(options.source)_\(EventLine.plain(line, event.xid) ?? "")"
  }

  private func isPrepared(_ name: String) throws -> Bool {
    try sink.connection.query(
      """
      SELECT EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts
        WHERE gid = $1 AND database = pg_catalog.current_database())
      """, [name]
    ).boolean(0, 0)
  }

  // -- sending

  private func event(_ index: Int) throws(Failure) -> EventLine {
    do throws(JSONError) { return try EventLine(lines[index]) } catch {
      throw Failure(.badInput, "line \(lines.number(index)): \(error)")
    }
  }

  /// Sends the lines up to `end`, or has the sink hold them.
  private mutating func send(upTo end: Int) throws {
    do { try pass(upTo: end) } catch let refusal as Refusal { try recover(refusal, upTo: end) }
  }

  private mutating func flush() throws {
    do { try sink.flush() } catch let refusal as Refusal { try recover(refusal, upTo: sent) }
  }

  private mutating func pass(upTo end: Int) throws {
    while sent < end {
      let event = try event(sent)
      do {
        switch event.kind {
        case .relation: try sink.learn(lines, sent, holds: false)
        case .insert, .update, .delete, .truncate, .read:
          try sink.apply(event, lines, sent)
          changes += 1
        default: break
        }
      } catch let failure as Failure {
        throw Failure(
          failure.exitCode, "line \(lines.number(sent)): \(failure.message)",
          detail: failure.detail, hint: failure.hint)
      }
      sent += 1
    }
  }

  /// Sends what is held once more, after the target refused a part of it: change by change, which also
  /// finds the one that is at fault, or as before when others were in the way.
  private mutating func recover(_ first: Refusal, upTo end: Int) throws {
    var refusal = first
    for attempt in 1...Self.maxAttempts where isWorthAnother(refusal) {
      let isConflict = refusal.isConflictWithOthers
      if !isConflict { sink.isCareful = true }
      try sink.rollBack(all: isConflict)
      if isConflict { try Clock.sleep(milliseconds: Int64(50 * attempt)) }
      (sent, changes) = (0, keptChanges)
      do {
        try pass(upTo: end)
        try sink.flush()
        sink.isCareful = false
        return
      } catch let next as Refusal { refusal = next }
    }
    throw refusal.failure
  }

  private func isWorthAnother(_ refusal: Refusal) -> Bool {
    if refusal.isConflictWithOthers { return !sink.hasKept }
    return refusal.error.exitCode == .badInput && !sink.isCareful
  }

  // -- transactions of the target

  private var isUnsettled: Bool { reached != committed || owesAck }

  /// Commits the transactions of the batch, and acknowledges them.
  private mutating func settle() throws {
    guard isUnsettled else { return }
    if reached != committed {
      try flush()
      try sink.begin()
      try applied.write(reached, committedAt: committedAt, on: sink.connection)
      try sink.connection.commit()
      sink.ended()
      committed = reached
      changesApplied += changes
      (changes, keptChanges) = (0, 0)
      dropSent()
    }
    try acknowledge()
  }

  private mutating func dropSent() {
    sink.hold()
    lines.removeFirst(sent)
    if let open { self.open = open - sent }
    sent = 0
  }

  private mutating func acknowledge() throws {
    owesAck = false
    try acks.write(Acknowledgement(committed).record)
    try acks.flush()
  }
}
