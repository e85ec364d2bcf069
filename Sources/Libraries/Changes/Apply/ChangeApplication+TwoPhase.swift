internal import Bytes
internal import Filter
internal import JSON
internal import Posix
internal import Postgres

/// Transactions that are prepared first, and committed or rolled back later.
extension ChangeApplication {
  /// The open transaction is to be prepared, and committed later.
  ///
  /// It is prepared before its position is committed; what comes again replaces it.
  mutating func prepare(_ last: EventLine, _ end: LSN) throws {
    let name = preparedName(lines[lines.count - 1], last)
    if mode == .held {
      try settle()
      dropSent()
      try rollBackPrepared(name)
    }
    try send(upTo: lines.count)
    try flush()
    try sink.begin()
    try sink.parked?.write(end, prepared: name)
    try sink.connection.execute("PREPARE TRANSACTION \(Quoting.literal(name))")
    try sink.ended()
    dropSent()
    (reached, open, mode) = (end, nil, .held)
    try settle()
  }

  mutating func endPrepared(_ kind: EventKind) throws {
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
      // Before anybody can believe that its changes were made.
      if kind == .rollbackPrepared { try sink.parked?.drop(prepared: name) }
      // Whoever comes again after an accident must be able to tell that this was done.
      try applied.note(name, end, on: sink.connection)
      try sink.connection.execute("\(word) PREPARED \(Quoting.literal(name))")
    } else if kind == .commitPrepared, try !applied.hasNoted(name, on: sink.connection) {
      throw Failure(
        .configuration, "a transaction is committed whose preparation never came here: \(name)",
        hint: "It was prepared before the stream began to tell of such. Copy the tables anew.")
    }
    reached = end
    try settle()
    try applied.forget(name, on: sink.connection)
  }

  func preparedName(_ line: Span<UInt8>, _ event: EventLine) -> String {
    "\(preparedPrefix)\(EventLine.plain(line, event.xid) ?? "")"
  }

  /// Transactions that are prepared have names of their own in all databases of a server.
  static func preparedPrefix(
    _ options: ApplyOptions, on connection: borrowing Connection
  ) throws -> String {
    let rows = try connection.query(
      "SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()")
    return "sluice_\(rows.text(0, 0))_\(options.stream)_"
  }

  /// The name of a transaction of the stream that is prepared and not ended; nil while there is none.
  func anyPrepared() throws -> String? {
    try sink.connection.query(
      "SELECT min(gid) FROM pg_catalog.pg_prepared_xacts WHERE pg_catalog.starts_with(gid, $1)",
      [preparedPrefix]
    ).string(0, 0)
  }

  /// Takes back what was prepared by one who died before the position was committed.
  mutating func rollBackPrepared(_ name: String) throws {
    guard try isPrepared(name) else { return }
    try sink.connection.execute("ROLLBACK PREPARED \(Quoting.literal(name))")
  }

  func isPrepared(_ name: String) throws -> Bool {
    try sink.connection.query(
      "SELECT EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts WHERE gid = $1)", [name]
    ).boolean(0, 0)
  }
}
