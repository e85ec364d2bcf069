internal import Filter
internal import Posix
internal import Postgres

/// The length of a window of time: a step of the calendar.
public enum WindowStep: String, CaseIterable, Sendable {
  case hour, day, week, month, quarter, year

  var interval: String { self == .quarter ? "3 months" : "1 \(rawValue)" }
}

/// Cuts a column's range into windows: aligned to the calendar, half-open, clamped to the range.
///
/// Their union is exactly the range: the steps start from the aligned beginning, and the first and
/// last window are clamped.
public struct WindowPlan: Sendable {
  public let column: String
  public let step: WindowStep

  public init(column: String, step: WindowStep) { (self.column, self.step) = (column, step) }

  /// The windows between the days of `calendar`, or between the least and the greatest value.
  func windows(
    over relation: Relation, _ calendar: ServerCalendar, on connection: borrowing Connection
  ) throws -> [TimeBounds] {
    let kind = try kind(in: relation)
    let edges = try edges(of: relation, kind, calendar, on: connection)
    guard let first = edges.first, let end = edges.end else { return [] }
    // Steps are taken on the wall clock, where a day is a day whatever the clocks do that night. A time that they
    // skip is the same moment as a later one, so moments are what is cut at.
    let rows = try connection.query(
      """
      WITH range AS (
        SELECT $1::timestamp AS lower, $2::timestamp AS upper),
      wall AS (
        SELECT generate_series(date_trunc($3, lower), upper, $4::interval) AS w FROM range
        UNION SELECT lower FROM range UNION SELECT upper FROM range),
      edge AS (
        SELECT DISTINCT \(cast(kind, "w")) AS lower FROM wall, range
        WHERE \(cast(kind, "w")) BETWEEN \(cast(kind, "lower")) AND \(cast(kind, "upper"))),
      window_ AS (SELECT lower, lead(lower) OVER (ORDER BY lower) AS upper FROM edge)
      SELECT lower::text, upper::text FROM window_
      WHERE upper IS NOT NULL AND $5::text IS NOT NULL ORDER BY lower
      """, [first, end, step.rawValue, step.interval, calendar.timeZone])
    return (0..<rows.count).map { row in
      TimeBounds(kind: kind, from: rows.text(row, 0), to: rows.text(row, 1))
    }
  }

  /// The condition that selects a window's rows.
  func condition(_ bounds: TimeBounds) -> String {
    let name = Quoting.identifier(column)
    let limits = [(">=", bounds.from), ("<", bounds.to)].compactMap { sign, text in
      text.map { "\(name) \(sign) \(Quoting.literal($0))::\(bounds.kind.rawValue)" }
    }
    return limits.joined(separator: " AND ")
  }

  private func cast(_ kind: TimeKind, _ wall: String) -> String {
    switch kind {
    case .date: "\(wall)::date"
    case .timestamp: wall
    case .timestamptz: "(\(wall) AT TIME ZONE $5)"
    }
  }

  private func kind(in relation: Relation) throws -> TimeKind {
    guard let found = relation.columns.first(where: { $0.isNamed(column) }) else {
      throw Failure(.badInput, "column \"\(column)\" of \(relation.sqlName) does not exist")
    }
    let type = found.type
    if type == "date" {
      if step == .hour {
        throw Failure(.badInput, "column \"\(column)\" holds dates, which have no hours")
      }
      return .date
    }
    if type.hasPrefix("timestamp"), type.hasSuffix("without time zone") { return .timestamp }
    if type.hasPrefix("timestamp"), type.hasSuffix("with time zone") { return .timestamptz }
    throw Failure(
      .badInput, "column \"\(column)\" of \(relation.sqlName) is of type \(type)",
      hint: "Windows can be cut by a date or timestamp column.")
  }

  /// True if there are rows that lie in no window, however wide the range: without a moment.
  func missesRows(of relation: Relation, on connection: borrowing Connection) throws -> Bool {
    let name = Quoting.identifier(column)
    let rows = try connection.query(
      """
      SELECT EXISTS (SELECT FROM \(relation.sqlName)
        WHERE \(name) IS NULL OR \(name) IN ('infinity', '-infinity'))
      """)
    return rows.boolean(0, 0)
  }

  /// The range on the wall clock of the zone; nil when the table is empty and no day was given.
  private func edges(
    of relation: Relation, _ kind: TimeKind, _ calendar: ServerCalendar,
    on connection: borrowing Connection
  ) throws -> (first: String?, end: String?) {
    if let first = calendar.firstDay, let last = calendar.lastDay {
      let rows = try connection.query("SELECT ($1::date + 1)::timestamp::text", [last])
      return (first, rows.string(0, 0))
    }
    let name = Quoting.identifier(column)
    let wall = kind == .timestamptz ? "AT TIME ZONE $1" : "::timestamp"
    let rows = try connection.query(
      """
      SELECT coalesce($2::date::timestamp, date_trunc('day', min(\(name)) \(wall)))::text,
        coalesce(($3::date + 1)::timestamp,
          date_trunc('day', max(\(name)) \(wall)) + interval '1 day')::text
      FROM \(relation.sqlName) WHERE isfinite(\(name)) AND $1::text IS NOT NULL
      """, [calendar.timeZone, calendar.firstDay, calendar.lastDay])
    return (rows.string(0, 0), rows.string(0, 1))
  }
}
