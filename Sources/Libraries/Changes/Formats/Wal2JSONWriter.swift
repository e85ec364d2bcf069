internal import Bytes
internal import JSON
internal import Postgres

/// Writes format version 2 of the output plugin wal2json, as with none of its options.
struct Wal2JSONWriter: FormatWriter {
  /// Every number becomes a string, as with its option numeric-data-types-as-string.
  let quoteNumbers: Bool

  func head(of column: SourceRelation.Column) -> [UInt8] {
    var head = ByteBuffer()
    head.append(#"{"name":"#)
    JSONText.appendString(column.name, to: &head)
    head.append(#","type":"#)
    JSONText.appendString(Wal2JSONTypeName.name(of: column.type), to: &head)
    head.append(#","value":"#)
    return [UInt8](copying: head.span)
  }

  mutating func begin(_ transaction: SourceTransaction, to out: inout ByteBuffer) {
    out.append("{\"action\":\"B\"}\n")
  }

  mutating func commit(end: LSN?, to out: inout ByteBuffer) {
    out.append("{\"action\":\"C\"}\n")
  }

  mutating func truncate(
    _ table: (schema: String, name: String), at position: LSN, to out: inout ByteBuffer
  ) {
    out.append(#"{"action":"T","#)
    out.append(ConvertedRelation.names(table.schema, table.name))
    out.append("}\n")
  }

  /// The content ends at its first zero byte, as that of a C string.
  mutating func message(_ message: SourceMessage, to out: inout ByteBuffer) {
    var line = JSONWriter()
    line.object { line in
      line.field("action", "M")
      line.field("transactional", message.isTransactional)
      line.field("prefix", message.prefix)
      line.field("content", String(decoding: message.content.prefix { $0 != 0 }, as: UTF8.self))
    }
    line.endLine()
    out.append(line.span)
  }

  // MARK: - Rows

  mutating func row(
    _ row: RowEvent, _ relation: ConvertedRelation, _ line: Span<UInt8>, to out: inout ByteBuffer
  ) throws(JSONError) {
    switch row.kind {
    case .update: out.append(#"{"action":"U","#)
    case .delete: out.append(#"{"action":"D","#)
    default: out.append(#"{"action":"I","#)
    }
    out.append(relation.names)
    if row.new.isPresent {
      out.append(#","columns":["#)
      append(row.new, relation, line, onlyKey: false, to: &out)
      out.append("]")
    }
    if let identity = Self.identity(row, relation) {
      out.append(#","identity":["#)
      append(identity, relation, line, onlyKey: !row.old.isPresent, to: &out)
      out.append("]")
    }
    out.append("}\n")
  }

  /// An update that leaves the key as it was comes without an old row; the new one has the same key.
  private static func identity(_ row: RowEvent, _ relation: ConvertedRelation) -> RowValues? {
    if row.old.isPresent { return row.old }
    let hasKey = relation.identity != .full && relation.columns.contains { $0.isKey }
    return row.kind == .update && hasKey ? row.new : nil
  }

  private func append(
    _ values: RowValues, _ relation: ConvertedRelation, _ line: Span<UInt8>, onlyKey: Bool,
    to out: inout ByteBuffer
  ) {
    var isFirst = true
    for (column, range) in zip(relation.columns, values.ranges) {
      guard !range.isEmpty, column.isKey || !onlyKey else { continue }
      if !isFirst { out.append(UInt8(ascii: ",")) }
      isFirst = false
      out.append(column.head)
      append(line.extracting(range), column, to: &out)
      out.append(UInt8(ascii: "}"))
    }
  }

  /// What is of a domain is text, whatever lies below.
  private func append(
    _ value: Span<UInt8>, _ column: ConvertedRelation.Column, to out: inout ByteBuffer
  ) {
    guard value[0] == UInt8(ascii: "\""), !column.isDomain, !column.type.isArray else {
      return out.append(value)
    }
    let text = value.extracting(1..<value.count - 1)
    switch column.type.kind {
    case .integer, .oid, .real, .numeric:
      if quoteNumbers { return out.append(value) }
      if text.isNumber { out.append(text) } else { out.append("null") }
    case .boolean: out.append(text.equals("t") ? "true" : "false")
    case .bytea:
      out.append(UInt8(ascii: "\""))
      // The backslash of \x is escaped in JSON.
      out.append(text.extracting(droppingFirst: min(3, text.count)))
      out.append(UInt8(ascii: "\""))
    default: out.append(value)
    }
  }
}

extension Span where Element == UInt8 {
  /// True for what JSON takes as a number, of all that PostgreSQL prints of one; not for NaN and the infinities.
  var isNumber: Bool {
    let digit = count > 1 && self[0] == UInt8(ascii: "-") ? 1 : 0
    guard digit < count, (0x30...0x39).contains(self[digit]) else { return false }
    for index in digit..<count {
      switch self[index] {
      case 0x30...0x39, UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "+"), UInt8(ascii: "-"):
        continue
      default: return false
      }
    }
    return true
  }
}
