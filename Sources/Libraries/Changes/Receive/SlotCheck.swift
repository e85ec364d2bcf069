internal import Posix
internal import Postgres

/// Whether slot, server and what is known of them fit together; without input and output.
struct SlotCheck {
  let slot: String
  let systemIdentifier: String
  let database: String
  /// Nil: there is none.
  let facts: ReplicationConnection.SlotFacts?

  /// Returns the position that is confirmed, by us or by the slot.
  ///
  /// Throws a `Failure` (78) that says what to do.
  func begin(from known: ReceiverPosition?) throws(Failure) -> LSN {
    if let known { try check(known) }
    guard let facts else {
      throw Failure(
        .configuration, "replication slot \"\(slot)\" does not exist",
        hint: "Make the publication, then the slot: cdc-recv --create-slot --slot=\(slot). "
          + "What changed before that must be copied anew.")
    }
    try check(facts)
    guard let confirmed = facts.confirmed else {
      throw Failure(
        .configuration, "replication slot \"\(slot)\" is not ready",
        hint: "Whoever makes it waits for running transactions to end; try again when it is made.")
    }
    guard let known else { return confirmed }
    guard confirmed <= known.confirmed else {
      throw Failure(
        .configuration, "replication slot \"\(slot)\" has moved: changes were lost",
        detail: "the slot goes on at \(confirmed), and what was received is confirmed up to "
          + "\(known.confirmed)",
        hint: "It was made anew, or another receiver used it. Copy the tables anew, remove the "
          + "state file, and go on from there.")
    }
    return known.confirmed
  }

  private func check(_ known: ReceiverPosition) throws(Failure) {
    guard known.systemIdentifier == systemIdentifier else {
      throw Failure(
        .configuration,
        "the state file is of the system \(known.systemIdentifier), the server is "
          + systemIdentifier,
        hint: "Connect to the other server, or, if this one takes its place, copy the tables anew "
          + "and remove the state file.")
    }
    guard known.slot == slot else {
      throw Failure(
        .configuration,
        "the state file is of the slot \"\(known.slot)\", not of \"\(slot)\"",
        hint: "Each slot needs a state file of its own.")
    }
  }

  private func check(_ facts: ReplicationConnection.SlotFacts) throws(Failure) {
    guard let plugin = facts.plugin else {
      throw Failure(
        .configuration, "replication slot \"\(slot)\" is not one for logical decoding",
        hint: "Name another one, made by cdc-recv --create-slot.")
    }
    guard plugin == "pgoutput" else {
      throw Failure(
        .configuration, "replication slot \"\(slot)\" is for the output plugin \"\(plugin)\"",
        hint: "Name another one, made by cdc-recv --create-slot, which is for pgoutput.")
    }
    guard facts.database == database else {
      throw Failure(
        .configuration,
        "replication slot \"\(slot)\" is of the database \"\(facts.database ?? "")\"",
        detail: "the connection is to \"\(database)\"", hint: "Connect to that database.")
    }
    guard facts.invalidation == nil else {
      throw Failure(
        .configuration, "replication slot \"\(slot)\" was invalidated: changes were lost",
        detail: facts.invalidation,
        hint: "Drop it, make it anew, and copy the tables anew; max_slot_wal_keep_size may be too "
          + "small.")
    }
  }
}
