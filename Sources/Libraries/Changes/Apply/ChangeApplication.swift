internal import Bytes
public import Filter
internal import JSON
public import Posix
internal import Postgres

/// Applies a stream of change events to a target, each of the source's transactions exactly once.
///
/// The lines of a transaction are held until its commit comes. Several transactions go into one of the
/// target, which is committed together with the position that was reached; their lines are held until
/// then, so that all can be sent again, one by one, when the target refuses something. A transaction that
/// is too large to be held is streamed into a transaction of its own, whose parts are savepoints.
public struct ChangeApplication: ~Copyable {
  var sink: ChangeSink
  let options: ApplyOptions
  let applied: AppliedPosition
  /// What the names begin with under which transactions are prepared; the source's number follows.
  let preparedPrefix: String
  var acks = RecordWriter()
  var lines = HeldLines()
  var head = EventHead()
  /// The end of the last transaction that is committed or in the batch.
  var reached: LSN
  /// The end of the last one that is committed.
  var committed: LSN
  var committedAt: String?
  /// Transactions were skipped, which are to be acknowledged once more.
  var owesAck = false
  /// The snapshot of which parts come; nil while none does.
  var copy: CopyProgress?
  /// The line that began the source's open transaction; nil while there is none.
  var open: Int?
  /// Lines in front that were sent, or wait in the sink.
  var sent = 0
  var mode = Mode.held
  /// Changes in the target's open transaction, and those of them that are not held any more.
  var changes = 0
  var keptChanges = 0
  /// Of the monotonic clock: when the batch began, and when the last one was committed.
  var batchStarted: Int64 = 0
  var batchEnded: Int64 = 0
  /// Changes that are committed, those that were set aside among them.
  public internal(set) var changesApplied = 0
  public var changesParked: Int { sink.parked?.count ?? 0 }

  enum Mode {
    /// Nothing of the open transaction was sent.
    case held
    /// It is being sent as it comes.
    case streamed
    /// It was applied before.
    case skipped
  }

  /// More bytes than this are not held.
  static var maxHeldBytes: Int { 16 << 20 }
  /// Of a transaction that is not held, what is sent again when the target refuses something.
  static var batchesPerPart: Int { 5 }
  /// A longer line is refused; the server's own limit is the same.
  static var maxLineBytes: Int { 1 << 30 }
  static var maxAttempts: Int { 5 }
  /// A batch is held open as long as it, and the commit before it, are not older.
  private static var busyNanoseconds: Int64 { 20_000_000 }
  private static var patienceMilliseconds: Int32 { 5 }

  /// Connects, makes the session ready, and finds out what was applied before.
  public init(_ options: ApplyOptions, _ message: Message) throws {
    let connection = try Connection(options.connection, applicationName: message.tool)
    // Others see what is done, and what others have done must be seen.
    try connection.execute(
      """
      SET client_min_messages = error; SET default_transaction_isolation = 'read committed';
      \(ChangeSink.planSettings)
      """)
    let triggersFire = try options.firesTriggers || !Self.silenceTriggers(on: connection, message)
    // What is acknowledged must be durable, whatever the database or the role are set to.
    try connection.execute(
      """
      SELECT pg_catalog.set_config('synchronous_commit', 'on', false)
      WHERE pg_catalog.current_setting('synchronous_commit') = 'off'
      """)
    let applied = try AppliedPosition(options, on: connection)
    let position = try applied.read(on: connection)
    preparedPrefix = try Self.preparedPrefix(options, on: connection)
    sink = ChangeSink(connection, options, message, keepsOrder: triggersFire)
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
  public mutating func run(
    _ input: Descriptor, _ log: JobLog
  ) throws -> (
    inBytes: Int, outBytes: Int
  ) {
    var reader = LineReader(from: input, maxLineBytes: Self.maxLineBytes)
    var progress = Progress(log)
    sink.parked = try options.park.map {
      try ParkedChanges(directory: $0, source: options.stream, committed: committed)
    }
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

  /// Reads the next line, and commits before it would wait for it for long.
  mutating func next(_ reader: inout LineReader, _ input: Descriptor) throws -> Bool {
    if isUnsettled, reader.isDrained, try !input.waitReadable(milliseconds: patience) {
      try settle()
    }
    return try reader.next()
  }

  /// How long, in milliseconds, a batch is held open for what comes next: not at all where transactions are few,
  /// and a little where one follows the other, because a commit costs as much as many of them.
  private var patience: Int32 {
    let now = Clock.monotonic()
    let since = max(now - batchEnded, now - batchStarted)
    guard since < Self.busyNanoseconds else { return 0 }
    return min(Self.patienceMilliseconds, Int32(options.batchMilliseconds))
  }

  mutating func finish() throws {
    try settle()
    sink.finish()
    guard open == nil else {
      throw Failure(
        .badInput, "the input ends in the middle of a transaction, which was not applied")
    }
  }

  /// Tries once more what is set aside; what the target takes now is no longer there.
  ///
  /// The number of changes that were done, and of those that are still set aside. Throws a `Failure` (75) while a
  /// transaction is prepared, which may change what is there or stand in the way.
  public mutating func replay() throws -> (done: Int, left: Int) {
    let path = ParkedChanges.path(options.park ?? "", options.stream)
    guard try FileFacts.of(path) != nil else { return (0, 0) }
    if let name = try anyPrepared() {
      throw Failure(.temporary, "a transaction of the stream is prepared and not ended: \(name)")
    }
    sink.parked = ParkedChanges(directory: options.park ?? "", source: options.stream)
    sink.isCareful = true
    var count = 0
    for record in try ParkedChanges.committedRecords(path, committed) {
      lines.append(record.text.utf8.span, number: lines.count + 1)
      if record.type != "relation" { count += 1 }
    }
    try pass(upTo: lines.count)
    try sink.begin()
    try sink.connection.commit()
    // Were it written before, a failure now would lose changes; so it may have some done twice.
    try sink.parked?.replaceFile(committed)
    let left = sink.parked?.count ?? 0
    return (count - left, left)
  }

  // -- lines

  mutating func take(_ line: Span<UInt8>, _ number: Int) throws {
    let kind: EventKind
    do throws(JSONError) { kind = try EventLine.kind(of: line, after: head) } catch {
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

  func require(
    _ condition: Bool, _ number: Int, _ problem: @autoclosure () -> String
  ) throws(Failure) {
    guard condition else { throw Failure(.badInput, "line \(number): \(problem())") }
  }

  /// The open transaction is too large to be held, or part of it is on its way.
  var isFull: Bool {
    mode == .streamed || isLarge(options.batchChanges)
  }

  private func isLarge(_ maxChanges: Int) -> Bool {
    guard let open else { return false }
    return lines.count - open > maxChanges
      || lines.byteCount - lines.start(open) > Self.maxHeldBytes
  }

  // -- transactions of the source

  /// The open transaction has ended; `kind` is that of its last line.
  mutating func complete(_ kind: EventKind) throws {
    let last = try event(lines.count - 1)
    guard let end = EventLine.position(lines[lines.count - 1], last.endLSN) else {
      throw Failure(.badInput, "line \(lines.number(lines.count - 1)): \(kind) lacks end_lsn")
    }
    let part = try snapshotPart(last)
    if try mode == .skipped || end <= reached || isApplied(part) {
      // A snapshot is no transaction of the source's, and has the number 0.
      if part == nil, EventLine.plain(lines[lines.count - 1], last.xid) == "0" {
        sink.message.warning(
          "a snapshot of \(end) was passed over: \(reached) is applied already for this source")
      }
      owesAck = true
      return try forgetOpen()
    }
    if kind == .prepare { return try prepare(last, end) }
    if !isUnsettled { batchStarted = Clock.monotonic() }
    try send(upTo: lines.count)
    committedAt = EventLine.plain(lines[lines.count - 1], last.committedAt)
    let isDue = mode == .streamed || isBatchFull
    (open, mode) = (nil, .held)
    if let number = part?.number { copy?.reached = number } else { reached = end }
    if isDue { try settle() }
  }

  /// The open transaction is a snapshot, or a part of one.
  private func isSnapshot() throws -> Bool {
    guard let open, try event(open).kind == .begin else { return false }
    return (try? Record(parsing: lines[open]))?.boolean("snapshot") ?? false
  }

  var isBatchFull: Bool {
    changes >= options.batchChanges || lines.byteCount > Self.maxHeldBytes
      || Clock.monotonic() - batchStarted >= Int64(options.batchMilliseconds) * 1_000_000
  }

  /// Sends what there is of a transaction that is too large to be held.
  mutating func stream() throws {
    if mode == .held { try beginStream() }
    if mode == .streamed {
      try send(upTo: lines.count)
      // Whoever waits for the server after each part keeps it waiting in turn, so parts are large.
      guard isLarge(options.batchChanges * Self.batchesPerPart) else { return }
      try flush()
      try sink.keep()
      keptChanges = changes
    } else {
      try learnRelations(from: 0)
    }
    lines.removeFirst(lines.count)
    (open, sent) = (0, 0)
  }

  private mutating func beginStream() throws {
    try settle()
    dropSent()
    // A commit that ends in what is applied also begins in it; a snapshot ends where it begins.
    let begin = try event(0)
    guard let position = EventLine.position(lines[0], begin.lsn), !begin.xid.isEmpty else {
      throw Failure(
        .badInput, "line \(lines.number(0)): the begin of a large transaction lacks lsn or xid")
    }
    let isKnown = try position < reached || position == reached && isSnapshot()
    mode = position.isValid && isKnown ? .skipped : .streamed
    // It would wait for its own locks.
    if mode == .streamed { try rollBackPrepared(preparedName(lines[0], begin)) }
  }

  /// Drops the open transaction, but for what it says of tables: that is not said again.
  mutating func forgetOpen() throws {
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

  func isRelation(_ index: Int) throws -> Bool {
    try EventLine.kind(of: lines[index]) == .relation
  }

  mutating func learnRelations(from first: Int) throws {
    for index in first..<lines.count where try isRelation(index) {
      try sink.learn(lines, index, holds: true)
    }
  }
}
