internal import Bytes
public import JSON
internal import Posix
internal import Postgres

/// A partition, or a window of a table, that can be archived as one object.
public struct Partition: Sendable {
  let database: String
  /// The table that was asked for.
  let table: TreeNode
  /// The relation that is read, and the table directly above it.
  var leaf: TreeNode
  let parent: TreeNode?
  var bounds: TimeBounds?
  /// A condition that selects its rows; nil for the whole relation.
  var filter: String?
  var facts: CalendarFacts?
  var physical: PhysicalFacts?
  var columns: [Column] = []
  /// Nil where nobody counted.
  var rows: Int?
  var rowsEstimate: Int?
  var key = ""

  /// True once no more rows are due: its time is over.
  ///
  /// A partition without time bounds is never known to be closed.
  var isClosed: Bool { facts?.isClosed ?? false }

  /// How messages call it.
  var shownName: String {
    Quoting.qualified(leaf.schema, leaf.name) + (filter.map { " where \($0)" } ?? "")
  }

  /// The `partition` record, its members in the documented order.
  public var record: Record {
    var record = Record(type: "partition")
    record.set("database", database)
    record.set("schema", table.schema)
    record.set("table", table.name)
    record.set("partition_schema", leaf.schema)
    record.set("partition", leaf.name)
    addBounds(to: &record)
    if let filter { record.set("where", filter) }
    if let rows { record.set("rows", rows) }
    if let rowsEstimate { record.set("rows_estimate", rowsEstimate) }
    record.set("bytes", filter == nil ? physical?.bytes : nil)
    record.set("closed", isClosed)
    record.set("fingerprint", physical?.fingerprint)
    addColumns(to: &record)
    record.set("key", key)
    return record
  }

  private func addBounds(to record: inout Record) {
    let range = integerRange
    record.set("from", facts.map(\.from) ?? range?.from)
    record.set("to", facts.map(\.to) ?? range?.to)
    guard filter == nil, let bound = leaf.bound, let parent else { return }
    // What a restore needs to attach it again.
    record.set("parent_schema", parent.schema)
    record.set("parent", parent.name)
    record.set("bound", bound)
    record.set("constraint", leaf.constraint)
  }

  /// The ends of a range on something else than time.
  private var integerRange: (from: String?, to: String?)? {
    guard let bound = leaf.bound,
      case .range(let from, let to)? = try? PartitionBound(parsing: bound)
    else { return nil }
    return (from.first.flatMap(\.value), to.first.flatMap(\.value))
  }

  private func addColumns(to record: inout Record) {
    var writer = JSONWriter()
    writer.object { outer in
      outer.array("columns") { list in
        for column in columns {
          list.element { item in
            item.field("name", column.name)
            item.field("type", column.type)
            item.field("not_null", column.notNull)
          }
        }
      }
    }
    // The array alone, without the object around it.
    let text = [UInt8](copying: writer.span)
    record.set("columns", json: Array(text[11..<text.count - 1]))
  }
}

extension PartitionBound.Limit {
  var value: String? {
    guard case .value(let text) = self else { return nil }
    return text
  }
}
