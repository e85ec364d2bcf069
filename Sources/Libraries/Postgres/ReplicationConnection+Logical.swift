internal import Posix

/// What a server says of itself to who wants a database's changes.
extension ReplicationConnection {
  /// The name of the database.
  public var database: String { connection.database }

  /// What `pg_replication_slots` says of a slot.
  public struct SlotFacts: Sendable, Equatable {
    /// The output plugin; nil for a physical slot.
    public let plugin: String?
    public let database: String?
    /// What was confirmed last: the server sends nothing that was committed before.
    public let confirmed: LSN?
    /// Why the slot is of no use any more; nil as long as it is.
    public let invalidation: String?

    public init(plugin: String?, database: String?, confirmed: LSN?, invalidation: String? = nil) {
      (self.plugin, self.database) = (plugin, database)
      (self.confirmed, self.invalidation) = (confirmed, invalidation)
    }
  }

  /// Nil when there is no slot of that name.
  ///
  /// For connections to a database only.
  public borrowing func slotFacts(_ name: String) throws -> SlotFacts? {
    // Columns that came with later versions are null where there are none.
    let rows = try connection.run(
      """
      SELECT plugin, database, confirmed_flush_lsn, CASE
        WHEN to_jsonb(s) ->> 'invalidation_reason' IS NOT NULL
          THEN to_jsonb(s) ->> 'invalidation_reason'
        WHEN to_jsonb(s) ->> 'conflicting' = 'true' THEN 'conflict with recovery'
        WHEN to_jsonb(s) ->> 'wal_status' = 'lost' THEN 'wal_removed' END
      FROM pg_catalog.pg_replication_slots s WHERE slot_name = \(Quoting.literal(name))
      """)
    guard let rows else { throw PostgresError(message: "no result") }
    guard rows.count > 0 else { return nil }
    return SlotFacts(
      plugin: rows.string(0, 0), database: rows.string(0, 1),
      confirmed: rows.string(0, 2).flatMap { LSN($0) }, invalidation: rows.string(0, 3))
  }

  /// Those of `names` that are no publications of the database, in their order.
  public borrowing func missingPublications(_ names: [String]) throws -> [String] {
    let rows = try connection.run("SELECT pubname FROM pg_catalog.pg_publication")
    guard let rows else { throw PostgresError(message: "no result") }
    let known = (0..<rows.count).map { rows.text($0, 0) }
    return names.filter { name in !known.contains { $0.utf8.elementsEqual(name.utf8) } }
  }

  /// What a new slot for decoding is to be.
  public struct LogicalSlotOptions: Sendable {
    /// Prepared transactions are sent when they are prepared.
    public var isTwoPhase = false
    /// To be carried over to standbys.
    public var isFailover = false
    /// Goes with the connection.
    public var isTemporary = false
    public init() {}
  }

  /// Makes a slot for pgoutput; the position from which on it has all changes.
  ///
  /// Waits for the transactions that run. Throws a `Failure` (78) where the server has no such slots.
  public borrowing func createLogicalSlot(
    _ name: String, _ options: LogicalSlotOptions
  ) throws -> LSN {
    try makeLogicalSlot(name, options, exporting: false).position
  }

  /// Makes a slot for pgoutput, and a snapshot that sees what was committed before the slot begins.
  ///
  /// The snapshot can be read by others until the next command of this connection.
  public borrowing func createLogicalSlotWithSnapshot(
    _ name: String, _ options: LogicalSlotOptions
  ) throws -> (position: LSN, snapshot: Snapshot) {
    let made = try makeLogicalSlot(name, options, exporting: true)
    guard let id = made.snapshot else {
      throw PostgresError(message: "the answer to CREATE_REPLICATION_SLOT has no snapshot")
    }
    return (made.position, try Snapshot(id: id))
  }

  private borrowing func makeLogicalSlot(
    _ name: String, _ options: LogicalSlotOptions, exporting: Bool
  ) throws -> (position: LSN, snapshot: String?) {
    guard !options.isFailover || serverVersion >= 170_000 else {
      throw Failure(
        .configuration, "the server makes no slot that standbys carry over",
        hint: "Leave --failover away: it needs PostgreSQL 17.")
    }
    guard !options.isTwoPhase || serverVersion >= 150_000 else {
      throw Failure(
        .configuration, "the server sends no prepared transactions",
        hint: "Leave --two-phase away: it needs PostgreSQL 15.")
    }
    let isModern = serverVersion >= 150_000
    var words =
      exporting
      ? [isModern ? "SNAPSHOT 'export'" : "EXPORT_SNAPSHOT"]
      : [isModern ? "SNAPSHOT 'nothing'" : "NOEXPORT_SNAPSHOT"]
    if options.isTwoPhase { words.append("TWO_PHASE") }
    if options.isFailover { words.append("FAILOVER") }
    let list = words.joined(separator: ", ")
    let rows = try rows(
      "CREATE_REPLICATION_SLOT \(Quoting.identifier(name)) "
        + "\(options.isTemporary ? "TEMPORARY " : "")LOGICAL pgoutput "
        + (isModern ? "(\(list))" : list))
    guard let position = LSN(rows.text(0, 1)) else {
      throw PostgresError(message: "the answer to CREATE_REPLICATION_SLOT makes no sense")
    }
    return (position, rows.string(0, 2))
  }

  /// The latest protocol of pgoutput that the server speaks.
  public var latestProtocol: Int {
    switch serverVersion {
    case 160_000...: 4
    case 150_000...: 3
    case 140_000...: 2
    default: 1
    }
  }
}
