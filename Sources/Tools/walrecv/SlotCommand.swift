import Filter
import Posix
import Postgres
import WAL

/// `--create-slot` and `--drop-slot`, which do nothing else.
struct SlotCommand {
  private let options: Walrecv.Options
  private let slot: String

  init(_ options: Walrecv.Options) throws(UsageError) {
    guard !(options.createsSlot && options.dropsSlot) else {
      throw UsageError("cannot use --create-slot together with --drop-slot")
    }
    guard let slot = options.receiver.slot else {
      throw UsageError(
        (options.createsSlot ? "--create-slot" : "--drop-slot") + " needs a slot: --slot=NAME")
    }
    guard !options.receiver.slotOptions.isTemporary else {
      throw UsageError("a temporary slot would be gone at once")
    }
    self.options = options
    self.slot = slot
  }

  func run() throws {
    let connection = try ReplicationConnection(
      options.connection, applicationName: Walrecv.name, isNamed: false)
    do {
      if options.dropsSlot { return try connection.dropSlot(slot) }
      try connection.createSlot(slot, options.receiver.slotOptions)
    } catch let error as PostgresError {
      if error.sqlState == "42710", options.ifNotExists { return }
      throw error.aboutSlot
    }
  }
}
