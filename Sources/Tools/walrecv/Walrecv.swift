import Filter
import Posix
import Postgres
import WAL

/// Receives WAL.
@main
enum Walrecv: Tool {
  struct Options: ConnectionOptionsHolder {
    var receiver = ReceiverOptions()
    var createsSlot = false
    var dropsSlot = false
    var ifNotExists = false
    var refusesSync = false
    var connection: ConnectionOptions {
      get { receiver.connection }
      set { receiver.connection = newValue }
    }
  }

  static let name = "walrecv"
  static let summary = "receives a server's WAL as it is written, durably, segment by segment"
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] {
    [.badInput, .unavailable, .temporary, .notPermitted, .configuration]
  }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    if let extra = operands.first { throw UsageError("unexpected operand \"\(extra)\"") }
    if options.refusesSync { throw UsageError("walrecv confirms nothing that is not durable") }
    if options.createsSlot || options.dropsSlot {
      try SlotCommand(options).run()
      return .success
    }
    guard !options.receiver.directory.isEmpty else { throw UsageError("no --directory was given") }
    guard options.receiver.slot != nil || !options.receiver.slotOptions.isTemporary else {
      throw UsageError("--temporary-slot needs --slot")
    }
    // The pause ends the connection, and only a slot that stays keeps the WAL meanwhile.
    let keepsSlot = options.receiver.slot != nil && !options.receiver.slotOptions.isTemporary
    guard options.receiver.minFreeBytes == 0 || keepsSlot else {
      throw UsageError("--min-free needs a --slot that is not temporary")
    }
    var receiver = try Receiver(options.receiver, Message(tool: name))
    try receiver.run()
    return .success
  }
}
