import Changes
import Filter
import Postgres

extension CdcRecv {
  static var flags: [Flag<Options>] {
    slotFlags + requestFlags + confirmationFlags + limitFlags + Flag.connection
  }

  private static var slotFlags: [Flag<Options>] {
    [
      .option("slot", short: "S", "NAME", "replication slot") {
        $0.receiver.slot = try ReplicationConnection.slotName(option: $1)
      },
      .toggle("create-slot", "only make the slot, for pgoutput, and print a record") {
        $0.createsSlot = true
      },
      .toggle("if-not-exists", "with --create-slot: a slot that is there is fine") {
        $0.ifNotExists = true
      },
      .toggle("drop-slot", "only remove the slot") { $0.dropsSlot = true },
      .toggle("failover", "with --create-slot: carried over to standbys (PostgreSQL 17)") {
        $0.receiver.slotOptions.isFailover = true
      },
      .toggle("two-phase", "prepared transactions when they are prepared (PostgreSQL 15)") {
        $0.receiver.slotOptions.isTwoPhase = true
      },
    ]
  }

  private static var requestFlags: [Flag<Options>] {
    [
      .option("publication", "NAME", "what to receive; may be given again") {
        guard !$1.isEmpty else { throw UsageError("it has no name") }
        $0.receiver.publications.append($1)
      },
      .option("endpos", short: "E", "LSN", "stop when all that is committed before LSN came") {
        $0.receiver.endPosition = try LSN(option: $1)
      },
      .toggle("no-loop", short: "n", "end when the connection is lost; do not try again") {
        $0.receiver.loops = false
      },
      .option("protocol", "1..4", "of pgoutput (the latest that the server has)") {
        $0.receiver.protocolVersion = try OptionValue.count($1, in: 1...4)
      },
      .option("streaming", "HOW", "off, on, parallel (most; --endpos, --messages: off)") {
        $0.receiver.streaming = try OptionValue.word($1, ChangeReceiverOptions.Streaming.self)
      },
      .option("origin", "WHICH", "any, or none: what was not replicated there (any)") {
        $0.receiver.origin = try OptionValue.word($1, ChangeReceiverOptions.Origin.self)
      },
      .toggle("messages", "logical messages too (PostgreSQL 14)") {
        $0.receiver.includesMessages = true
      },
    ]
  }

  private static var confirmationFlags: [Flag<Options>] {
    [
      .option("acks", "PATH", "acknowledgements: a FIFO, a file that grows, or -") {
        $0.receiver.acknowledgements = $1
      },
      .option("state", "FILE", "keep here what is confirmed, before the server is told") {
        $0.receiver.statePath = $1
      },
      .option(
        "status-interval", short: "s", "TIME", "between reports to the server; 0: if asked (10s)"
      ) {
        // A bare number is seconds, as pg_recvlogical has it.
        let isBare = $1.utf8.allSatisfy { (0x30...0x39).contains($0) }
        $0.receiver.statusMilliseconds = try OptionValue.duration(isBare ? $1 + "s" : $1)
      },
    ]
  }

  private static var limitFlags: [Flag<Options>] {
    [
      .option("spool", "DIR", "hold here what a slow reader has not taken") {
        $0.receiver.spoolDirectory = $1
      },
      .option("spool-size", "SIZE", "as much as that; the server keeps the rest (1GiB)") {
        $0.receiver.spoolBytes = try OptionValue.size($1, in: 1 << 16...1 << 50)
      },
      .option("max-lag", "SIZE", "WAL that may be received and not confirmed (any)") {
        $0.receiver.maxLagBytes = try OptionValue.size($1, in: 0...1 << 60)
      },
      .option("max-lag-action", "HOW", "warn, or stop, when there is more (warn)") {
        $0.receiver.onLag = try OptionValue.word($1, ChangeReceiverOptions.OnLag.self)
      },
    ]
  }
}
