internal import Postgres

/// The statements that put a partitioned table in the place of a plain one, which becomes its first partition.
struct AdoptSQL {
  /// Of the plain table, and then of the partitioned one.
  let table: QualifiedName
  let history: QualifiedName
  let column: String
  /// As ATTACH PARTITION takes it, and its upper end.
  let bound: String
  let upper: String
  let facts: AdoptFacts

  static var constraint: String { "sluice_history" }

  private var key: String { Quoting.identifier(column) }

  private var condition: String {
    "\(key) IS NOT NULL AND \(key) < \(Quoting.literal(upper))"
  }

  /// The rows that are there are not looked at.
  var check: [String] {
    [
      "ALTER TABLE \(table.sql) ADD CONSTRAINT \(Self.constraint) CHECK (\(condition)) NOT VALID"
    ]
  }

  /// Others may read and write meanwhile.
  var validation: [String] { ["ALTER TABLE \(table.sql) VALIDATE CONSTRAINT \(Self.constraint)"] }

  /// Every statement is short: the constraint vouches for the rows, and indexes and foreign keys are there already.
  var swap: [String] {
    var list = ["LOCK TABLE \(table.sql) IN ACCESS EXCLUSIVE MODE"]
    list.append("ALTER TABLE \(table.sql) RENAME TO \(Quoting.identifier(history.name))")
    list += facts.indexes.map { rename("INDEX", table.schema, $0.name, old($0.name)) }
    for sequence in facts.sequences where sequence.identity != nil {
      list.append(rename("SEQUENCE", sequence.schema, sequence.name, old(sequence.name)))
    }
    list.append(
      "CREATE TABLE \(table.sql) (LIKE \(history.sql) INCLUDING ALL EXCLUDING INDEXES) "
        + "PARTITION BY RANGE (\(key))")
    list.append("ALTER TABLE \(table.sql) DROP CONSTRAINT \(Self.constraint)")
    list.append("ALTER TABLE \(table.sql) OWNER TO \(Quoting.identifier(facts.model.owner))")
    list += facts.sequences.flatMap(handOver)
    list += (facts.indexes + facts.foreignKeys).map(\.definition)
    for trigger in facts.triggers {
      list.append("DROP TRIGGER \(Quoting.identifier(trigger.name)) ON \(history.sql)")
      list.append(trigger.definition)
    }
    list += properties
    list.append("ALTER TABLE \(table.sql) ATTACH PARTITION \(history.sql) \(bound)")
    list.append("ALTER TABLE \(history.sql) DROP CONSTRAINT \(Self.constraint)")
    return list
  }

  /// The name of what keeps its place at the old table.
  func old(_ name: String) -> String {
    let start = table.name + "_"
    let whole =
      name.hasPrefix(start)
      ? history.name + "_" + name.dropFirst(start.count) : name + "_history"
    return PartitionName.fit(whole, identity: [name], isDistinct: false)
  }

  private func rename(_ kind: String, _ schema: String, _ from: String, _ to: String) -> String {
    "ALTER \(kind) \(Quoting.qualified(schema, from)) RENAME TO \(Quoting.identifier(to))"
  }

  /// New values continue where the old ones ended.
  private func handOver(_ sequence: AdoptFacts.Sequence) -> [String] {
    let column = Quoting.identifier(sequence.column)
    guard sequence.identity != nil else {
      let name = Quoting.qualified(sequence.schema, sequence.name)
      return ["ALTER SEQUENCE \(name) OWNED BY \(table.sql).\(column)"]
    }
    let source = Quoting.qualified(sequence.schema, old(sequence.name))
    return [
      "SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence(\(Quoting.literal(table.sql)), "
        + "\(Quoting.literal(sequence.column))), last_value, is_called) FROM \(source)",
      "ALTER TABLE \(history.sql) ALTER COLUMN \(column) DROP IDENTITY",
    ]
  }

  private var properties: [String] {
    var list: [String] = []
    if let comment = facts.comment {
      list.append("COMMENT ON TABLE \(table.sql) IS \(Quoting.literal(comment))")
    }
    list += facts.model.grants.map { grant in
      "GRANT \(grant.privileges.joined(separator: ", ")) ON TABLE \(table.sql) TO "
        + (grant.role.map(Quoting.identifier) ?? "PUBLIC")
        + (grant.isGrantable ? " WITH GRANT OPTION" : "")
    }
    switch facts.model.replicaIdentity {
    case "f": list.append("ALTER TABLE \(table.sql) REPLICA IDENTITY FULL")
    case "n": list.append("ALTER TABLE \(table.sql) REPLICA IDENTITY NOTHING")
    case "i":
      if let index = facts.identityIndex {
        list.append(
          "ALTER TABLE \(table.sql) REPLICA IDENTITY USING INDEX \(Quoting.identifier(index))")
      }
    default: break
    }
    return list
      + facts.model.publications.map {
        "ALTER PUBLICATION \(Quoting.identifier($0)) ADD TABLE \(table.sql)"
      }
  }
}
