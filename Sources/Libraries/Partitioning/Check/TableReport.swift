public import JSON

/// What a check found of one table.
public struct TableReport: Sendable {
  let database: String
  /// Nil where the policy names none and the table is not there.
  let schema: String?
  let table: String
  public internal(set) var findings: [Finding] = []
  /// From now to the end of the ranges that follow one another, in seconds; nil for keys that are no time.
  var horizonSeconds: Int?
  /// Ranges from the one that holds the present moment on, without a gap; of the tenant with the fewest.
  var horizonRanges: Int?
  /// Rows in default partitions, counted up to `DefaultRows.limit`; nil where nobody counted.
  var defaultRows: Int?
  var partitions = 0

  /// True if one of the findings is an error.
  public var isBad: Bool { findings.contains { $0.severity == .error } }

  /// A record for each finding.
  public var records: [Record] {
    findings.map { $0.record(database: database, schema: schema, table: table) }
  }
}
