public import Filter

/// The name of a new partition, from what it is.
///
/// Placeholders: `{table}`, `{tenant}`, `{from}` (a number, or as many parts of the date as the interval needs),
/// `{YYYY} {MM} {DD} {HH} {MI} {IYYY} {IW} {Q}`.
public struct NamingTemplate: Equatable, Sendable {
  private let template: BraceTemplate
  private var pieces: [BraceTemplate.Piece] { template.pieces }
  public var text: String { template.text }

  public static let standard = NamingTemplate(
    "{table}_{from}", [.hole("table"), .text("_"), .hole("from")])
  /// For tables with a row of partitions for each tenant.
  public static let standardForTenants = NamingTemplate(
    "{table}_{tenant}_{from}",
    [.hole("table"), .text("_"), .hole("tenant"), .text("_"), .hole("from")])

  /// What PostgreSQL takes of a name, in bytes.
  public static var maxBytes: Int { 63 }

  static var dateParts: [String] { ["YYYY", "MM", "DD", "HH", "MI", "IYYY", "IW", "Q"] }

  private init(_ text: String, _ pieces: [BraceTemplate.Piece]) {
    template = BraceTemplate(text: text, pieces: pieces)
  }

  /// Throws where a placeholder is unknown, a brace has no partner, or nothing is left of a name.
  public init(parsing text: String) throws(UsageError) {
    let known = ["table", "tenant", "from"] + Self.dateParts
    template = try BraceTemplate(parsing: text, known: known, what: "name")
    guard !text.utf8.contains(0) else { throw UsageError("a name cannot hold a zero byte") }
  }

  /// The name of `partition`, at most 63 bytes of UTF-8.
  ///
  /// A longer one is cut, and ends in `_` and eight hexadecimal digits that depend on all of it. `isDistinct` adds
  /// them to a shorter one, too: for a name that something else has already. The same partition has the same name at
  /// any time.
  public func name(for partition: NamedPartition, isDistinct: Bool = false) -> String {
    let whole = pieces.reduce(into: "") { name, piece in
      switch piece {
      case .text(let text): name += text
      case .hole(let hole): name += partition.value(of: hole)
      }
    }
    return PartitionName.fit(whole, identity: partition.identity, isDistinct: isDistinct)
  }

  /// The name of a partition of `partition` that no range makes: a value of a list, the remainder of a hash, `default`.
  public static func name(
    of label: String, in partition: String, isDistinct: Bool = false
  ) -> String {
    PartitionName.fit(
      "\(partition)_\(label)", identity: [partition, label], isDistinct: isDistinct)
  }

  /// Why two partitions of `range` could have one name; nil where they cannot.
  func fault(for range: RangeRule, hasTenants: Bool) -> String? {
    let holes = Set(
      pieces.compactMap { piece -> String? in
        if case .hole(let name) = piece { name } else { nil }
      })
    if hasTenants, !holes.contains("tenant") {
      return "{tenant} is missing: all tenants would have the same names"
    }
    if !hasTenants, holes.contains("tenant") { return "{tenant} without tenants" }
    if !range.kind.isTime, let part = Self.dateParts.first(where: holes.contains) {
      return "{\(part)} of an integer key"
    }
    if holes.contains("from") { return nil }
    guard case .interval(let text) = range.step, let interval = try? IntervalText(parsing: text),
      DatePrecision.ways(of: interval).contains(where: { $0.isSubset(of: holes) })
    else { return "{from} is missing, or parts of the date as fine as the interval" }
    return nil
  }
}
