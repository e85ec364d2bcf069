internal import Filter
internal import Posix

/// How positions are written as values of a key column.
///
/// A position is a number of microseconds: since 1970 in UTC, or for `date` and `timestamp` columns
/// of the wall clock. That of an integer key is the value itself.
struct KeyForm: Equatable, Sendable {
  enum Shape: Equatable, Sendable {
    case date, timestamp, timestamptz, integer
    case epoch(EpochUnit)
    /// The first 48 bits are milliseconds, as `uuid`.
    case uuid
    /// The same in Crockford's alphabet, as text.
    case ulid
    /// `epoch` in milliseconds since 1970.
    case snowflake(epoch: Int64)
  }

  let shape: Shape
  /// The column's type, as `pg_type` calls it.
  let type: String

  /// Nil where the column's type cannot hold keys of that kind.
  init?(_ kind: KeyKind, type: String) {
    let integers = ["int2", "int4", "int8", "numeric"]
    let texts = ["text", "varchar", "bpchar"]
    switch (kind, type) {
    case (.time, "date"): shape = .date
    case (.time, "timestamp"): shape = .timestamp
    case (.time, "timestamptz"): shape = .timestamptz
    case (.integer, _) where integers.contains(type): shape = .integer
    case (.epoch(let unit), _) where integers.contains(type): shape = .epoch(unit)
    case (.snowflake(let epoch), "int8"), (.snowflake(let epoch), "numeric"):
      shape = .snowflake(epoch: epoch)
    case (.uuid7, "uuid"), (.ulid, "uuid"): shape = .uuid
    case (.ulid, _) where texts.contains(type): shape = .ulid
    default: return nil
    }
    self.type = type
  }

  /// True where positions are moments; false where they are a wall clock's, or numbers.
  var isZoned: Bool { ![.date, .timestamp, .integer].contains(shape) }

  /// The value at a position, as the server prints it; what is finer than the column can tell is
  /// cut off.
  func text(_ position: Int64) -> String {
    switch shape {
    case .date: TimeText.date(position)
    case .timestamp: TimeText.timestamp(position)
    case .timestamptz: TimeText.timestamp(position) + "+00"
    case .integer: "\(position)"
    case .epoch(.nanoseconds): "\(position)000"
    case .epoch(let unit): "\(position.floored(by: unit.microseconds))"
    case .uuid: MillisecondText.uuid(position.floored(by: 1000))
    case .ulid: MillisecondText.ulid(position.floored(by: 1000))
    case .snowflake(let epoch): "\((position.floored(by: 1000) - epoch) << 22)"
    }
  }

  /// The position of a bound as the server prints it, and whether the bound lies behind it rather
  /// than on it.
  ///
  /// Nil for what has none: infinity, a year before Christ.
  func position(_ text: String) -> (position: Int64, isExact: Bool)? {
    switch shape {
    case .date, .timestamp, .timestamptz: TimeText.microseconds(text).map { ($0, true) }
    case .integer: Int64(text).map { ($0, true) }
    case .epoch(.nanoseconds):
      Int64(text).map { ($0.floored(by: 1000), $0.isMultiple(of: 1000)) }
    case .epoch(let unit): scaled(Int64(text), by: unit.microseconds).map { ($0, true) }
    case .uuid: MillisecondText.readUUID(text).map { ($0.milliseconds * 1000, $0.isExact) }
    case .ulid: MillisecondText.readULID(text).map { ($0.milliseconds * 1000, $0.isExact) }
    case .snowflake(let epoch):
      Int64(text).map { (($0 >> 22 + epoch) * 1000, $0 & 0x3F_FFFF == 0) }
    }
  }

  /// True if the column's type has a value for it.
  func holds(_ position: Int64) -> Bool {
    switch (shape, type) {
    case (.epoch(.nanoseconds), _): Int64("\(position)000") != nil
    case (.snowflake(let epoch), _):
      (0..<1 << 41).contains(position.floored(by: 1000) - epoch)
    case (.integer, "int4"), (.epoch, "int4"): Int32(text(position)) != nil
    case (.integer, "int2"), (.epoch, "int2"): Int16(text(position)) != nil
    case (.uuid, _), (.ulid, _): (0..<1 << 48).contains(position.floored(by: 1000))
    default: true
    }
  }

  /// A position as records show it: a date, a time, or a number.
  func shown(_ position: Int64) -> String {
    switch shape {
    case .date: TimeText.date(position)
    case .timestamp: String(Timestamp.text(microseconds: position).dropLast())
    case .integer: "\(position)"
    default: Timestamp.text(microseconds: position)
    }
  }

  private func scaled(_ value: Int64?, by factor: Int64) -> Int64? {
    guard let value else { return nil }
    let (product, overflow) = value.multipliedReportingOverflow(by: factor)
    return overflow ? nil : product
  }
}

extension EpochUnit {
  /// Of one unit; that of nanoseconds is less than one, and has its own way.
  fileprivate var microseconds: Int64 {
    switch self {
    case .seconds: 1_000_000
    case .milliseconds: 1000
    case .microseconds, .nanoseconds: 1
    }
  }
}

extension Int64 {
  /// Divided, and rounded down also below zero.
  func floored(by divisor: Int64) -> Int64 {
    let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? quotient - 1 : quotient
  }
}
