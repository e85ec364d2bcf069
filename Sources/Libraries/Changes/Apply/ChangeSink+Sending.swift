internal import Bytes
internal import Filter
internal import JSON
internal import Posix
internal import Postgres

/// Sending what waits, and the target's transactions.
extension ChangeSink {
  /// Sends everything that waits, and waits for what the server says to it.
  mutating func flush() throws {
    for table in dirty { try send(table) }
    dirty.removeAll(keepingCapacity: true)
    lastRun = nil
    try collect()
  }

  mutating func flush(_ table: TableChanges) throws {
    if mindsOrder { return try flush() }
    try send(table)
    dirty.removeAll { $0 === table }
  }

  /// Sends a run once it has some rows, so that the server is at work while the next ones are read.
  mutating func flush(_ table: TableChanges, ifFull run: PendingRun) throws {
    let isCopied = isCopied(run)
    guard run.rows.byteCount >= (isCopied ? Self.copyBytes : Self.arrayBytes) else { return }
    // Until the table is flushed, its keys stay in use: a change of one ends the COPY.
    if isCopied, table.hasOnly(run) { return try copy(run, table) }
    try flush(table)
  }

  private static var copyBytes: Int { 32 << 10 }
  private static var arrayBytes: Int { 128 << 10 }

  private func isCopied(_ run: PendingRun) -> Bool {
    run.kind == .insert && conflict == .error && !isCareful
  }

  private mutating func send(_ table: TableChanges) throws {
    try begin()
    for run in table.runs where run.rows.count > 0 {
      let isLong = run.rows.count >= Self.copyRows || inFlight?.copied === run
      if isCopied(run), isLong {
        try copy(run, table)
      } else {
        try execute(run, table.target)
      }
    }
    table.clear()
  }

  /// Sends rows by COPY: by the statement that is open, if it is the run's own.
  private mutating func copy(_ run: PendingRun, _ table: TableChanges) throws {
    if inFlight?.copied !== run { try beginCopy(run, table) }
    if try inFlight?.refusable({ try connection.sendCopy(run.rows, as: run.forms) }) == false {
      // A value that the server alone can read: from here on all of them go as text.
      try collect()
      table.sendText(run)
      return try copy(run, table)
    }
    run.rows.removeAll()
  }

  private mutating func beginCopy(_ run: PendingRun, _ table: TableChanges) throws {
    try begin()
    try collect()
    let flight = Flight(kind: .insert, table: table.target.sqlName, copied: run)
    try flight.refusable {
      // Bytes that are of another type would be taken for a value of it.
      if run.forms != nil, try !table.target.isUnchanged(on: connection) {
        table.sendText(run)
      }
      try connection.beginCopy(table.target.copyStatement(run), isBinary: run.forms != nil)
    }
    inFlight = flight
  }

  private mutating func execute(_ run: PendingRun, _ table: TargetTable) throws {
    try collect()
    let key = run.rows.count == 1 ? table.keyText(run) : nil
    let flight = Flight(kind: run.kind, table: table.sqlName, key: key, rows: run.rows.count)
    let name = try run.prepared ?? prepare(run, table, flight)
    try flight.refusable { try connection.send(prepared: name, run.rows) }
    inFlight = flight
  }

  /// Waits for the statement that the server is at work on.
  mutating func collect() throws {
    guard let flight = inFlight else { return }
    inFlight = nil
    let done = try flight.refusable {
      guard let run = flight.copied else { return try connection.collect() }
      return try connection.endCopy(isBinary: run.forms != nil)
    }
    if flight.kind != .insert, !writesAgain { misses.add(max(0, flight.rows - done), flight.table) }
  }

  /// With fewer rows a prepared INSERT is quicker than COPY, which takes two round trips.
  private static var copyRows: Int { 32 }

  private mutating func prepare(
    _ run: PendingRun, _ table: TargetTable, _ flight: Flight
  ) throws -> String {
    let name = session.nextName()
    try flight.refusable {
      try connection.prepare(name, table.statement(run, conflict))
    }
    run.prepared = name
    return name
  }

  // -- transactions

  /// Begins a transaction of the target unless one is open.
  mutating func begin() throws {
    guard !session.isOpen else { return }
    try connection.execute("BEGIN")
    session.isOpen = true
  }

  var isOpen: Bool { session.isOpen }

  /// Makes what was sent the part that `rollBack` keeps.
  mutating func keep() throws {
    try connection.execute(
      session.hasSavepoint
        ? "RELEASE SAVEPOINT sluice_kept; SAVEPOINT sluice_kept" : "SAVEPOINT sluice_kept")
    session.hasSavepoint = true
    misses.keep()
    parked?.keep()
    replaced.removeAll()
  }

  var hasKept: Bool { session.hasSavepoint }

  /// Forgets what waits, and what comes of what was sent.
  mutating func dropWaiting() throws {
    do { try collect() } catch is Refusal {}
    for table in dirty { table.clear() }
    dirty.removeAll()
    lastRun = nil
  }

  /// Undoes what was sent, and forgets what waits.
  ///
  /// Without `all`, what was kept stays.
  mutating func rollBack(all: Bool) throws {
    try dropWaiting()
    misses.forget(all: all)
    parked?.forget(all: all)
    for (name, source) in replaced.reversed() {
      sources[name] = source
      tables[name] = nil
    }
    if !replaced.isEmpty { forgetTables() }
    replaced.removeAll()
    guard session.isOpen else { return }
    if session.hasSavepoint, !all {
      try connection.execute("ROLLBACK TO SAVEPOINT sluice_kept")
    } else {
      try connection.execute("ROLLBACK")
      session.end()
    }
  }

  mutating func forgetTables() {
    tables.removeAll()
    (current, currentName) = (nil, [])
  }

  /// Has everything that was learned so far hold.
  mutating func hold() { replaced.removeAll() }

  /// Says that the transaction has ended; what was learned in it holds.
  mutating func ended() throws {
    session.end()
    let parkedBefore = parked?.count ?? 0
    parked?.committed()
    let count = (parked?.count ?? 0) - parkedBefore
    if count > 0 { message.warning("\(count) changes that the target refused are set aside") }
    if session.hasManyStatements {
      try connection.execute("DEALLOCATE ALL")
      session.forgetStatements()
      forgetTables()
    }
    replaced.removeAll()
    for text in misses.commit() { message.warning(text) }
  }

  /// Says what is left to be said.
  func finish() { for text in misses.totals() { message.warning(text) } }
}
