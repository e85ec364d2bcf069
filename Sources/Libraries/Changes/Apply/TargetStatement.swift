internal import Postgres

/// What is done about a row that is there already.
public enum ConflictAction: String, CaseIterable, Sendable { case error, upsert, skip }

/// The statements that write rows; each of their parameters is a `text[]` with a column's values.
extension TargetTable {
  /// The statement that sends a run.
  func statement(_ run: PendingRun, _ conflict: ConflictAction) -> String {
    let isRow = if case .row = match { true } else { false }
    return switch run.kind {
    case .insert: insertStatement(run.columns, conflict)
    case .update where isRow: updateOneStatement(row: run.match, set: run.written)
    case .update: updateStatement(key: run.match, set: run.written)
    case .delete where isRow: deleteOneStatement(row: run.match)
    case .delete: deleteStatement(key: run.match)
    case .truncate: "TRUNCATE \(sqlName)"
    }
  }

  /// The key of a run's only row, as the server shows keys; nil where rows have none.
  func keyText(_ run: PendingRun) -> String? {
    guard case .key(let key) = match else { return nil }
    let places = key.compactMap { column in run.columns.firstIndex(of: column) }
    guard places.count == key.count else { return nil }
    let values = places.map { run.rows.text(0, $0) ?? "null" }.joined(separator: ", ")
    return "(\(key.map { columns[$0].name }.joined(separator: ", ")))=(\(values))"
  }

  private func name(_ column: Int) -> String { Quoting.identifier(columns[column].name) }

  private func list(_ places: [Int]) -> String { places.map(name).joined(separator: ", ") }

  /// The value of a run's column, in the type of the table's.
  private func value(_ place: Int, of column: Int) -> String {
    "v.c\(place)::\(columns[column].cast)"
  }

  /// The rows of the parameters.
  private func rows(_ width: Int) -> String {
    let arrays = (1...width).map { "$\($0)::text[]" }.joined(separator: ", ")
    let names = (0..<width).map { "c\($0)" }.joined(separator: ", ")
    return "unnest(\(arrays)) AS v(\(names))"
  }

  func copyStatement(_ run: PendingRun) -> String {
    let format = run.forms == nil ? "" : " (FORMAT binary)"
    return "COPY \(sqlName) (\(list(run.columns))) FROM STDIN\(format)"
  }

  func insertStatement(_ written: [Int], _ conflict: ConflictAction) -> String {
    let values = written.enumerated().map { value($0, of: $1) }.joined(separator: ", ")
    return """
      INSERT INTO \(sqlName) (\(list(written))) OVERRIDING SYSTEM VALUE \
      SELECT \(values) FROM \(rows(written.count))\(conflictClause(written, conflict))
      """
  }

  private func conflictClause(_ written: [Int], _ conflict: ConflictAction) -> String {
    switch (conflict, match) {
    case (.skip, _): return " ON CONFLICT DO NOTHING"
    case (.upsert, .key(let key)):
      let rest = written.filter { !key.contains($0) && !columns[$0].isAlwaysIdentity }
      guard !rest.isEmpty else { return " ON CONFLICT (\(list(key))) DO NOTHING" }
      let sets = rest.map { "\(name($0)) = excluded.\(name($0))" }.joined(separator: ", ")
      return " ON CONFLICT (\(list(key))) DO UPDATE SET \(sets)"
    default: return ""
    }
  }

  /// Updates the rows with those keys; the run has the key's columns first.
  func updateStatement(key: [Int], set: [Int]) -> String {
    if set.contains(where: { columns[$0].isAlwaysIdentity }) {
      return replaceStatement(key: key, set: set)
    }
    return """
      UPDATE \(sqlName) AS t SET \(assignments(set, from: key.count) { "v.c\($0)" }) \
      FROM \(rows(key.count + set.count)) WHERE \(condition(key))
      """
  }

  private func assignments(
    _ set: [Int], from first: Int, _ text: (Int) -> String
  ) -> String {
    set.enumerated().map { place, column in
      "\(name(column)) = \(text(first + place))::\(columns[column].cast)"
    }.joined(separator: ", ")
  }

  private func condition(_ key: [Int]) -> String {
    key.enumerated().map { place, column in
      columns[column].comparesText
        ? "t.\(name(column))::text = \(value(place, of: column))::text"
        : "t.\(name(column)) = \(value(place, of: column))"
    }.joined(separator: " AND ")
  }

  /// Puts other rows in the place of those with the keys, because an UPDATE may not set the column.
  private func replaceStatement(key: [Int], set: [Int]) -> String {
    let written = columns.indices.filter { !columns[$0].isGenerated }
    let values = written.map { column in
      set.firstIndex(of: column).map { "d.n\(key.count + $0)::\(columns[column].cast)" }
        ?? "d.\(name(column))"
    }
    let width = key.count + set.count
    let news = (0..<width).map { "v.c\($0) AS n\($0)" }.joined(separator: ", ")
    return """
      WITH d AS (DELETE FROM \(sqlName) AS t USING \(rows(width)) WHERE \(condition(key)) \
      RETURNING t.*, \(news)) INSERT INTO \(sqlName) (\(list(written))) OVERRIDING SYSTEM VALUE \
      SELECT \(values.joined(separator: ", ")) FROM d
      """
  }

  func deleteStatement(key: [Int]) -> String {
    "DELETE FROM \(sqlName) AS t USING \(rows(key.count)) WHERE \(condition(key))"
  }

  // -- one row of perhaps several that are equal

  func updateOneStatement(row: [Int], set: [Int]) -> String {
    """
    UPDATE \(sqlName) AS t SET \(assignments(set, from: row.count) { "($\($0 + 1)::text[])[1]" }) \
    WHERE \(place(row))
    """
  }

  func deleteOneStatement(row: [Int]) -> String {
    "DELETE FROM \(sqlName) AS t WHERE \(place(row))"
  }

  /// Where one row lies that is as the parameters say.
  private func place(_ row: [Int]) -> String {
    let equal = row.enumerated().map { place, column in
      let (text, cast) = ("($\(place + 1)::text[])[1]", columns[column].cast)
      return columns[column].comparesText
        ? "x.\(name(column))::text IS NOT DISTINCT FROM \(text)::\(cast)::text"
        : "x.\(name(column)) IS NOT DISTINCT FROM \(text)::\(cast)"
    }.joined(separator: " AND ")
    return isPartitioned
      ? """
      (t.tableoid, t.ctid) = (SELECT x.tableoid, x.ctid FROM \(sqlName) AS x WHERE \(equal) LIMIT 1)
      """
      : "t.ctid = (SELECT x.ctid FROM \(sqlName) AS x WHERE \(equal) LIMIT 1)"
  }
}
