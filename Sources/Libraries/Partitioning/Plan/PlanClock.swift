internal import JSON
internal import Posix
internal import Postgres

/// A stretch of positions, half-open; nil is unbounded.
struct Extent: Equatable, Hashable, Sendable {
  var from: Int64?
  var to: Int64?

  /// True if it has nothing in it.
  var isEmpty: Bool {
    guard let from, let to else { return false }
    return from >= to
  }

  /// What is left of it without `others`, which are in order and do not overlap.
  func without(_ others: [Extent]) -> [Extent] {
    var (left, pieces) = (self, [Extent]())
    for other in others where !left.isEmpty {
      if let end = left.to, let from = other.from, from >= end { break }
      if let start = left.from, let to = other.to, to <= start { continue }
      if let from = other.from {
        let piece = Extent(from: left.from, to: from)
        if !piece.isEmpty { pieces.append(piece) }
      }
      guard let to = other.to else { return pieces }
      left.from = to
    }
    return left.isEmpty ? pieces : pieces + [left]
  }
}

/// What is asked of the calendar for one table.
struct ClockQuestion: Sendable {
  let rule: RangeRule
  /// True where positions are moments; false where they are a wall clock's.
  let isZoned: Bool
  /// An interval; nil where nothing is retired.
  let retention: String?
  /// Stretches whose boundaries are wanted beside those ahead.
  let stretches: [Extent]
  /// Whether what is behind the present moment or too old is left out of the stretches.
  var isClipped = true
}

/// What the calendar says, in positions.
struct ClockAnswer: Sendable {
  /// The present moment.
  var now: Int64
  /// What ends here or before is too old; nil where nothing is.
  var cutoff: Int64?
  /// Ranges that begin before it are wanted; nil where only `premake` counts.
  var horizon: Int64?
  /// Boundaries in order: from at or before the present moment to behind the last range wanted.
  var ahead: [Int64]
  /// For each stretch, from at or before its beginning to at or behind its end.
  var stretches: [[Int64]]
  /// Microseconds that the wall clock of the rule's zone is ahead of positions, from each of its
  /// changes on.
  var offsets: [(from: Int64, offset: Int64)] = []

  /// The wall clock in the rule's zone at a position.
  func wallClock(_ position: Int64) -> Int64 {
    position + (offsets.last { $0.from <= position }?.offset ?? offsets.first?.offset ?? 0)
  }

  /// True where the wall clock was set back, and an earlier boundary has the same name.
  ///
  /// Only steps shorter than a day, which are taken in absolute time, can have two boundaries in such a time. Names tell
  /// no more than the step needs: where the clock goes back half an hour, hours are alike that are none of one minute.
  func isRepeated(_ position: Int64, _ rule: RangeRule) -> Bool {
    guard let place = offsets.lastIndex(where: { $0.from <= position }), place > 0,
      let interval = try? IntervalText(parsing: rule.intervalText), interval.months == 0,
      interval.days == 0, interval.microseconds > 0
    else { return false }
    let (step, back) = (interval.microseconds, offsets[place - 1].offset - offsets[place].offset)
    guard back > 0 else { return false }
    let (unit, wall) = (DatePrecision(of: interval).microseconds, wallClock(position))
    return [back / step, back / step + 1].contains { count in
      let earlier = position - count * step
      return count > 0 && earlier < offsets[place].from
        && (wall - count * step + back).floored(by: unit) == wall.floored(by: unit)
    }
  }

  /// Takes in the wall clock's times at some positions in order.
  mutating func learn(_ walls: [Int64], at positions: [Int64]) {
    for (wall, position) in zip(walls, positions) {
      if let last = offsets.last, last.from <= position, last.offset == wall - position { continue }
      offsets.append((position, wall - position))
    }
    offsets.sort { $0.from < $1.from }
  }

  /// The ranges that are to be there from the present moment on.
  func rangesAhead(premake: Int) -> [Extent] {
    guard let first = ahead.lastIndex(where: { $0 <= now }) else { return [] }
    var ranges: [Extent] = []
    for (from, to) in zip(ahead[first...], ahead[(first + 1)...]) {
      guard ranges.count <= premake || from < horizon ?? now else { break }
      ranges.append(Extent(from: from, to: to))
    }
    return ranges
  }

  /// The ranges between the boundaries of one stretch.
  func ranges(ofStretch index: Int) -> [Extent] {
    zip(stretches[index], stretches[index].dropFirst()).map { Extent(from: $0, to: $1) }
  }
}

/// The server's calendar, which knows days, months and time zones.
enum PlanClock {
  /// More boundaries than this in one stretch are a mistake in the policy.
  static var maxBoundaries: Int { 100_000 }

  /// Asks for all tables at once; `now` in microseconds since 1970.
  ///
  /// Throws a `Failure` (65) where a stretch has more boundaries than `maxBoundaries`.
  static func answers(
    _ questions: [ClockQuestion], now: Int64, on connection: borrowing Connection
  ) throws -> [ClockAnswer] {
    if questions.isEmpty { return [] }
    var stretches: (question: [String], from: [String?], to: [String?], clip: [String]) =
      ([], [], [], [])
    for (index, question) in questions.enumerated() {
      for stretch in question.stretches {
        stretches.question.append("\(index + 1)")
        stretches.from.append(stretch.from.map { "\($0)" })
        stretches.to.append(stretch.to.map { "\($0)" })
        stretches.clip.append(question.isClipped ? "t" : "f")
      }
    }
    let rules = questions.map(\.rule)
    let rows = try connection.query(
      query,
      [
        Quoting.array(rules.map(\.intervalText)), Quoting.array(rules.map(\.timeZone)),
        Quoting.array(rules.map(\.start)), Quoting.array(questions.map { $0.isZoned ? "t" : "f" }),
        Quoting.array(rules.map { "\($0.premake)" }), Quoting.array(rules.map(\.horizon)),
        Quoting.array(questions.map(\.retention)), "\(now)", Quoting.array(stretches.question),
        Quoting.array(stretches.from), Quoting.array(stretches.to), "\(maxBoundaries)",
        Quoting.array(stretches.clip),
      ])
    var answers = questions.map { _ in
      ClockAnswer(now: now, cutoff: nil, horizon: nil, ahead: [], stretches: [])
    }
    for row in 0..<rows.count {
      guard let index = rows.integer(row, 0) else { continue }
      var boundaries = try numbers(rows.string(row, 5))
      answers[index - 1].learn(try numbers(rows.string(row, 6)), at: boundaries)
      // Where clocks are set, two steps of the calendar may be one moment.
      boundaries = boundaries.reduce(into: []) { if $0.last != $1 { $0.append($1) } }
      try check(boundaries, questions[index - 1].rule)
      if rows.integer(row, 1) != 0 {
        answers[index - 1].stretches.append(boundaries)
        continue
      }
      answers[index - 1].now = Int64(rows.text(row, 2)) ?? now
      answers[index - 1].cutoff = Int64(rows.text(row, 3))
      answers[index - 1].horizon = Int64(rows.text(row, 4))
      answers[index - 1].ahead = boundaries
    }
    return answers
  }

  private static func numbers(_ json: String?) throws -> [Int64] {
    guard let json else { return [] }
    return try JSONValue(parsing: json.utf8.span).array?.compactMap { $0.integer.map(Int64.init) }
      ?? []
  }

  private static func check(_ boundaries: [Int64], _ rule: RangeRule) throws(Failure) {
    guard boundaries.count <= maxBoundaries else {
      throw Failure(
        .badInput, "steps of \(rule.intervalText) make more than \(maxBoundaries) ranges",
        hint: "A shorter retention or horizon, or a longer interval, makes fewer.")
    }
  }

  /// A boundary is `start + k * interval` on the clock of the zone, or, where the interval has
  /// neither days nor months and positions are moments, in absolute time.
  ///
  /// `k` is estimated from the mean length of months: a span of months differs from it by less than
  /// ten days.
  private static var query: String {
    """
    WITH given AS (
      SELECT r.n, r.step, r.zone, r.is_zoned, r.premake, r.horizon, r.keep,
        extract(year FROM r.step) * 12 + extract(month FROM r.step) AS months,
        extract(day FROM r.step) AS days,
        extract(hour FROM r.step) * 3600 + extract(minute FROM r.step) * 60
          + extract(second FROM r.step) AS seconds, r.start,
        pg_catalog.timestamptz 'epoch' + pg_catalog.make_interval(secs => $8::bigint / 1000000)
          + ($8::bigint % 1000000) * interval '1 microsecond' AS now
      FROM unnest($1::interval[], $2::text[], $3::timestamp[], $4::boolean[],
        $5::int[], $6::interval[], $7::interval[])
        WITH ORDINALITY AS r (step, zone, start, is_zoned, premake, horizon, keep, n)),
    rule AS (
      SELECT *, months * 30.436875 * 86400 + days * 86400 + seconds AS length,
        CASE WHEN months <> 0 THEN 10 * 86400 ELSE 0 END
          + CASE WHEN is_zoned THEN 2 * 86400 ELSE 0 END AS slack,
        is_zoned AND months = 0 AND days = 0 AS is_absolute,
        coalesce(start, CASE WHEN months = 0 AND seconds = 0 AND days % 7 = 0
          THEN timestamp '2000-01-03' ELSE timestamp '2000-01-01' END) AS wall_origin
      FROM given),
    clock AS (
      SELECT *,
        CASE WHEN is_absolute THEN wall_origin AT TIME ZONE zone AT TIME ZONE 'UTC'
          ELSE wall_origin END AS origin,
        -- The zone in which steps are taken, and the one in which positions are told.
        CASE WHEN is_absolute THEN 'UTC' ELSE zone END AS step_zone
      FROM rule),
    moment AS (
      SELECT *, now AT TIME ZONE step_zone AS now_here,
        (now AT TIME ZONE step_zone) + horizon AS horizon_here,
        (now AT TIME ZONE step_zone) - keep AS cutoff_here
      FROM clock),
    told AS (
      SELECT *, \(position("now_here")) AS now_at, \(position("horizon_here")) AS horizon_at,
        \(position("cutoff_here")) AS cutoff_at
      FROM moment),
    stretch AS (
      SELECT n, 0 AS place, now_here AS lower,
        greatest(now_here + step * (premake + 2)::double precision, horizon_here + step) AS upper
      FROM told
      UNION ALL
      SELECT t.n, s.place,
        \(here("greatest(s.lower, CASE WHEN s.clip THEN t.cutoff_at END)")),
        \(here("least(s.upper, CASE WHEN s.clip THEN t.now_at END)"))
      FROM unnest($9::bigint[], $10::bigint[], $11::bigint[], $13::boolean[])
        WITH ORDINALITY AS s (n, lower, upper, clip, place)
      JOIN told t ON t.n = s.n),
    steps AS (
      SELECT s.n, s.place, s.lower, s.upper,
        floor((extract(epoch FROM s.lower - t.origin) - slack) / length)::bigint - 1 AS first,
        ceil((extract(epoch FROM s.upper - t.origin) + slack) / length)::bigint + 1 AS last
      FROM stretch s JOIN told t ON t.n = s.n)
    SELECT t.n, s.place, t.now_at, t.cutoff_at, t.horizon_at,
      l.ats, l.walls
    FROM told t JOIN steps s ON s.n = t.n, LATERAL (
      SELECT pg_catalog.json_agg(b.at ORDER BY b.at)::text AS ats,
        CASE WHEN t.is_zoned AND t.zone <> 'UTC' THEN pg_catalog.json_agg(
          (extract(epoch FROM m.moment AT TIME ZONE t.zone) * 1000000)::bigint ORDER BY b.at)::text
        END AS walls
      FROM pg_catalog.generate_series(s.first, least(s.last, s.first + $12::bigint + 100)) AS k,
        LATERAL (SELECT (t.origin + k::double precision * t.step)
          AT TIME ZONE CASE WHEN t.is_zoned THEN t.step_zone ELSE 'UTC' END AS moment) AS m,
        LATERAL (SELECT (extract(epoch FROM m.moment) * 1000000)::bigint AS at) AS b
      WHERE s.lower < s.upper) AS l
    ORDER BY t.n, s.place
    """
  }

  /// A time on the clock of steps as a position.
  private static func position(_ here: String) -> String {
    """
    (extract(epoch FROM CASE WHEN is_zoned THEN (\(here)) AT TIME ZONE step_zone
      ELSE (\(here)) AT TIME ZONE 'UTC' END) * 1000000)::bigint
    """
  }

  /// The reverse of `position`.
  private static func here(_ position: String) -> String {
    """
    (timestamptz 'epoch' + pg_catalog.make_interval(secs => (\(position)) / 1000000)
      + ((\(position)) % 1000000) * interval '1 microsecond')
      AT TIME ZONE CASE WHEN t.is_zoned THEN t.step_zone ELSE 'UTC' END
    """
  }
}

extension RangeRule {
  var intervalText: String {
    guard case .interval(let text) = step else { return "" }
    return text
  }
}
