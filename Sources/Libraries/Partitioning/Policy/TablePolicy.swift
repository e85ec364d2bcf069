/// How the partitions of one table are made and retired.
public struct TablePolicy: Sendable {
  public var table: TableName
  /// Where it was written, for messages: `policy.yaml:12`; empty where it was not read from a file.
  public var place = ""
  /// How the table itself is cut.
  public var range: RangeRule
  /// One row of partitions for each tenant; nil for tables without.
  public var tenants: TenantRule?
  public var retention = RetentionRule()
  public var defaultPartition = DefaultRule.none
  /// How each new partition is cut further; nil when it is not.
  public var sub: SubRule?
  /// Labels only; nothing is ever read from a name.
  public var naming = NamingTemplate.standard
  public var inheritance = InheritanceRule()

  public init(table: TableName, range: RangeRule) { (self.table, self.range) = (table, range) }
}

/// What a key column's values say.
public enum KeyKind: Equatable, Sendable {
  /// A `date`, `timestamp` or `timestamptz`; which, the catalog says.
  case time
  case integer
  /// An integer that counts from 1970.
  case epoch(EpochUnit)
  /// The first 48 bits are milliseconds since 1970.
  case uuid7
  /// A `uuid`, or its 26 characters as text; the first 48 bits are milliseconds since 1970.
  case ulid
  /// An integer whose bits from the 22nd on are milliseconds since `epoch`, itself in milliseconds since 1970.
  case snowflake(epoch: Int64)

  /// True if its values stand for moments.
  public var isTime: Bool { self != .integer }
}

public enum EpochUnit: String, CaseIterable, Sendable {
  case seconds = "s"
  case milliseconds = "ms"
  case microseconds = "us"
  case nanoseconds = "ns"
}

/// Ranges of one column, and how far ahead they are made.
public struct RangeRule: Equatable, Sendable {
  /// The width of a range.
  public enum Step: Equatable, Sendable {
    /// An interval as PostgreSQL reads it.
    case interval(String)
    /// Of an integer key; above 0.
    case count(Int64)
  }

  public var column: String
  public var kind = KeyKind.time
  public var step: Step
  /// The zone in which days, weeks and months begin.
  public var timeZone = "UTC"
  /// A bound from which all others are counted: a date or time on the zone's clock, or a number; nil for
  /// 2000-01-01, for weeks 2000-01-03 (a Monday), and 0.
  public var start: String?
  /// Ranges behind the one that holds the present moment.
  public var premake = 4
  /// Ranges up to this far ahead, an interval; nil for as many as `premake` says.
  public var horizon: String?

  public init(column: String, step: Step) { (self.column, self.step) = (column, step) }
}

public struct TenantRule: Equatable, Sendable {
  public enum Source: Equatable, Sendable {
    case list([String])
    /// A query whose first column is the tenants.
    case query(String)
  }

  /// The first column of the table's key.
  public var column: String
  public var source: Source

  public init(column: String, source: Source) { (self.column, self.source) = (column, source) }
}

/// What becomes of partitions whose upper bound is too long ago.
public struct RetentionRule: Equatable, Sendable {
  public enum Retirement: Equatable, Sendable {
    case drop
    case detach
    /// Detached and moved to another schema.
    case move(schema: String)
    case archiveThenDrop
  }

  /// An interval, or for an integer key a number; nil keeps everything.
  public var keep: String?
  public var retirement = Retirement.detach
  /// So many of the newest partitions stay, however old they are.
  public var keepAtLeast = 1

  public init() {}
}

/// What becomes of rows that no partition takes.
public enum DefaultRule: String, CaseIterable, Sendable {
  /// No default partition is made; one that is there is left alone.
  case none
  /// One is made where it is missing; what is in it is left there.
  case keep
  /// One is made where it is missing; its rows are moved into partitions of their own.
  case drain
}

/// How a partition is cut in turn.
public indirect enum SubRule: Equatable, Sendable {
  /// A partition for each group of values; nil is NULL.
  case list(column: String, values: [[String?]], sub: SubRule?)
  case hash(column: String, modulus: Int, sub: SubRule?)
  case range(RangeRule, sub: SubRule?)
}

/// What a new partition has beside what PostgreSQL copies from the table.
public struct InheritanceRule: Equatable, Sendable {
  /// Whether the newest sibling's owner, privileges, storage parameters, tablespace, access method, replica identity
  /// and publications are taken over where nothing is declared below.
  public var followsNewestSibling = true
  /// Names; nil where nothing is declared.
  public var owner: String?
  public var tablespace: String?
  /// `fillfactor=70` and the like.
  public var storage: [String: String] = [:]
  public var publications: [String]?

  public init() {}
}
