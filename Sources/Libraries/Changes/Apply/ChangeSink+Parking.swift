internal import Bytes
internal import Posix
internal import Postgres

/// Setting changes aside that the target refuses.
extension ChangeSink {
  /// Takes a change in and sends it; if the target refuses it, it is set aside and nothing else is lost.
  mutating func applyOrPark(
    _ event: EventLine, _ lines: borrowing HeldLines, _ index: Int
  ) throws {
    try begin()
    try connection.execute("SAVEPOINT sluice_row")
    do { try apply(event, lines, index) } catch let refusal as Refusal {
      guard refusal.error.exitCode == .badInput, event.kind != .truncate else { throw refusal }
      try dropWaiting()
      try connection.execute("ROLLBACK TO SAVEPOINT sluice_row")
      try parked?.park(lines[index], current?.relation, lastKeys, refusal.error)
    }
    try connection.execute("RELEASE SAVEPOINT sluice_row")
  }

  /// Sets a change aside where an earlier one of its row was; true then.
  mutating func follows(
    _ table: TableChanges, _ line: Span<UInt8>, hasNew: Bool, hasOld: Bool
  ) throws -> Bool {
    guard let parked else { return false }
    lastKeys = table.keyHashes(hasNew: hasNew, hasOld: hasOld)
    guard parked.holds(lastKeys, of: table.target.sqlName) else { return false }
    try self.parked?.park(line, table.relation, lastKeys, nil)
    return true
  }
}
