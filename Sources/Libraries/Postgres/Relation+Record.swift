internal import Bytes
internal import Filter
public import JSON
public import Posix

extension Relation {
  /// Sees that the columns are still those that a `partition` record was made with.
  ///
  /// A record without `columns` fits every relation. Throws a `Failure` (65) naming the first
  /// column that differs: what is archived under a record must be what the record says.
  public func checkColumns(of record: Record) throws(Failure) {
    guard let listed = try record.optional("columns", \.array) else { return }
    let then = listed.map { "\($0["name"]?.string ?? "") \($0["type"]?.string ?? "")" }
    let now = columns.map { "\($0.name) \($0.type)" }
    let pairs = zip(then, now).enumerated()
    let index = pairs.first { !$0.element.0.hasSameBytes(as: $0.element.1) }?.offset
    guard index != nil || then.count != now.count else { return }
    let place = index ?? min(then.count, now.count)
    throw Failure(
      .badInput, "the columns of \(sqlName) are not those of the record",
      detail: "column \(place + 1): the record has \(place < then.count ? then[place] : "none"), "
        + "the table \(place < now.count ? now[place] : "none")",
      hint: "List the partition again with pg-partitions.")
  }
}
