/// Counts updates and deletes that found no row, by table.
struct MissCount {
  /// Those since something was kept, those of the open transaction, and those that are committed.
  private var (recent, open, done): ([String: Int], [String: Int], [String: Int]) = ([:], [:], [:])
  private var told: [String: Int] = [:]

  mutating func add(_ count: Int, _ table: String) {
    if count > 0 { recent[table, default: 0] += count }
  }

  mutating func keep() {
    open.merge(recent, uniquingKeysWith: +)
    recent.removeAll()
  }

  /// What was done is undone: since something was kept, or all of the open transaction.
  mutating func forget(all: Bool) {
    recent.removeAll()
    if all { open.removeAll() }
  }

  /// The transaction was committed; the warnings about tables that had none before.
  mutating func commit() -> [String] {
    keep()
    guard !open.isEmpty else { return [] }
    done.merge(open, uniquingKeysWith: +)
    open.removeAll()
    return tell(done.keys.filter { told[$0] == nil })
  }

  /// The warnings about tables that had more since the first one.
  func totals() -> [String] {
    var copy = self
    return copy.tell(done.keys.filter { told[$0] != done[$0] })
  }

  private mutating func tell(_ due: [String]) -> [String] {
    for table in due { told[table] = done[table] }
    return due.sorted().map { "\(done[$0] ?? 0) updates or deletes of \($0) found no row" }
  }
}
