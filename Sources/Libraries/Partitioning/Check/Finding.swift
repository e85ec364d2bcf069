internal import JSON

/// Something about a table's partitions that is not as its policy says.
///
/// The record of type `finding` has its members in this order: `finding`, `severity`, `database`, `schema`, `table`,
/// `partition_schema`, `partition`, `detail`, and for some kinds others behind them.
public struct Finding: Sendable {
  public enum Kind: String, CaseIterable, Sendable {
    /// Fewer ranges are there from now on than the policy wants.
    case horizon
    /// A range between partitions that none of them takes.
    case gap
    /// A partition that lies across the ranges of the policy.
    case overlap
    /// Rows that no partition takes.
    case defaultRows = "default_rows"
    /// Retention has been over for longer than the grace.
    case overdue
    /// A DETACH CONCURRENTLY was cut off.
    case detachPending = "detach_pending"
    /// A table that looks like a partition and is none.
    case orphan
    /// A partition has not what its siblings have.
    case drift
    /// A name tells of another time than the bound.
    case name
    case invalidIndex = "invalid_index"
    /// A foreign key points at the table, and is in the way of retirement.
    case foreignKey = "foreign_key"
    /// A tenant has no partition.
    case tenant
    case defaultMissing = "default_missing"
    /// The table is not there, or is not cut as the policy says.
    case notPartitioned = "not_partitioned"
  }

  public enum Severity: String, CaseIterable, Sendable {
    /// Rows are refused or kept too long, or soon will be: the check fails.
    case error
    /// Somebody should look at it.
    case warning
    case info
  }

  public let kind: Kind
  public let severity: Severity
  /// In words.
  public let detail: String
  /// The partition; nil where it is about the table.
  var partition: (schema: String, name: String)?
  /// Further members: numbers as they are, or text.
  var numbers: [(name: String, value: Int)] = []
  var texts: [(name: String, value: String?)] = []

  init(_ kind: Kind, _ severity: Severity, _ detail: String) {
    (self.kind, self.severity, self.detail) = (kind, severity, detail)
  }

  /// The same about a partition.
  func of(schema: String, name: String) -> Finding {
    var finding = self
    finding.partition = (schema, name)
    return finding
  }

  func with(_ name: String, _ value: Int) -> Finding {
    var finding = self
    finding.numbers.append((name, value))
    return finding
  }

  func with(_ name: String, _ value: String?) -> Finding {
    var finding = self
    finding.texts.append((name, value))
    return finding
  }

  func record(database: String, schema: String?, table: String) -> Record {
    var record = Record(type: "finding")
    record.set("finding", kind.rawValue)
    record.set("severity", severity.rawValue)
    record.set("database", database)
    record.set("schema", schema)
    record.set("table", table)
    record.set("partition_schema", partition?.schema)
    record.set("partition", partition?.name)
    record.set("detail", detail)
    for (name, value) in texts { record.set(name, value) }
    for (name, value) in numbers { record.set(name, value) }
    return record
  }
}
