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
  /// The index of each column by name; nil for the names of computed ones.
  ///
  /// Keyed by bytes, since Swift takes some names for equal that are not.
  private let index: [[UInt8]: Int?]

  /// Reads from the catalog how values of the relation's types are written.
  public init(
    _ relation: Relation, missing: Missing = .error, ignoresUnknown: Bool = false,
    on connection: borrowing Connection
  ) throws {
    self.init(
      relation.name, relation.sqlName, try TargetColumn.list(of: relation, on: connection),
      missing: missing, ignoresUnknown: ignoresUnknown)
  }

  init(
    _ name: String, _ sqlName: String, _ all: [TargetColumn], missing: Missing = .error,
    ignoresUnknown: Bool = false
  ) {
    self.name = name
    self.sqlName = sqlName
    self.missing = missing
    self.ignoresUnknown = ignoresUnknown
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

  /// The COPY statement for rows with these columns in this order.
  func copyStatement(_ order: [Int]) -> String {
    let names = order.map { Quoting.identifier(columns[$0].name) }.joined(separator: ", ")
    let list = names.isEmpty ? "" : " (\(names))"
    let option = storage == .frozen ? " WITH (FREEZE)" : ""
    return "COPY \(sqlName)\(list) FROM STDIN\(option)"
  }
}
