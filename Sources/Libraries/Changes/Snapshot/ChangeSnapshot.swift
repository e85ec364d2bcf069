internal import Bytes
public import Filter
internal import JSON
public import Posix
internal import Postgres

/// Writes the rows of a publication's tables as events of type `read`, as of the moment at which a new slot begins.
///
/// So the snapshot and the slot's stream are every change exactly once. All of it stands between a begin and a commit
/// of that position: whoever applies it has all of it or none.
public struct ChangeSnapshot {
  private let options: SnapshotOptions
  private let tool: String

  public init(_ options: SnapshotOptions, tool: String) {
    (self.options, self.tool) = (options, tool)
  }

  /// Throws a `Failure` (78) for a publication or a server that does not allow it.
  public func run(to output: Descriptor, log: JobLog) throws {
    if let state = options.state, let slot = options.slot {
      return try ResumableSnapshot(options, slot: slot, state: state, tool: tool)
        .run(to: output, log: log)
    }
    let first = try Connection(options.connection, applicationName: tool)
    // A publication must be there before the slot: the slot's stream asks for it as of each change.
    _ = try PublishedTable.list(of: options.publications, on: first)
    guard let slot = options.slot else {
      try first.beginReading(at: nil)
      let position = try Self.position(on: first)
      return try read(at: try first.exportSnapshot(), position, on: first, to: output, log)
    }
    let sender = try ReplicationConnection(
      toDatabase: options.connection, applicationName: tool, isPatient: true)
    let made = try makeSlot(slot, sender)
    do {
      try first.beginReading(at: made.snapshot)
      // From here on the snapshot is held by this transaction, whatever becomes of the sender.
      try read(at: try first.exportSnapshot(), made.position, on: first, to: output, log)
    } catch {
      // Without its snapshot the slot is of no use, and would keep WAL.
      try? sender.dropSlot(slot)
      throw error
    }
  }

  private func makeSlot(
    _ name: String, _ sender: borrowing ReplicationConnection
  ) throws -> (position: LSN, snapshot: Snapshot) {
    var slot = ReplicationConnection.LogicalSlotOptions()
    (slot.isTwoPhase, slot.isFailover) = (options.isTwoPhase, options.isFailover)
    return try sender.createLogicalSlotWithSnapshot(name, slot)
  }

  private static func position(on connection: borrowing Connection) throws -> LSN {
    let rows = try connection.query(
      """
      SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
        ELSE pg_catalog.pg_current_wal_insert_lsn() END
      """)
    guard let position = LSN(rows.text(0, 0)) else {
      throw Failure(.bug, "the server's position makes no sense")
    }
    return position
  }

  /// `first` sees the snapshot, and keeps it alive.
  private func read(
    at snapshot: Snapshot, _ position: LSN, on first: borrowing Connection,
    to output: Descriptor, _ log: JobLog
  ) throws {
    let tables = try PublishedTable.list(of: options.publications, on: first)
    let reading = try SnapshotReading(tables, quoteNumbers: options.quoteNumbers, on: first)
    let writer = SnapshotOutput(to: output, log)
    try writer.write(Self.opening(tables, position), rows: 0)
    let rows = try reading.run(options, at: snapshot, tool: tool) { batch, rows in
      try writer.write(batch, rows: rows)
    }
    try writer.write(Self.closing(position), rows: rows)
    writer.finish(rows: rows)
  }

  private static func opening(_ tables: [PublishedTable], _ position: LSN) -> ByteBuffer {
    var lines = JSONWriter(capacity: 4096)
    lines.object { line in
      line.field("type", "begin")
      line.field("xid", 0)
      line.field("lsn", position.description)
      line.field("snapshot", true)
    }
    lines.endLine()
    lines.relations(tables)
    return ByteBuffer(lines.span)
  }

  private static func closing(_ position: LSN) -> ByteBuffer {
    var lines = JSONWriter()
    lines.object { line in
      line.field("type", "commit")
      line.field("xid", 0)
      line.field("lsn", position.description)
      line.field("end_lsn", position.description)
    }
    lines.endLine()
    return ByteBuffer(lines.span)
  }
}

extension JSONWriter {
  /// Writes the events that tell of the tables.
  mutating func relations(_ tables: [PublishedTable]) {
    for table in tables {
      relation(table.schema, table.name, table.identity, table.announcedColumns)
      endLine()
    }
  }
}

extension PublishedTable {
  /// As in the stream, a domain of JSON goes by the name of the type below.
  fileprivate var announcedColumns: [(name: String, type: String, isKey: Bool, isDomain: Bool)] {
    columns.map { column in
      let type = column.isJSON && column.type != "json" ? "jsonb" : column.type
      return (column.name, type, key.contains(column.name), false)
    }
  }
}

/// The output with its progress; the turns of the workers keep calls apart.
private final class SnapshotOutput: @unchecked Sendable {
  private let output: Descriptor
  private let log: JobLog
  private var progress: Progress
  private var bytes = 0

  init(to output: Descriptor, _ log: JobLog) {
    (self.output, self.log) = (output, log)
    progress = Progress(log)
  }

  func write(_ lines: borrowing ByteBuffer, rows: Int) throws {
    try output.writeAll(lines.span)
    bytes += lines.count
    progress.report(inBytes: 0, outBytes: bytes, rows: rows)
  }

  func finish(rows: Int) { log.done(inBytes: 0, outBytes: bytes, rows: rows) }
}
