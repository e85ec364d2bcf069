import Changes
import Filter
import Posix
import Postgres

/// Receives a publication's changes as the server sends them.
@main
enum CdcRecv: Tool {
  struct Options: ConnectionOptionsHolder {
    var receiver = ChangeReceiverOptions()
    var createsSlot = false
    var dropsSlot = false
    var ifNotExists = false
    var connection: ConnectionOptions {
      get { receiver.connection }
      set { receiver.connection = newValue }
    }
  }

  static let name = "cdc-recv"
  static let summary = "receives a publication's changes as the server sends them"
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] {
    [.badInput, .unavailable, .temporary, .notPermitted, .configuration]
  }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    if let extra = operands.first { throw UsageError("unexpected operand \"\(extra)\"") }
    guard !options.receiver.slot.isEmpty else { throw UsageError("no --slot was given") }
    if options.createsSlot || options.dropsSlot {
      try SlotCommand(options).run()
      return .success
    }
    guard !options.ifNotExists else { throw UsageError("--if-not-exists needs --create-slot") }
    guard !options.receiver.slotOptions.isFailover else {
      throw UsageError("--failover needs --create-slot")
    }
    guard !options.receiver.publications.isEmpty else {
      throw UsageError("no --publication was given")
    }
    try options.receiver.checkProtocol()
    var receiver = try ChangeReceiver(options.receiver, Message(tool: name))
    try receiver.run()
    return .success
  }
}
