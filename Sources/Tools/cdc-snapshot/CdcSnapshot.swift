import Changes
import Filter
import Posix
import Postgres

/// Reads a publication's tables as change events.
@main
enum CdcSnapshot: Tool {
  struct Options: ConnectionOptionsHolder {
    var snapshot = SnapshotOptions()
    var createsSlot = false
    var connection: ConnectionOptions {
      get { snapshot.connection }
      set { snapshot.connection = newValue }
    }
  }

  static let name = "cdc-snapshot"
  static let summary = "reads a publication's tables as change events, where a slot begins"
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] { [.unavailable, .temporary, .notPermitted, .configuration] }

  static var flags: [Flag<Options>] {
    [
      .option("publication", "NAME", "whose tables are read; may be repeated") {
        $0.snapshot.publications.append($1)
      },
      .option("slot", short: "S", "NAME", "the slot that goes on where the snapshot ends") {
        $0.snapshot.slot = try ReplicationConnection.slotName(option: $1)
      },
      .toggle("create-slot", "make the slot; without it nothing goes on from here") {
        $0.createsSlot = true
      },
      .toggle("two-phase", "a slot that tells of prepared transactions when they are") {
        $0.snapshot.isTwoPhase = true
      },
      .toggle("failover", "a slot that standbys carry over (PostgreSQL 17)") {
        $0.snapshot.isFailover = true
      },
      .option("jobs", short: "j", "N", "connections that read at once (1)") {
        (options, text) throws(UsageError) in
        options.snapshot.jobs = try OptionValue.count(text, in: 1...64)
      },
      .option("resume", "STATE", "send it in parts; go on where the file STATE says") {
        (options, text) throws(UsageError) in
        guard !text.isEmpty else { throw UsageError("a name may not be empty") }
        options.snapshot.state = text
      },
      .option("acks", "PATH", "acknowledgements of parts: a FIFO, a file, or -") {
        $0.snapshot.acknowledgements = $1
      },
      .toggle("quote-numbers", "make every number a string") { $0.snapshot.quoteNumbers = true },
    ] + Flag.connection
  }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    if let extra = operands.first { throw UsageError("unexpected operand \"\(extra)\"") }
    guard !options.snapshot.publications.isEmpty else {
      throw UsageError("no publication was named: --publication=NAME")
    }
    guard options.createsSlot == (options.snapshot.slot != nil) else {
      throw UsageError("--create-slot and --slot go together: only a new slot has a snapshot")
    }
    try check(options.snapshot)
    let log = JobLog(tool: name)
    log.start()
    try ChangeSnapshot(options.snapshot, tool: name).run(to: .standardOutput, log: log)
    return .success
  }

  private static func check(_ options: SnapshotOptions) throws(UsageError) {
    guard (options.state == nil) == (options.acknowledgements == nil) else {
      throw UsageError("--resume and --acks go together: what is acknowledged is not read again")
    }
    guard options.state != nil else { return }
    guard options.slot != nil else {
      throw UsageError("--resume needs a slot: --create-slot --slot=NAME")
    }
    guard !options.isTwoPhase else {
      throw UsageError("--resume does not go with --two-phase")
    }
  }
}
