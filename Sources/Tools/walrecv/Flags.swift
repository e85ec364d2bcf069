import Filter
import Postgres
import WAL

extension Walrecv {
  static var flags: [Flag<Options>] { placeFlags + slotFlags + behaviourFlags + Flag.connection }

  private static var placeFlags: [Flag<Options>] {
    [
      .option("directory", short: "D", "DIR", "where segments go; it must exist") {
        $0.receiver.directory = $1
      },
      .option("endpos", short: "E", "LSN", "stop once the record at LSN was received") {
        $0.receiver.endPosition = try LSN(option: $1)
      },
      .toggle("no-loop", short: "n", "end when the connection is lost; do not try again") {
        $0.receiver.loops = false
      },
      .toggle("emit-existing", "begin with records of the complete segments that are there") {
        $0.receiver.emitsExisting = true
      },
      .option("on-gap", "HOW", "fail, or mark: a record, and go on behind it (fail)") {
        $0.receiver.onGap = try OptionValue.word($1, ReceiverOptions.OnGap.self)
      },
      .option("min-free", "SIZE", "pause while the disk has less room (0)") {
        $0.receiver.minFreeBytes = try OptionValue.size($1, in: 0...1 << 60)
      },
    ]
  }

  private static var slotFlags: [Flag<Options>] {
    [
      .option("slot", short: "S", "NAME", "replication slot, made when missing") {
        $0.receiver.slot = try ReplicationConnection.slotName(option: $1)
      },
      .toggle("no-create-slot", "a slot that is missing is an error") {
        $0.receiver.createsSlot = false
      },
      .toggle("temporary-slot", "use a slot that goes with the connection") {
        $0.receiver.slotOptions.isTemporary = true
      },
      .toggle("failover", "ask for a slot that standbys carry over (PostgreSQL 17)") {
        $0.receiver.slotOptions.isFailover = true
      },
      .toggle("create-slot", "only make the slot") { $0.createsSlot = true },
      .toggle("reserve-wal", "with --create-slot: keep WAL from now on") {
        $0.receiver.slotOptions.reservesWAL = true
      },
      .toggle("if-not-exists", "with --create-slot: a slot that is there is fine") {
        $0.ifNotExists = true
      },
      .toggle("drop-slot", "only remove the slot") { $0.dropsSlot = true },
    ]
  }

  private static var behaviourFlags: [Flag<Options>] {
    [
      .option(
        "status-interval", short: "s", "TIME", "between reports to the server; 0: if asked (10s)"
      ) {
        // A bare number is seconds, as pg_receivewal has it.
        let isBare = $1.utf8.allSatisfy { (0x30...0x39).contains($0) }
        $0.receiver.statusMilliseconds = try OptionValue.duration(isBare ? $1 + "s" : $1)
      },
      .toggle("status-records", "also a status record each interval") {
        $0.receiver.reportsStatus = true
      },
      .option("standby-name", "NAME", "name for synchronous_standby_names (walrecv)") {
        $0.receiver.standbyName = $1
      },
      .toggle("synchronous", "confirm each commit as soon as it is durable (always so)") { _ in },
      .toggle("no-sync", "refused: what is confirmed must be durable") { $0.refusesSync = true },
      .option("compress", short: "Z", "HOW", "refused: zst compresses, outside this path") { _, _ in
        throw UsageError("WAL is received as it is; compress it with zst, when it is complete")
      },
    ]
  }
}
