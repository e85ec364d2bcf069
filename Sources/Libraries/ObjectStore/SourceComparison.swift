internal import Bytes
internal import Filter
public import JSON

/// Whether a receipt tells of the rows that a `partition` record stands for.
///
/// One key must not serve two sources in turn: the later would take the place of the earlier.
public struct SourceComparison {
  private let record: Record
  private let receipt: Record

  public init(_ record: Record, with receipt: Record) {
    (self.record, self.receipt) = (record, receipt)
  }

  /// What is different; nil when it is the same source, unchanged since.
  public var verdict: Verdict? {
    for name in ["database", "schema", "table", "partition_schema", "partition"] {
      guard let now = record.string(name), let then = receipt.string(name),
        !now.hasSameBytes(as: then)
      else { continue }
      return Verdict(.conflict, "the receipt of this key is of \(name) \(then), not \(now)")
    }
    guard holds("from", <=), holds("to", >=) else {
      return Verdict(
        .conflict,
        "the receipt of this key is of the rows \(Self.text(receipt)), not \(Self.text(record))")
    }
    for name in ["where", "from", "to", "columns"] where record.json(name) != receipt.json(name) {
      return Verdict(.changed, "its \(name) is not what was archived")
    }
    guard let now = record.string("fingerprint"), now == receipt.string("fingerprint") else {
      return Verdict(.changed, "the source changed since it was archived")
    }
    return nil
  }

  /// True where this bound lets in all that the receipt's did.
  private func holds(_ name: String, _ isWider: (Int64, Int64) -> Bool) -> Bool {
    guard record.json(name) != receipt.json(name) else { return true }
    // Without a bound everything is let in.
    guard let now = record.string(name) else { return true }
    guard let then = receipt.string(name), let now = Self.position(now),
      let then = Self.position(then)
    else { return false }
    return isWider(now, then)
  }

  /// Times, with a zone or without, dates and whole numbers; nil for bounds that have no order here.
  private static func position(_ bound: String) -> Int64? {
    for rest in ["", "Z", "T00:00:00.000000Z"] {
      if let moment = Timestamp.microseconds(of: bound + rest) { return moment }
    }
    return Int64(bound)
  }

  private static func text(_ record: Record) -> String {
    "from \(record.string("from") ?? "the first") to \(record.string("to") ?? "the last")"
  }
}
