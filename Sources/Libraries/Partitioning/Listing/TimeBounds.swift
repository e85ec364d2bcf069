internal import Filter
internal import Postgres

/// What kind of values a time column holds.
public enum TimeKind: String, Sendable {
  case date
  /// Without a zone: a wall clock's time.
  case timestamp
  case timestamptz
}

/// The time a partition or window covers, half-open.
struct TimeBounds: Sendable, Equatable {
  let kind: TimeKind
  /// As the server wrote it; nil is unbounded.
  let from: String?
  let to: String?
  /// True where `to` itself may still have rows: with further key columns behind it.
  var includesEnd = false
}

/// What the server's calendar says of some bounds.
struct CalendarFacts: Sendable {
  /// As records carry it: a date, or a time with microseconds; nil is unbounded.
  let from: String?
  let to: String?
  /// True once its upper bound is not in the future any more.
  let isClosed: Bool
  /// True if it overlaps the days that were asked for.
  let isSelected: Bool
  /// True if others may begin on the same day; one of 23 hours is whole where clocks are set forward.
  let isPartOfDay: Bool
  /// The parts of the lower bound by their names in key templates; empty when unbounded.
  let parts: [String: String]
}

/// The server's calendar: casts, time zones and the parts of dates.
struct ServerCalendar: Sendable {
  let timeZone: String
  /// The first and the last day asked for, both inclusive; nil is unbounded.
  let firstDay: String?
  let lastDay: String?

  /// What the calendar says of each of `bounds`, in their order.
  func facts(
    of bounds: [TimeBounds], on connection: borrowing Connection
  ) throws -> [CalendarFacts] {
    let parts = KeyTemplate.dateParts
    let columns = parts.map { "to_char(\(Self.wall), '\($0.format)')" }
    let rows = try connection.query(
      """
      SELECT \(Self.shown("b.kind", "l.lower")), \(Self.shown("b.kind", "l.upper")),
        l.upper <= now(),
        ($5::date IS NULL OR l.upper > ($5::date)::timestamp AT TIME ZONE $4)
          AND ($6::date IS NULL OR l.lower < ($6::date + 1)::timestamp AT TIME ZONE $4),
        isfinite(l.lower), l.upper < l.lower + interval '23 hours',
        \(columns.joined(separator: ", "))
      FROM unnest($1::text[], $2::text[], $3::text[], $7::boolean[])
        WITH ORDINALITY AS b (kind, lower, upper, with_end, n),
        LATERAL (SELECT \(Self.moment("b.lower", "-infinity")) AS lower,
          \(Self.moment("b.upper", "infinity")) + CASE WHEN NOT b.with_end THEN interval '0'
            WHEN b.kind = 'date' THEN interval '1 day' ELSE interval '1 microsecond' END
            AS upper) AS l
      ORDER BY b.n
      """,
      [
        Quoting.array(bounds.map(\.kind.rawValue)), Quoting.array(bounds.map(\.from)),
        Quoting.array(bounds.map(\.to)), timeZone, firstDay, lastDay,
        Quoting.array(bounds.map { $0.includesEnd ? "t" : "f" }),
      ])
    return (0..<rows.count).map { row in
      CalendarFacts(
        from: rows.string(row, 0), to: rows.string(row, 1), isClosed: rows.boolean(row, 2),
        isSelected: rows.boolean(row, 3), isPartOfDay: rows.boolean(row, 5),
        parts: rows.boolean(row, 4)
          ? Dictionary(
            uniqueKeysWithValues: parts.enumerated().map { ($1.name, rows.text(row, 6 + $0)) })
          : [:])
    }
  }

  /// The lower bound on the wall clock of the zone.
  ///
  /// One without a zone is on it already, and stays itself also where the clocks skip that hour.
  private static var wall: String {
    """
    CASE WHEN b.kind = 'timestamptz' OR b.lower IS NULL THEN l.lower AT TIME ZONE $4
      ELSE b.lower::timestamp END
    """
  }

  /// A bound as a moment; dates and wall clocks are taken to be in the zone that was asked for.
  private static func moment(_ text: String, _ unbounded: String) -> String {
    """
    CASE WHEN \(text) IS NULL THEN '\(unbounded)'::timestamptz
      WHEN b.kind = 'timestamptz' THEN \(text)::timestamptz
      ELSE \(text)::timestamp AT TIME ZONE $4 END
    """
  }

  /// A moment in the form of records.
  private static func shown(_ kind: String, _ moment: String) -> String {
    """
    CASE WHEN NOT isfinite(\(moment)) THEN NULL
      WHEN \(kind) = 'date' THEN \(text("\(moment) AT TIME ZONE $4", "-MM-DD"))
      WHEN \(kind) = 'timestamp' THEN \(text("\(moment) AT TIME ZONE $4", "-MM-DD\"T\"HH24:MI:SS.US"))
      ELSE \(text("\(moment) AT TIME ZONE 'UTC'", "-MM-DD\"T\"HH24:MI:SS.US\"Z\"")) END
    """
  }

  /// A year before the first is written as in ISO 8601: 44 BC is -0043.
  private static func text(_ moment: String, _ format: String) -> String {
    """
    CASE WHEN extract(year FROM \(moment)) > 0 THEN to_char(\(moment), 'YYYY\(format)')
      ELSE replace(to_char(extract(year FROM \(moment)) + 1, 'SG0000'), '+', '') || to_char(\(moment), '\(format)') END
    """
  }
}
