internal import JSON
internal import Posix
internal import Postgres

extension ActionRun {
  /// Makes a partition for rows that are in the default partition, moves them there, and attaches
  /// it.
  ///
  /// The table is made and marked in a transaction of its own. Rows go there in transactions of
  /// `batchRows` each, for as long as there are more than one of these could move; the last ones go
  /// in the transaction that attaches. So what is in the way of the attach is gone when it comes,
  /// rows that arrive meanwhile included, and a row is always in one of the two tables. A run that
  /// comes after a killed one finds the table by its mark and goes on.
  mutating func drain() throws -> ActionResult {
    let parent = try parentState()
    if let found = try RelationState.find(
      bound: target.bound ?? "", parentOID: parent.oid, in: session), !found.isPending
    {
      return ActionResult(.exists)
    }
    guard let source = parent.defaultPartition else {
      throw ActionResult.refused("\(parent.name.sql) has no default partition")
    }
    guard source.kind == "r" else {
      throw ActionResult.refused("the default partition \(source.name.sql) is no plain table")
    }
    try checkForeignKeys(of: source)
    let there = try RelationState.find(target.partition, in: session)
    if let there, there.comment != drainMark(parent) {
      throw ActionResult.refused("its name is taken by the \(there.description)")
    }
    try askLeave()
    if there == nil { try makeTable(parent) }
    let move = try RowMove(
      from: source.name, to: target.partition,
      condition: try rangeCondition(target.bound ?? "", of: parent), session, request)
    try empty(move, parent, isPublished: try isPublished(source.oid))
    return ActionResult(.done, "\(move.count) rows were moved")
  }

  /// How a table is marked into which rows are being moved.
  func drainMark(_ parent: ParentState) -> String {
    "sluice: takes rows of the default partition of \(parent.oid) \(target.bound ?? "")"
  }

  /// Deleting a row that others refer to may delete or change those, too.
  private func checkForeignKeys(
    of source: (oid: String, name: QualifiedName, kind: String)
  ) throws {
    let rows = try session.query(
      """
      SELECT k.conname, k.conrelid::pg_catalog.regclass FROM pg_catalog.pg_constraint k
      WHERE k.contype = 'f' AND k.confdeltype NOT IN ('a', 'r')
        AND k.confrelid IN (SELECT pg_catalog.pg_partition_ancestors($1::oid::pg_catalog.regclass))
      ORDER BY k.conparentid, 1 LIMIT 1
      """, [source.oid])
    guard rows.count > 0 else { return }
    throw ActionResult.refused(
      "foreign key \(Quoting.identifier(rows.text(0, 0))) of \(rows.text(0, 1)) would act on rows "
        + "that refer to those that are moved")
  }

  private mutating func makeTable(_ parent: ParentState) throws {
    let (session, request, target, mark) = (session, request, target, drainMark(parent))
    try attempts.run {
      try session.transaction(lockTimeout: request.lockTimeout) {
        for statement in target.before(parent) { try session.run(statement) }
        for statement in try Self.attachments(of: parent, for: target, session) {
          try session.run(statement)
        }
        try session.run("COMMENT ON TABLE \(target.partition.sql) IS \(Quoting.literal(mark))")
      }
    }
  }

  /// What gives the table the keys, foreign keys and indexes of its parent while it is empty.
  ///
  /// The attach would else make them of all its rows, with others waiting.
  private static func attachments(
    of parent: ParentState, for target: ActionTarget, _ session: ApplySession
  ) throws -> [String] {
    let table = target.partition.sql
    let rows = try session.query(
      """
      SELECT 'ALTER TABLE ' || $2::text || ' ADD ' || pg_catalog.pg_get_constraintdef(k.oid)
      FROM pg_catalog.pg_constraint k
      WHERE k.conrelid = $1::oid AND k.contype IN ('p', 'u', 'x', 'f')
      UNION ALL
      SELECT CASE WHEN x.indisunique THEN 'CREATE UNIQUE INDEX ON ' ELSE 'CREATE INDEX ON ' END
        || $2::text || pg_catalog.substr(pg_catalog.pg_get_indexdef(x.indexrelid), 1 +
          pg_catalog.length(pg_catalog.format('CREATE %sINDEX %I ON ONLY %s',
            CASE WHEN x.indisunique THEN 'UNIQUE ' END, i.relname, $3::text)))
      FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
      WHERE x.indrelid = $1::oid AND x.indisvalid
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = x.indexrelid
          AND k.contype IN ('p', 'u', 'x'))
      """, [parent.oid, table, try shownName(of: parent, session)])
    return (0..<rows.count).map { rows.text($0, 0) }
  }

  /// As the server's own descriptions have it, quoted only where it must be.
  private static func shownName(of parent: ParentState, _ session: ApplySession) throws -> String {
    try session.query(
      "SELECT pg_catalog.format('%I.%I', $1::text, $2::text)",
      [parent.name.schema, parent.name.name]
    ).text(0, 0)
  }

  /// Subscribers are told of rows that leave a published table, but not of their arrival in a table
  /// beside it.
  private func isPublished(_ oid: String) throws -> Bool {
    try session.query(
      """
      SELECT EXISTS (SELECT FROM pg_catalog.pg_publication_tables t
        JOIN pg_catalog.pg_namespace n ON n.nspname = t.schemaname
        JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
        WHERE c.oid IN (SELECT pg_catalog.pg_partition_ancestors($1::oid::pg_catalog.regclass)))
      """, [oid]
    ).boolean(0, 0)
  }

  private mutating func empty(_ move: RowMove, _ parent: ParentState, isPublished: Bool) throws {
    let (session, request, target) = (session, request, target)
    while true {
      if !isPublished { try move.thin(&attempts) }
      do {
        try session.transaction(lockTimeout: request.lockTimeout) {
          if isPublished { try move.makeHold() }
          try Self.attach(
            target, to: parent, request, session,
            moving: { try isPublished ? move.takeRest($0) : move.moveRest($0) },
            behind: {
              if isPublished { try move.giveRest($0) }
              try $0.run("COMMENT ON TABLE \(target.partition.sql) IS NULL")
            })
        }
        return
      } catch {
        guard error.isWorthAnotherTry, try attempts.pause() else { throw error }
      }
    }
  }

  /// The condition that the server itself would hold against a row of a partition with this bound.
  ///
  /// It is asked of a temporary copy, which is rolled back.
  func rangeCondition(_ bound: String, of parent: ParentState) throws -> String {
    let key = try session.query(
      "SELECT pg_catalog.pg_get_partkeydef($1::oid)", [parent.oid]
    ).text(0, 0)
    try session.connection.execute("BEGIN; SET LOCAL lock_timeout = \(request.lockTimeout)")
    defer { try? session.connection.execute("ROLLBACK") }
    for statement in [
      "CREATE TEMP TABLE sluice_parent (LIKE \(parent.name.sql)) PARTITION BY \(key)",
      "CREATE TEMP TABLE sluice_part PARTITION OF pg_temp.sluice_parent \(bound)",
    ] { try session.run(statement) }
    return try session.query(
      "SELECT pg_catalog.pg_get_partition_constraintdef('pg_temp.sluice_part'::regclass)"
    ).text(0, 0)
  }
}
