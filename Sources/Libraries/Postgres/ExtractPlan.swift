public import Posix

/// What is read from one relation, and how.
public struct ExtractPlan: Sendable {
  public let relation: Relation
  /// The columns that are read, in the order of the table or as they were named.
  public let columns: [Column]
  /// A condition in SQL; nil reads all rows.
  public var filter: String?
  /// An ORDER BY list in SQL; nil leaves the order of the table.
  public var order: String?
  /// Rows of tables that inherit from it are not its rows.
  private var isOnly = false

  /// Chooses `only` (all when empty) without `excluded`.
  ///
  /// Throws a `Failure` (65) that names a column which the relation does not have.
  public init(
    _ relation: Relation, only: [String] = [], excluding excluded: [String] = []
  ) throws(Failure) {
    self.relation = relation
    for name in only + excluded where !relation.columns.contains(where: { $0.isNamed(name) }) {
      throw Failure(.badInput, "column \"\(name)\" of \(relation.sqlName) does not exist")
    }
    let chosen =
      only.isEmpty
      ? relation.columns : only.compactMap { name in relation.columns.first { $0.isNamed(name) } }
    columns = chosen.filter { column in !excluded.contains { column.isNamed($0) } }
  }

  /// Reads these columns, and what has no encoder here as PostgreSQL's own text, not as the server's JSON.
  public init(textOf relation: Relation, columns: [Column]) {
    self.relation = relation
    self.columns = columns.map(\.asText)
    isOnly = true
  }

  /// True where several connections can share the work: a table with pages of its own.
  public var isDivisible: Bool {
    "rm".contains(relation.kind) && !relation.hasHeirs && order == nil
  }

  /// True where the server can copy the relation itself, which is faster than a query over it.
  private var isPlain: Bool {
    relation.kind == "r" && !relation.hasHeirs && filter == nil && order == nil
      && columns.allSatisfy { $0.encoding != .server && !$0.isGenerated } && !columns.isEmpty
  }

  /// The COPY statement; `range` limits it to a part of the table's pages.
  public func copyStatement(range: PageRange? = nil) -> String {
    if isPlain, range == nil {
      let names = columns.map { Quoting.identifier($0.name) }.joined(separator: ", ")
      return "COPY \(relation.sqlName) (\(names)) TO STDOUT"
    }
    let list = columns.map { $0.encoding.expression(Quoting.identifier($0.name)) }
    var conditions = filter.map { ["(\($0)\n)"] } ?? []
    if let range { conditions.append(range.condition) }
    let whereClause = conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ")
    let orderClause = order.map { " ORDER BY \($0)\n" } ?? ""
    let only = relation.kind == "r" && (range != nil || isOnly) ? "ONLY " : ""
    return "COPY (SELECT \(list.joined(separator: ", ")) FROM \(only)\(relation.sqlName)"
      + "\(whereClause)\(orderClause)) TO STDOUT"
  }
}

/// A run of a table's pages, as a condition on where a row lies.
public struct PageRange: Sendable, Equatable {
  public let first: Int
  /// Nil for all pages from `first` on, those included that were added meanwhile.
  public let end: Int?

  public init(first: Int, end: Int?) { (self.first, self.end) = (first, end) }

  var condition: String {
    let from = "ctid >= '(\(first),0)'::tid"
    guard let end else { return from }
    return from + " AND ctid < '(\(end),0)'::tid"
  }
}
