internal import Posix
internal import Postgres

/// A table that two databases have, and how its rows are told apart and hashed.
struct ComparedTable {
  let schema: String
  let name: String
  /// Columns that both have, in the source's order.
  let columns: [String]
  /// The source's primary key, or the index of its replica identity; empty where there is none.
  let key: [String]
  /// The key's columns as they are compared, so that both sides have the same order.
  private let keyTerms: [String]

  var sqlName: String { Quoting.qualified(schema, name) }

  /// Throws a `Failure` (65) for a table that is missing, or of which a column is missing at the target.
  init(
    _ relation: Relation, source: borrowing Connection, target: borrowing Connection
  ) throws {
    (schema, name) = (relation.schema, relation.name)
    let other = try Relation(schema: schema, name: name, on: target)
    columns = relation.columns.map(\.name)
    for column in columns where !other.columns.contains(where: { $0.name == column }) {
      throw Failure(.badInput, "the target's \(relation.sqlName) has no column \"\(column)\"")
    }
    let rows = try source.query(
      """
      SELECT a.attname, a.attcollation <> 0 FROM pg_catalog.pg_index x
      CROSS JOIN pg_catalog.unnest(x.indkey) WITH ORDINALITY AS k (attnum, place)
      JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum
      WHERE x.indrelid = $1::regclass AND k.place <= x.indnkeyatts AND x.indexrelid = (
        SELECT indexrelid FROM pg_catalog.pg_index WHERE indrelid = $1::regclass
          AND (indisprimary OR indisreplident) ORDER BY indisprimary DESC LIMIT 1)
      ORDER BY k.place
      """, [relation.sqlName])
    key = (0..<rows.count).map { rows.text($0, 0) }
    keyTerms = (0..<rows.count).map { row in
      Quoting.identifier(rows.text(row, 0)) + (rows.boolean(row, 1) ? " COLLATE \"C\"" : "")
    }
  }

  /// A number of 64 bits that tells a row from others; NULL and '' differ in it.
  private var rowHash: String {
    let list = columns.map { "\(Quoting.identifier($0))::text" }.joined(separator: ", ")
    return "('x' || pg_catalog.left(pg_catalog.md5(ROW(\(list))::text), 16))::bit(64)::bigint"
  }

  private var keyList: String { "(\(keyTerms.joined(separator: ", ")))" }

  /// The key's values as texts.
  private var keyTexts: String {
    "ARRAY[" + key.map { "\(Quoting.identifier($0))::text" }.joined(separator: ", ") + "]"
  }

  /// Rows behind `after`, up to `through`; nil is without a bound.
  private func condition(after: [String]?, through: [String]?) -> String {
    var terms: [String] = []
    if let after { terms.append("\(keyList) > (\(Self.literals(after)))") }
    if let through { terms.append("\(keyList) <= (\(Self.literals(through)))") }
    return terms.isEmpty ? "" : " WHERE " + terms.joined(separator: " AND ")
  }

  private static func literals(_ values: [String]) -> String {
    values.map(Quoting.literal).joined(separator: ", ")
  }

  /// The last key of the next `rows` rows behind `after`; no row where there is none.
  func boundary(after: [String]?, rows: Int) -> String {
    """
    SELECT pg_catalog.to_json(k) FROM (SELECT \(keyTexts) AS k, \(order) AS place
      FROM \(sqlName)\(condition(after: after, through: nil)) ORDER BY \(keyTerms.joined(separator: ", "))
      LIMIT \(rows)) AS t ORDER BY place DESC LIMIT 1
    """
  }

  private var order: String {
    "pg_catalog.row_number() OVER (ORDER BY \(keyTerms.joined(separator: ", ")))"
  }

  /// The number of rows in a range, and the sum of their hashes: the order is no part of it.
  func digest(after: [String]?, through: [String]?) -> String {
    "SELECT pg_catalog.count(*), pg_catalog.sum(\(rowHash)::numeric) FROM \(sqlName)"
      + condition(after: after, through: through)
  }

  /// Of each row in a range its key, as JSON, and its hash, in order.
  func rows(after: [String]?, through: [String]?) -> String {
    let object = key.map { "\(Quoting.literal($0)), \(Quoting.identifier($0))" }
      .joined(separator: ", ")
    return "SELECT pg_catalog.json_build_object(\(object)), \(rowHash) FROM \(sqlName)"
      + condition(after: after, through: through)
      + " ORDER BY \(keyTerms.joined(separator: ", "))"
  }
}
