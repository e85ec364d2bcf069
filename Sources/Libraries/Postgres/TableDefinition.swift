internal import Filter
public import JSON
public import Posix

/// A table as a record describes it, to be made anew.
public struct TableDefinition: Sendable {
  private struct Column: Sendable {
    let name: String
    let type: String
    let notNull: Bool
  }

  private let columns: [Column]

  /// Reads the member `columns`: an array of objects with name, type and not_null.
  public init(_ record: Record) throws(Failure) {
    guard let list = try record.optional("columns", \.array) else {
      throw Failure(.badInput, "record has no columns to make a table of")
    }
    var columns: [Column] = []
    for item in list {
      guard let name = item["name"]?.string, let type = item["type"]?.string else {
        throw Failure(.badInput, "column \(columns.count + 1) of the record has no name or type")
      }
      columns.append(
        Column(name: name, type: type, notNull: item["not_null"]?.boolean ?? false))
    }
    self.columns = columns
  }

  /// Creates a table like another one, its indexes, statistics and identities left out.
  ///
  /// A partition is made so: what it lacks it gets from its parent when it is attached.
  public static func create(
    _ sqlName: String, like model: String, on connection: borrowing Connection
  ) throws {
    try connection.execute(
      """
      CREATE TABLE \(sqlName) (LIKE \(model) INCLUDING ALL
        EXCLUDING INDEXES EXCLUDING STATISTICS EXCLUDING IDENTITY)
      """)
  }

  /// Creates the table; `sqlName` is its quoted name.
  ///
  /// Types are the server's own spelling, and it is asked to read each as a type and nothing else
  /// before it becomes part of a statement.
  public func create(_ sqlName: String, on connection: borrowing Connection) throws {
    for column in columns {
      let known = try connection.query("SELECT pg_catalog.to_regtype($1)", [column.type])
      guard known.string(0, 0) != nil else {
        throw Failure(
          .badInput, "column \"\(column.name)\" has the type \(column.type), which does not exist")
      }
    }
    // A line each, so that a comment in a type ends with it.
    let list = columns.map { column in
      "  \(Quoting.identifier(column.name)) \(column.type)\n  \(column.notNull ? "NOT NULL" : "")"
    }
    _ = try connection.query("CREATE TABLE \(sqlName) (\n\(list.joined(separator: ",\n"))\n)")
  }
}
