internal import Filter
internal import JSON
internal import Posix
internal import Postgres

/// A table with pages of its own, whose rows are published under a name.
struct SnapshotLeaf: Sendable {
  let table: PublishedTable
  let relation: Relation
  let oid: Int
}

/// What comes before the first row: the state, the slot, the snapshot, the tables' pages.
extension ResumableSnapshot {
  /// The state is there before the slot is: a slot that it does not know of is somebody else's.
  func openJournal(_ sender: borrowing ReplicationConnection) throws -> SnapshotJournal {
    let system = try sender.identifySystem().identifier
    let isThere = try sender.slotFacts(slot) != nil
    if isThere, try FileFacts.of(state) == nil { throw strangeSlot }
    var journal = try SnapshotJournal(
      state,
      header: SnapshotProgress.header(
        system: system, database: sender.database, slot: slot, publications: options.publications))
    guard !journal.progress.makesSlot else { return journal }
    if isThere { throw strangeSlot }
    try journal.append(Record(type: "slot"))
    return journal
  }

  private var strangeSlot: Failure {
    Failure(
      .configuration, "there is a slot \"\(slot)\" already, of which \"\(state)\" does not tell",
      hint: "Name the state that was written with it. If nobody uses it: cdc-recv --drop-slot.")
  }

  /// Takes a new snapshot, which `first` then sees; behind the last transaction that it may see.
  func beginRun(
    _ journal: inout SnapshotJournal, _ sender: borrowing ReplicationConnection,
    _ first: borrowing Connection
  ) throws -> Int {
    // A number that no other session of the cluster has.
    let process = try first.query("SELECT pg_catalog.pg_backend_pid()").text(0, 0)
    let temporary = "sluice_snapshot_\(process)"
    let made = try makeSlot(journal.progress, temporary, sender)
    try first.beginReading(at: made.snapshot)
    let rows = try first.query(
      """
      SELECT pg_catalog.txid_snapshot_xmin(s), pg_catalog.txid_snapshot_xmax(s)
      FROM pg_catalog.txid_current_snapshot() s
      """)
    guard let xmin = rows.integer(0, 0), let xmax = rows.integer(0, 1) else {
      throw Failure(.bug, "the server's snapshot makes no sense")
    }
    if !journal.progress.runs.isEmpty { try sender.dropSlot(temporary) }
    var record = Record(type: "run")
    record.set("run", journal.progress.runs.count + 1)
    record.set("lsn", made.position.description)
    record.set("xmin", xmin)
    try journal.append(record)
    return xmax
  }

  /// Makes the slot, or, where it is there, a temporary one that ends with the connection.
  private func makeSlot(
    _ progress: SnapshotProgress, _ temporary: String, _ sender: borrowing ReplicationConnection
  ) throws -> (position: LSN, snapshot: Snapshot) {
    var wanted = ReplicationConnection.LogicalSlotOptions()
    let facts = try sender.slotFacts(slot)
    guard let begin = progress.runs.first?.position else {
      // It was made by a run that was killed before it could say so, and has written nothing.
      if facts != nil { try sender.dropSlot(slot) }
      wanted.isFailover = options.isFailover
      return try sender.createLogicalSlotWithSnapshot(slot, wanted)
    }
    let system = try sender.identifySystem().identifier
    let known = ReceiverPosition(systemIdentifier: system, slot: slot, confirmed: begin)
    _ = try SlotCheck(
      slot: slot, systemIdentifier: system, database: sender.database, facts: facts
    ).begin(from: known)
    wanted.isTemporary = true
    return try sender.createLogicalSlotWithSnapshot(temporary, wanted)
  }

  // -- tables

  /// Notes the pages of the tables that have a key: those that are new, and all of a table that was rewritten.
  func noteLeaves(
    of tables: [PublishedTable], _ journal: inout SnapshotJournal, on first: borrowing Connection
  ) throws -> [SnapshotLeaf] {
    var leaves: [SnapshotLeaf] = []
    var seen: Set<Int> = []
    for table in tables {
      for relation in table.leaves {
        let (oid, file) = try place(of: relation, on: first)
        if let known = journal.progress.tables[oid] { try check(known, table, relation, file) }
        seen.insert(oid)
        guard table.isKeyed else { continue }
        leaves.append(SnapshotLeaf(table: table, relation: relation, oid: oid))
        // Counted after the snapshot was taken: pages that are added later have no rows that it sees.
        let pages = try relation.pages(on: first)
        let known = journal.progress.tables[oid]
        let isSame = known?.file == file
        let start = isSame ? known?.end ?? 0 : 0
        guard !isSame || pages > start else { continue }
        try journal.append(Self.record(oid, table, file, first: start, end: pages))
      }
    }
    if let lost = journal.progress.tables.first(where: { !seen.contains($0.key) })?.value {
      throw Self.strayed(lost, "the publication does not have that table, or partition, any more")
    }
    return leaves
  }

  private static func record(
    _ oid: Int, _ table: PublishedTable, _ file: Int, first: Int, end: Int
  ) -> Record {
    var record = Record(type: "table")
    record.set("table_oid", oid)
    record.set("schema", table.schema)
    record.set("table", table.name)
    record.set("file", file)
    record.set("first", first)
    record.set("end", end)
    record.set("step", SnapshotProgress.step(pages: end))
    record.set("publishes", table.facts)
    return record
  }

  /// The table's number and that of its file, which stay while `connection` is in its transaction.
  private func place(
    of relation: Relation, on connection: borrowing Connection
  ) throws -> (oid: Int, file: Int) {
    if relation.kind == "r" {
      try connection.execute("LOCK TABLE ONLY \(relation.sqlName) IN ACCESS SHARE MODE")
    }
    let rows = try connection.query(
      """
      SELECT oid, relfilenode, coalesce(pg_catalog.pg_relation_filenode(oid), 0)
      FROM pg_catalog.pg_class WHERE oid = $1::regclass
      """, [relation.sqlName])
    guard rows.count == 1, let oid = rows.integer(0, 0), let file = rows.integer(0, 2) else {
      throw Failure(.temporary, "\(relation.sqlName) is no longer there")
    }
    guard rows.integer(0, 1) == file || relation.kind != "r" else {
      throw Failure(
        .temporary, "\(relation.sqlName) was rewritten while the snapshot was taken",
        hint: "Run it again.")
    }
    return (oid, file)
  }

  private func check(
    _ known: SnapshotProgress.Table, _ table: PublishedTable, _ relation: Relation, _ file: Int
  ) throws(Failure) {
    guard known.schema == table.schema, known.name == table.name, table.isKeyed else {
      let name = Quoting.qualified(table.schema, table.name)
      throw Self.strayed(
        known, "the table is published as \(name), with\(table.isKeyed ? "" : "out") a key")
    }
    guard known.publishes == table.facts else {
      throw Self.strayed(known, "its row filter, its list of columns or its key is another one")
    }
    // That a partition was emptied, the stream of its root does not tell.
    let isPartition = relation.schema != table.schema || relation.name != table.name
    guard known.file == file || !isPartition else {
      throw Self.strayed(
        known, "its partition \(relation.sqlName) was emptied or rewritten meanwhile")
    }
  }

  private static func strayed(_ table: SnapshotProgress.Table, _ detail: String) -> Failure {
    Failure(
      .configuration,
      "rows of \(Quoting.qualified(table.schema, table.name)) cannot be told any more by what they were told by",
      detail: detail,
      hint: "Empty the target's tables, drop the slot, remove the state file, and begin anew.")
  }
}
