internal import JSON
internal import Posix
internal import Postgres

/// What the commit of a part of a snapshot says of it.
///
///     "copy":"shop 0/1A2B400 7301…","part":"2/1A","after":"1/7","since":"0/1A2B400"
struct SnapshotPart {
  /// The snapshot; no other one has the name.
  let copy: String
  /// The run of who reads it, and the number in that; nil for what completes it.
  let number: LSN?
  /// The last part that an earlier run had an acknowledgement of.
  let after: LSN
  /// Where the slot begins: a target that is further has all of it.
  let since: LSN

  init(_ record: Record) throws(Failure) {
    let position = { (name: String) in record.string(name).flatMap { LSN($0) } }
    guard let copy = record.string("copy"), let after = position("after"),
      let since = position("since")
    else { throw Failure(.badInput, "the commit of a part of a snapshot lacks after or since") }
    (self.copy, self.after, self.since) = (copy, after, since)
    number = position("part")
    guard number != nil || record.json("part") == nil else {
      throw Failure(.badInput, "the commit of a part of a snapshot has a part that is no number")
    }
  }
}

/// How far a snapshot is that comes in parts.
struct CopyProgress {
  /// The name under which the target keeps it.
  let name: String
  /// The last part that is committed or in the batch, and the last one that is committed.
  var reached: LSN
  var committed: LSN

  var isUncommitted: Bool { reached != committed }
}

/// A snapshot in parts, each of which is committed with its number before the position is.
extension ChangeApplication {
  /// The part that a commit ends; nil for every other commit.
  func snapshotPart(_ commit: EventLine) throws -> SnapshotPart? {
    guard !commit.copy.isEmpty else { return nil }
    let record: Record
    let number = lines.number(lines.count - 1)
    do throws(JSONError) { record = try Record(parsing: lines[lines.count - 1]) } catch {
      throw Failure(.badInput, "line \(number): \(error)")
    }
    do throws(Failure) { return try SnapshotPart(record) } catch {
      throw Failure(.badInput, "line \(number): \(error.message)")
    }
  }

  /// True where the target has the part already, or the whole snapshot.
  ///
  /// Throws a `Failure` (78) where it lacks what was acknowledged: another target, or one that was restored.
  mutating func isApplied(_ part: SnapshotPart?) throws -> Bool {
    guard let part else { return false }
    // The position is committed with the last of it.
    if committed >= part.since { return true }
    let name = "\(options.stream) snapshot \(part.copy)"
    if copy?.name != name {
      // In the middle of a COPY the target cannot be asked.
      try flush()
      let known = try applied.part(of: name, on: sink.connection)
      copy = CopyProgress(name: name, reached: known, committed: known)
    }
    guard let known = copy?.reached, known < part.after else {
      return part.number.map { $0 <= copy?.reached ?? .invalid } ?? false
    }
    throw Failure(
      .configuration, "the target lacks what was acknowledged of the snapshot",
      detail: "it has it up to part \(known), and up to \(part.after) was acknowledged",
      hint: "If it is not the target of before, name that one. Otherwise empty its tables, drop "
        + "the slot, remove the state file, and begin anew.")
  }

  /// Has the open transaction say which part is the last one, or forget it where the position says more.
  mutating func noteCopy() throws {
    guard let copy else { return }
    if reached != committed {
      try applied.forget(copy.name, on: sink.connection)
      self.copy = nil
    } else {
      try applied.write(part: copy.reached, of: copy.name, on: sink.connection)
    }
  }

  /// The batch was committed.
  mutating func copyIsCommitted() {
    if let reached = copy?.reached { copy?.committed = reached }
  }
}
