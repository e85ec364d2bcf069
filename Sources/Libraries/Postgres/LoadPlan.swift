internal import Bytes

/// What a row may lack or have too much, and where it goes.
public struct LoadPlan: Sendable {
  /// What becomes of a column that a line has no member for.
  public enum Missing: String, CaseIterable, Sendable { case error, null, `default` }

  /// How the server stores the rows; `frozen` needs a table that this transaction made.
  public enum Storage: Sendable { case usual, frozen }

  /// The name of the table, bare and as SQL writes it.
  let name: String
  let sqlName: String
  /// In the order of the table, without those that the server computes.
  let columns: [TargetColumn]
  public var missing: Missing
  public var ignoresUnknown: Bool
  public var storage = Storage.usual
  /// It makes no difference whether the rows come in one statement or in several.
  private let mayBeSplit: Bool
  /// The index of each column by name; nil for the names of computed ones.
  ///
  /// Keyed by bytes, since Swift takes some names for equal that are not.
  private let index: [[UInt8]: Int?]

  /// Reads from the catalog how values of the relation's types are written.
  ///
  /// Until the transaction ends, which must be READ COMMITTED, a table keeps the columns that it has now.
  public init(
    _ relation: Relation, missing: Missing = .error, ignoresUnknown: Bool = false,
    on connection: borrowing Connection
  ) throws {
    let isTable = relation.kind == "r" || relation.kind == "p"
    if isTable { try connection.lockForInsert(relation.sqlName) }
    let mayBeSplit = try isTable && Self.mayBeSplit(relation, on: connection)
    self.init(
      relation.name, relation.sqlName, try TargetColumn.list(of: relation, on: connection),
      missing: missing, ignoresUnknown: ignoresUnknown, mayBeSplit: mayBeSplit)
  }

  init(
    _ name: String, _ sqlName: String, _ all: [TargetColumn], missing: Missing = .error,
    ignoresUnknown: Bool = false, mayBeSplit: Bool = false
  ) {
    self.name = name
    self.sqlName = sqlName
    self.missing = missing
    self.ignoresUnknown = ignoresUnknown
    self.mayBeSplit = mayBeSplit
    columns = all.filter { !$0.isGenerated }
    var index: [[UInt8]: Int?] = [:]
    for column in all where column.isGenerated {
      index.updateValue(nil, forKey: Array(column.name.utf8))
    }
    for (place, column) in columns.enumerated() { index[Array(column.name.utf8)] = .some(place) }
    self.index = index
  }

  /// The column that a member is for; nil when it is to be passed over.
  func column(for name: [UInt8]) throws(ValueError) -> Int? {
    if let known = index[name] { return known }
    if ignoresUnknown { return nil }
    throw ValueError("unknown member \"\(String(utf8: name.span))\"")
  }

  /// The forms of the columns in this order, for the binary format of COPY; nil where it cannot be had.
  ///
  /// A value that has no such form sends the rest as text, in a statement of its own.
  func binaryForms(_ order: [Int]) -> [BinaryForm]? {
    let forms = order.compactMap { columns[$0].form }
    return mayBeSplit && !order.isEmpty && forms.count == order.count ? forms : nil
  }

  /// The COPY statement for rows with these columns in this order.
  func copyStatement(_ order: [Int], isBinary: Bool) -> String {
    let names = order.map { Quoting.identifier(columns[$0].name) }.joined(separator: ", ")
    let list = names.isEmpty ? "" : " (\(names))"
    let options = (isBinary ? ["FORMAT binary"] : []) + (storage == .frozen ? ["FREEZE"] : [])
    let with = options.isEmpty ? "" : " WITH (\(options.joined(separator: ", ")))"
    return "COPY \(sqlName)\(list) FROM STDIN\(with)"
  }

  /// True where nothing at the end of a statement looks at all of its rows, as triggers may, and foreign keys that lead
  /// back to the table do.
  private static func mayBeSplit(
    _ relation: Relation, on connection: borrowing Connection
  ) throws -> Bool {
    try connection.query(
      """
      WITH family AS (
        SELECT $1::pg_catalog.regclass::oid AS oid
        UNION SELECT relid::oid FROM pg_catalog.pg_partition_tree($1::pg_catalog.regclass)
        UNION SELECT relid::oid FROM pg_catalog.pg_partition_ancestors($1::pg_catalog.regclass))
      SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_trigger
          WHERE tgrelid IN (TABLE family) AND NOT tgisinternal)
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint
          WHERE contype = 'f' AND conrelid IN (TABLE family) AND confrelid IN (TABLE family))
      """, [relation.sqlName]
    ).boolean(0, 0)
  }
}
