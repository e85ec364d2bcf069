import Changes
import Filter
import JSON
import Posix
import Postgres

/// `--create-slot` and `--drop-slot`, which do nothing else.
struct SlotCommand {
  private let options: CdcRecv.Options

  init(_ options: CdcRecv.Options) throws(UsageError) {
    guard !(options.createsSlot && options.dropsSlot) else {
      throw UsageError("cannot use --create-slot together with --drop-slot")
    }
    guard !options.dropsSlot || !options.ifNotExists else {
      throw UsageError("--if-not-exists needs --create-slot")
    }
    self.options = options
  }

  func run() throws {
    let receiver = options.receiver
    let connection = try ReplicationConnection(
      toDatabase: receiver.connection, applicationName: CdcRecv.name, isPatient: true)
    do {
      if options.dropsSlot { return try connection.dropSlot(receiver.slot) }
      let slot = ChangeSlot(receiver)
      guard let position = try slot.create(on: connection, ifNotExists: options.ifNotExists) else {
        return
      }
      var output = RecordWriter()
      try output.write(slot.record(from: position))
      try output.finish()
    } catch let error as PostgresError { throw error.aboutSlot }
  }
}
