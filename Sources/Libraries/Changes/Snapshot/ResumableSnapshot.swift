internal import Bytes
internal import Filter
internal import JSON
internal import Posix
internal import Postgres

/// A snapshot in parts, whose finished ranges are not read again when it is resumed.
///
/// A run that goes on where another one was killed has a new snapshot, as of the moment at which a second, temporary
/// slot begins, and that moment is where it ends: what the stream brings from before is passed over, as with any
/// snapshot. First come deletes of all rows that were changed or deleted since the run before, as the slot tells of
/// them; what the target has then is the same in the new snapshot. Then come the rows of unfinished ranges, and of
/// finished ones those that the snapshot under which they were read did not see.
///
/// Tables without a key come last, in one transaction with the end: of them a target has all or nothing.
struct ResumableSnapshot {
  let options: SnapshotOptions
  let slot: String
  let state: String
  let tool: String

  init(_ options: SnapshotOptions, slot: String, state: String, tool: String) {
    (self.options, self.slot, self.state, self.tool) = (options, slot, state, tool)
  }

  func run(to output: Descriptor, log: JobLog) throws {
    let first = try Connection(options.connection, applicationName: tool)
    // Of two that went on with one snapshot each would know of its own half only.
    guard try SessionLock.take("snapshot \(slot)", on: first) else {
      throw Failure(.temporary, "another snapshot for the slot \"\(slot)\" is being read")
    }
    // A publication must be there before the slot: the slot's stream asks for it as of each change.
    _ = try PublishedTable.list(of: options.publications, on: first)
    try checkPublications(on: first)
    let sender = try ReplicationConnection(
      toDatabase: options.connection, applicationName: tool, isPatient: true)
    var journal = try openJournal(sender)
    guard !journal.progress.isWhole else {
      tellThatItIsThere()
      return log.done(inBytes: 0, outBytes: 0)
    }
    let xmax = try beginRun(&journal, sender, first)
    let tables = try PublishedTable.list(of: options.publications, on: first)
    let leaves = try noteLeaves(of: tables, &journal, on: first)
    let parts = try SnapshotParts(
      to: output, log, journal, AcknowledgementFollower(options.acknowledgements ?? "-"))
    do {
      if parts.known.runs.count == 1 { try parts.passOverOldAcknowledgements() }
      try parts.takeAcknowledgements()
      try read(tables, leaves, parts, xmax: xmax, on: first)
    } catch is SnapshotIsThere {
      tellThatItIsThere()
      parts.done()
    }
  }

  private func tellThatItIsThere() {
    Message(tool: tool).info("the target has the snapshot already: nothing more is read")
  }

  /// What was changed since the run before, the publications must tell.
  private func checkPublications(on connection: borrowing Connection) throws {
    let rows = try connection.query(
      """
      SELECT pubname FROM pg_catalog.pg_publication
      WHERE pubname = ANY ($1::text[]) AND NOT (pubupdate AND pubdelete AND pubtruncate)
      """, [Quoting.array(options.publications)])
    guard rows.count == 0 else {
      throw Failure(
        .configuration,
        "the publication \(Quoting.identifier(rows.text(0, 0))) does not tell of all changes",
        hint: "A snapshot that can be resumed needs publish = 'insert, update, delete, truncate'.")
    }
  }

  // -- reading

  /// `first` sees the snapshot, and keeps it alive.
  private func read(
    _ tables: [PublishedTable], _ leaves: [SnapshotLeaf], _ parts: SnapshotParts, xmax: Int,
    on first: borrowing Connection
  ) throws {
    var announcement = JSONWriter(capacity: 4096)
    announcement.relations(tables)
    let known = parts.known
    try parts.turn(again: known.runs.count > 1)
    try parts.write(ByteBuffer(announcement.span), rows: 0)
    let snapshot = try first.exportSnapshot()
    if known.runs.count > 1 {
      try removeStaleRows(tables, parts)
      try read(leaves.flatMap { ranges(of: $0, known, again: true, xmax) }, parts, at: snapshot)
    }
    try parts.turn(again: false)
    try read(leaves.flatMap { ranges(of: $0, known, again: false, xmax) }, parts, at: snapshot)
    try parts.turnToLast()
    let keyless = tables.filter { !$0.isKeyed }
    try read(
      SnapshotReading(keyless, quoteNumbers: options.quoteNumbers, on: first), parts, at: snapshot)
    try parts.finish()
  }

  /// Has the target lose what was changed or deleted since the removals before.
  private func removeStaleRows(_ tables: [PublishedTable], _ parts: SnapshotParts) throws {
    let (runs, last) = (parts.known.runs, parts.known.removedRun)
    let positions = runs[last - 1].position..<runs[runs.count - 1].position
    // The one that sees the snapshot would hold up what decoding waits for.
    let connection = try Connection(options.connection, applicationName: tool)
    var keys = StaleKeys(positions, of: tables.filter(\.isKeyed))
    try keys.run(slot: slot, options.publications, on: connection) { lines in
      try StopSignal.check()
      try parts.write(lines, rows: 0)
    }
    try parts.endedRemovals()
  }

  /// The ranges of a table that may be at the target already, or those that cannot be.
  private func ranges(
    of leaf: SnapshotLeaf, _ known: SnapshotProgress, again: Bool, _ xmax: Int
  ) -> [SnapshotReading.Range] {
    let ranges = known.tables[leaf.oid]?.ranges.sorted { $0.key < $1.key } ?? []
    return ranges.compactMap { first, range in
      guard again == (range.status != .untouched) else { return nil }
      var condition: String?
      if case .done(let run) = range.status {
        condition = Self.condition(newerThan: known.runs[run - 1].xmin, before: xmax)
      }
      return SnapshotReading.Range(
        extraction: leaf.table.extraction(
          of: leaf.relation, quoteNumbers: options.quoteNumbers, condition: condition),
        pages: PageRange(first: first, end: range.end),
        place: SnapshotProgress.Place(table: leaf.oid, first: first))
    }
  }

  /// Rows of transactions that had not all ended when an earlier snapshot was taken.
  ///
  /// A row has the lower half of its transaction's number. One that is older by a multiple of 2^32 is taken for one of
  /// them, which does no harm.
  private static func condition(newerThan xmin: Int, before xmax: Int) -> String {
    "((xmin::text::bigint - \(xmin)) & 4294967295) < \(max(0, xmax - xmin))"
  }

  private func read(
    _ ranges: [SnapshotReading.Range], _ parts: SnapshotParts, at snapshot: Snapshot
  ) throws {
    try read(SnapshotReading(ranges), parts, at: snapshot)
  }

  private func read(
    _ reading: SnapshotReading, _ parts: SnapshotParts, at snapshot: Snapshot
  ) throws {
    let rows = try reading.run(options, at: snapshot, tool: tool) { range, event in
      guard let place = range.place else { return }
      switch event {
      case .began: try parts.began(place)
      case .ended: try parts.ended(place)
      }
    } _: { batch, rows in
      try parts.write(batch, rows: rows)
    }
    parts.add(rows: rows)
  }
}
