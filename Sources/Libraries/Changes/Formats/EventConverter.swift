internal import Bytes
internal import Filter
internal import JSON
internal import Posix
internal import Postgres

/// Writes change events in another format.
protocol FormatWriter {
  /// What stands before the value of a column.
  func head(of column: SourceRelation.Column) -> [UInt8]

  mutating func begin(_ transaction: SourceTransaction, to out: inout ByteBuffer)

  /// The values are strings of PostgreSQL's own text, or null.
  mutating func row(
    _ row: RowEvent, _ relation: ConvertedRelation, _ line: Span<UInt8>, to out: inout ByteBuffer
  ) throws(JSONError)

  mutating func truncate(
    _ table: (schema: String, name: String), at position: LSN, to out: inout ByteBuffer)

  mutating func message(_ message: SourceMessage, to out: inout ByteBuffer)

  mutating func commit(end: LSN?, to out: inout ByteBuffer)
}

/// What a begin tells.
struct SourceTransaction {
  let xid: Int
  /// Microseconds since 1970; nil where the event does not tell.
  let committedAt: Int64?
  let isSnapshot: Bool
  let origin: String?
  let originPosition: LSN?
}

/// What `pg_logical_emit_message` wrote.
struct SourceMessage {
  let position: LSN
  let prefix: String
  let content: [UInt8]
  let isTransactional: Bool
}

/// Turns change events, line by line, into another format.
struct EventConverter {
  /// What the values of a row are.
  enum Values {
    /// As a change event has them.
    case ofEvents
    /// Strings of PostgreSQL's own text: no two values look alike that differ.
    case text
  }

  private let values: Values
  private var writer: any FormatWriter
  /// By schema and table as they stand in a line.
  private var relations: [[UInt8]: ConvertedRelation] = [:]
  /// The one that was looked up last.
  private var recent: (schema: [UInt8], table: [UInt8], relation: ConvertedRelation)?
  private var row = RowEvent()

  init(_ writer: any FormatWriter, values: Values) {
    (self.writer, self.values) = (writer, values)
  }

  /// Appends what the event stands for: no line, one, or more.
  ///
  /// Throws a `Failure` (65) for a line that is no event, or that the format has no form for; nothing is appended then.
  mutating func convert(_ line: Span<UInt8>, to out: inout ByteBuffer) throws {
    let start = out.count
    do {
      let event = try EventLine(line)
      switch event.kind {
      case .insert, .update, .delete, .read: try convertRow(line, event, to: &out)
      case .relation: try learn(line, event)
      default: try convertRare(event.kind, try Record(parsing: line), to: &out)
      }
    } catch let error as JSONError {
      out.truncate(to: start)
      throw Self.malformed("\(error)")
    }
  }

  private static func malformed(_ detail: String) -> Failure {
    Failure(.badInput, "malformed change event", detail: detail)
  }

  // MARK: - Rows

  private mutating func learn(_ line: Span<UInt8>, _ event: EventLine) throws {
    let relation = try SourceRelation(try Record(parsing: line))
    relations[Self.key(line, event)] = ConvertedRelation(relation) { writer.head(of: $0) }
    recent = nil
  }

  private static func key(_ line: Span<UInt8>, _ event: EventLine) -> [UInt8] {
    [UInt8](copying: line.extracting(event.schema))
      + [UInt8](copying: line.extracting(event.table))
  }

  private mutating func convertRow(
    _ line: Span<UInt8>, _ event: EventLine, to out: inout ByteBuffer
  ) throws {
    let relation = try relation(line, event)
    row.kind = event.kind
    row.position = EventLine.position(line, event.lsn)
    try row.old.read(line, event.old, relation)
    try row.new.read(line, event.new, relation)
    guard event.kind == .delete || row.new.isPresent else {
      throw JSONError(expected: "a new row", offset: line.count)
    }
    switch values {
    case .text: try writer.row(row, relation, line, to: &out)
    case .ofEvents:
      var texts = ByteBuffer()
      row.old.makeText(line, relation, in: &texts)
      row.new.makeText(line, relation, in: &texts)
      try writer.row(row, relation, texts.span, to: &out)
    }
  }

  private mutating func relation(
    _ line: Span<UInt8>, _ event: EventLine
  ) throws(Failure) -> ConvertedRelation {
    if let recent, recent.schema.span.equals(line.extracting(event.schema)),
      recent.table.span.equals(line.extracting(event.table))
    {
      return recent.relation
    }
    guard let relation = relations[Self.key(line, event)] else {
      let table = String(utf8: line.extracting(event.table))
      throw Self.malformed("a row of \(table) comes before the event that tells of the table")
    }
    recent = (
      [UInt8](copying: line.extracting(event.schema)),
      [UInt8](copying: line.extracting(event.table)), relation
    )
    return relation
  }

  // MARK: - Other events

  private mutating func convertRare(
    _ kind: EventKind, _ record: Record, to out: inout ByteBuffer
  ) throws {
    switch kind {
    case .begin where record.string("gid") == nil:
      writer.begin(SourceTransaction(record), to: &out)
    case .commit: writer.commit(end: record.position("end_lsn"), to: &out)
    case .message: writer.message(try SourceMessage(record), to: &out)
    case .truncate: try convertTruncate(record, to: &out)
    default:
      throw Failure(
        .badInput, "this format has no form for transactions that are prepared first",
        detail: record.string("gid").map { "it is \"\($0)\"" },
        hint: "Have them sent when they are committed, without --two-phase.")
    }
  }

  private mutating func convertTruncate(_ record: Record, to out: inout ByteBuffer) throws {
    for table in record["relations"]?.array ?? [] {
      guard let schema = table["schema"]?.string, let name = table["table"]?.string else {
        throw Self.malformed("a table of a truncate event lacks schema or table")
      }
      writer.truncate((schema, name), at: record.position("lsn") ?? .invalid, to: &out)
    }
  }
}

extension Record {
  fileprivate func position(_ name: String) -> LSN? { string(name).flatMap { LSN($0) } }
}

extension SourceTransaction {
  fileprivate init(_ record: Record) {
    xid = record.integer("xid") ?? 0
    committedAt = record.string("committed_at").flatMap { Timestamp.microseconds(of: $0) }
    isSnapshot = record.boolean("snapshot") ?? false
    origin = record.string("origin")
    originPosition = record.position("origin_lsn")
  }
}

extension SourceMessage {
  fileprivate init(_ record: Record) throws(Failure) {
    let content = record.string("content").map { Array($0.utf8) }
    guard let prefix = record.string("prefix"),
      let content = content ?? record.string("content_base64").flatMap({ Base64.decode($0) })
    else { throw Failure(.badInput, "a message event lacks prefix or content") }
    position = record.position("lsn") ?? .invalid
    (self.prefix, self.content) = (prefix, content)
    isTransactional = record.boolean("transactional") ?? false
  }
}
