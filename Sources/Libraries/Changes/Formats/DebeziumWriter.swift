internal import Bytes
internal import JSON
internal import Posix
internal import Postgres

/// Writes the values of the change events that Debezium's connector for PostgreSQL sends, as JSON without schemas.
struct DebeziumWriter: FormatWriter {
  private var source: DebeziumSource
  private let values: DebeziumValue
  /// Microseconds since 1970.
  private let clock: @Sendable () -> Int64

  init(
    _ names: SourceNames, quoteNumbers: Bool,
    clock: @escaping @Sendable () -> Int64 = { Clock.now() }
  ) {
    source = DebeziumSource(names)
    values = DebeziumValue(quoteNumbers: quoteNumbers)
    self.clock = clock
  }

  func head(of column: SourceRelation.Column) -> [UInt8] {
    var head = ByteBuffer()
    JSONText.appendString(column.name, to: &head)
    head.append(UInt8(ascii: ":"))
    return [UInt8](copying: head.span)
  }

  // MARK: - Transactions, which have no lines

  mutating func begin(_ transaction: SourceTransaction, to out: inout ByteBuffer) {
    source.transaction = transaction
  }

  mutating func commit(end: LSN?, to out: inout ByteBuffer) {
    if let end { source.lastCommit = end }
    source.transaction = nil
  }

  // MARK: - Rows

  private enum Operation {
    case create, update, delete, read, truncate

    var letter: StaticString {
      switch self {
      case .create: "c"
      case .update: "u"
      case .delete: "d"
      case .read: "r"
      case .truncate: "t"
      }
    }
  }

  mutating func row(
    _ row: RowEvent, _ relation: ConvertedRelation, _ line: Span<UInt8>, to out: inout ByteBuffer
  ) throws(JSONError) {
    switch row.kind {
    case .update where Self.changesKey(row, relation, line):
      try append(.delete, row, relation, line, to: &out)
      try append(.create, row, relation, line, to: &out)
    case .update: try append(.update, row, relation, line, to: &out)
    case .delete: try append(.delete, row, relation, line, to: &out)
    case .read: try append(.read, row, relation, line, to: &out)
    default: try append(.create, row, relation, line, to: &out)
    }
  }

  /// A row that gets another key is deleted and created; with the identity full its key is not known.
  private static func changesKey(
    _ row: RowEvent, _ relation: ConvertedRelation, _ line: Span<UInt8>
  ) -> Bool {
    guard row.old.isPresent, relation.identity != .full else { return false }
    for (place, column) in relation.columns.enumerated() where column.isKey {
      let (old, new) = (row.old.ranges[place], row.new.ranges[place])
      guard !old.isEmpty, !new.isEmpty else { continue }
      if !line.extracting(old).equals(line.extracting(new)) { return true }
    }
    return false
  }

  private func append(
    _ operation: Operation, _ row: RowEvent, _ relation: ConvertedRelation, _ line: Span<UInt8>,
    to out: inout ByteBuffer
  ) throws(JSONError) {
    out.append(#"{"before":"#)
    if row.old.isPresent, operation != .create {
      try append(row.old, relation, line, to: &out)
    } else {
      out.append("null")
    }
    out.append(#","after":"#)
    if operation != .delete {
      try appendNew(row, relation, line, to: &out)
    } else {
      out.append("null")
    }
    appendEnd(operation, relation.names, at: row.position, to: &out)
  }

  private func append(
    _ row: RowValues, _ relation: ConvertedRelation, _ line: Span<UInt8>, to out: inout ByteBuffer
  ) throws(JSONError) {
    var mark = UInt8(ascii: "{")
    for (column, range) in zip(relation.columns, row.ranges) where !range.isEmpty {
      out.append(mark)
      mark = UInt8(ascii: ",")
      out.append(column.head)
      try values.append(line.extracting(range), column.type, to: &out)
    }
    out.append(mark == UInt8(ascii: "{") ? "{}" : "}")
  }

  /// A value that was not sent may stand in the old row, where that is whole.
  private func appendNew(
    _ row: RowEvent, _ relation: ConvertedRelation, _ line: Span<UInt8>, to out: inout ByteBuffer
  ) throws(JSONError) {
    out.append(UInt8(ascii: "{"))
    for (place, column) in relation.columns.enumerated() {
      if place > 0 { out.append(UInt8(ascii: ",")) }
      out.append(column.head)
      let new = row.new.ranges[place]
      let range = new.isEmpty && row.old.isPresent ? row.old.ranges[place] : new
      if range.isEmpty {
        values.appendUnavailable(column.type, to: &out)
      } else {
        try values.append(line.extracting(range), column.type, to: &out)
      }
    }
    out.append(UInt8(ascii: "}"))
  }

  // MARK: - Around the rows

  private func appendEnd(
    _ operation: Operation, _ names: [UInt8], at position: LSN?, to out: inout ByteBuffer
  ) {
    let now = clock()
    out.append(#","source":"#)
    source.append(names, at: position, now: now, to: &out)
    out.append(#","transaction":null,"op":""#)
    out.append(operation.letter)
    out.append(UInt8(ascii: "\""))
    out.append(#","ts_ms":"#)
    out.append(decimal: now / 1000)
    out.append(#","ts_us":"#)
    out.append(decimal: now)
    out.append(#","ts_ns":"#)
    out.append(decimal: now &* 1000)
    out.append("}\n")
  }

  mutating func truncate(
    _ table: (schema: String, name: String), at position: LSN, to out: inout ByteBuffer
  ) {
    out.append(#"{"before":null,"after":null"#)
    let names = ConvertedRelation.names(table.schema, table.name)
    appendEnd(.truncate, names, at: position, to: &out)
  }

  mutating func message(_ message: SourceMessage, to out: inout ByteBuffer) {
    let now = clock()
    out.append(#"{"op":"m","ts_ms":"#)
    out.append(decimal: now / 1000)
    out.append(#","source":"#)
    source.append(
      ConvertedRelation.names("", ""), at: message.position, now: now,
      isTransactional: message.isTransactional, to: &out)
    out.append(#","transaction":null,"message":{"prefix":"#)
    JSONText.appendString(message.prefix, to: &out)
    out.append(#","content":""#)
    out.append(Base64.encode(message.content))
    out.append("\"}}\n")
  }
}
