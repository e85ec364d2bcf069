internal import Postgres

/// The statements that put the first partition in the place of its partitioned table again.
struct UndoSQL {
  let table: QualifiedName
  let history: QualifiedName
  /// The partitions beside it, which have to be empty.
  let others: [QualifiedName]
  /// Of the partitioned table.
  let facts: AdoptFacts
  /// The names of the old table's indexes, and those of the partitioned table's that they belong to.
  let indexes: [(own: String, shared: String)]

  var statements: [String] {
    var list = ["LOCK TABLE \(table.sql) IN ACCESS EXCLUSIVE MODE"]
    list += others.map(emptiness)
    list.append("ALTER TABLE \(table.sql) DETACH PARTITION \(history.sql)")
    list += facts.sequences.flatMap(handOver)
    list.append("DROP TABLE \(table.sql)")
    list.append("ALTER TABLE \(history.sql) RENAME TO \(Quoting.identifier(table.name))")
    list += indexes.map { rename("INDEX", table.schema, $0.own, $0.shared) }
    for sequence in facts.sequences where sequence.identity != nil {
      list.append(rename("SEQUENCE", sequence.schema, spare(sequence), sequence.name))
    }
    return list + facts.triggers.map(\.definition)
  }

  /// Looked at under the lock, so that no row can come any more.
  private func emptiness(_ partition: QualifiedName) -> String {
    let body = """
      BEGIN IF EXISTS (SELECT FROM \(partition.sql)) THEN
      RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = \(Quoting.literal(
        "partition \(partition.sql) has rows")); END IF; END
      """
    return "DO \(Quoting.literal(body))"
  }

  private func rename(_ kind: String, _ schema: String, _ from: String, _ to: String) -> String {
    "ALTER \(kind) \(Quoting.qualified(schema, from)) RENAME TO \(Quoting.identifier(to))"
  }

  private func spare(_ sequence: AdoptFacts.Sequence) -> String {
    PartitionName.fit(
      sequence.name + "_history", identity: [sequence.name], isDistinct: false)
  }

  private func handOver(_ sequence: AdoptFacts.Sequence) -> [String] {
    let column = Quoting.identifier(sequence.column)
    let name = Quoting.qualified(sequence.schema, sequence.name)
    guard let identity = sequence.identity else {
      return ["ALTER SEQUENCE \(name) OWNED BY \(history.sql).\(column)"]
    }
    let spare = Quoting.qualified(sequence.schema, spare(sequence))
    return [
      "ALTER TABLE \(history.sql) ALTER COLUMN \(column) ADD GENERATED \(identity) AS IDENTITY "
        + "(SEQUENCE NAME \(spare) \(sequence.options))",
      "SELECT pg_catalog.setval(\(Quoting.literal(spare))::pg_catalog.regclass, last_value, is_called)"
        + " FROM \(name)",
    ]
  }
}
