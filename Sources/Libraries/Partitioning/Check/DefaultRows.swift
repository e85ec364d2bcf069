internal import Postgres

/// Rows of default partitions, counted as far as matters.
enum DefaultRows {
  /// Nobody needs to know of how many more.
  static let limit = 10_000

  /// The rows of the table `name`, quoted, at most `limit`.
  static func count(of name: String, on connection: borrowing Connection) throws -> Int {
    let rows = try connection.query(
      "SELECT pg_catalog.count(*) FROM (SELECT FROM \(name) LIMIT \(limit)) AS r")
    return rows.integer(0, 0) ?? 0
  }
}
