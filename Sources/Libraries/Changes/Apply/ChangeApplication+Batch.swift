internal import Bytes
internal import Filter
internal import JSON
internal import Posix
internal import Postgres

/// The batch of transactions that the target commits together.
extension ChangeApplication {
  func event(_ index: Int) throws(Failure) -> EventLine {
    do throws(JSONError) { return try EventLine(lines[index]) } catch {
      throw Failure(.badInput, "line \(lines.number(index)): \(error)")
    }
  }

  /// The event of a line that is to be sent, its row not yet read.
  private mutating func openEvent(_ index: Int) throws(Failure) -> EventLine {
    var head = head
    defer { self.head = head }
    do throws(JSONError) { return try EventLine(lines[index], after: &head) } catch {
      throw Failure(.badInput, "line \(lines.number(index)): \(error)")
    }
  }

  /// Sends the lines up to `end`, or has the sink hold them.
  mutating func send(upTo end: Int) throws {
    do { try pass(upTo: end) } catch let refusal as Refusal { try recover(refusal, upTo: end) }
  }

  mutating func flush() throws {
    do { try sink.flush() } catch let refusal as Refusal { try recover(refusal, upTo: sent) }
  }

  mutating func pass(upTo end: Int) throws {
    while sent < end {
      let event = try openEvent(sent)
      do {
        switch event.kind {
        case .begin: try sink.write(again: lines[sent].extracting(event.again).equals("true"))
        case .relation: try sink.learn(lines, sent, holds: false)
        case .insert, .update, .delete, .truncate, .read:
          if sink.isCareful, sink.parked != nil {
            try sink.applyOrPark(event, lines, sent)
          } else {
            try sink.apply(event, lines, sent)
          }
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
  mutating func recover(_ first: Refusal, upTo end: Int) throws {
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

  func isWorthAnother(_ refusal: Refusal) -> Bool {
    if refusal.isConflictWithOthers { return !sink.hasKept }
    return refusal.error.exitCode == .badInput && !sink.isCareful
  }

  var isUnsettled: Bool { hasUncommitted || owesAck }

  private var hasUncommitted: Bool { reached != committed || copy?.isUncommitted ?? false }

  /// Commits the transactions of the batch, and acknowledges them.
  mutating func settle() throws {
    guard isUnsettled else { return }
    if hasUncommitted {
      try flush()
      try sink.begin()
      try sink.parked?.write(reached)
      try noteCopy()
      if reached != committed {
        try applied.write(reached, committedAt: committedAt, on: sink.connection)
      }
      try sink.connection.commit()
      try sink.ended()
      (committed, batchEnded) = (reached, Clock.monotonic())
      copyIsCommitted()
      changesApplied += changes
      (changes, keptChanges) = (0, 0)
      dropSent()
    }
    try acknowledge()
  }

  mutating func dropSent() {
    sink.hold()
    lines.removeFirst(sent)
    if let open { self.open = open - sent }
    sent = 0
  }

  mutating func acknowledge() throws {
    owesAck = false
    try acks.write(Acknowledgement(committed, part: copy?.committed).record)
    try acks.flush()
  }
}
