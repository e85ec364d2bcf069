internal import Filter
public import JSON
internal import Posix
public import Postgres

/// A slot for the changes of a database, to be made.
public struct ChangeSlot {
  private let options: ChangeReceiverOptions

  public init(_ options: ChangeReceiverOptions) { self.options = options }

  /// Returns the position from which on it has all changes; nil if it was there already, which
  /// `ifNotExists` allows where it is one for the same purpose.
  public func create(
    on connection: borrowing ReplicationConnection, ifNotExists: Bool
  ) throws -> LSN? {
    let level = try connection.setting("wal_level")
    guard level == "logical" else { throw Failure.isNotLogical(level) }
    try ChangeReceiver.checkPublications(options.publications, connection)
    if ifNotExists, let facts = try connection.slotFacts(options.slot) {
      let system = try connection.identifySystem()
      _ = try SlotCheck(
        slot: options.slot, systemIdentifier: system.identifier, database: connection.database,
        facts: facts
      ).begin(from: nil)
      return nil
    }
    return try connection.createLogicalSlot(options.slot, options.slotOptions)
  }

  /// What is printed of it.
  public func record(from position: LSN) -> Record {
    var record = Record(type: "slot")
    record.set("slot", options.slot)
    record.set("consistent_lsn", position.description)
    return record
  }
}

extension Failure {
  /// The server's `wal_level` is too low.
  static func isNotLogical(_ level: String) -> Failure {
    Failure(
      .configuration, "the server's wal_level is \"\(level)\", so that it decodes no changes",
      hint: "Set wal_level = logical and restart the server.")
  }
}
