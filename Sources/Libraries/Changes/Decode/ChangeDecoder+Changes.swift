internal import Bytes
internal import JSON
internal import Postgres

/// What stands between the begin and the end of a transaction, and messages that belong to none.
extension ChangeDecoder {
  mutating func change(
    _ kind: UInt8, _ position: LSN, _ cursor: inout ByteCursor
  ) throws {
    switch kind {
    case UInt8(ascii: "I"), UInt8(ascii: "U"), UInt8(ascii: "D"):
      let start = cursor.offset
      let oid = try cursor.read(UInt32.self, "a table")
      guard let relation = relation(oid) else {
        throw DecodeError(expected: "a table that was announced", offset: start)
      }
      if pending != nil { try writePending() }
      try events.writeRow(kind, relation, position, &cursor)
    case UInt8(ascii: "R"): try learnRelation(&cursor)
    case UInt8(ascii: "Y"):
      let oid = try cursor.read(UInt32.self, "a type")
      let schema = String(utf8: try cursor.readText("a schema"))
      types.learn(oid, schema: schema, name: String(utf8: try cursor.readText("a type's name")))
    case UInt8(ascii: "T"): try truncate(position, &cursor)
    case UInt8(ascii: "O"): try origin(&cursor)
    default: try logicalMessage(&cursor)
    }
    try cursor.expectEnd("a message")
  }

  @inline(__always)
  private mutating func relation(_ oid: UInt32) -> RelationFormat? {
    if let recent, recent.oid == oid { return recent.format }
    guard let format = relations[oid] else { return nil }
    recent = (oid, format)
    return format
  }

  /// A table is announced again whenever it may have changed; the event comes only where it has.
  private mutating func learnRelation(_ cursor: inout ByteCursor) throws {
    let oid = try cursor.read(UInt32.self, "a table")
    let format = try RelationFormat(
      decoding: &cursor, oid: oid, types: types, values: values)
    relations[oid] = format
    recent = nil
    // Readers know tables by their names, which two may have had in turn.
    guard announced[format.insertHead] != format.event else { return }
    announced[format.insertHead] = format.event
    try writePending()
    try events.write(format)
  }

  private mutating func truncate(_ position: LSN, _ cursor: inout ByteCursor) throws {
    let count = try cursor.read(UInt32.self, "the number of tables")
    let flags = try cursor.read(UInt8.self, "flags")
    var tables: [RelationFormat] = []
    for _ in 0..<count {
      let start = cursor.offset
      guard let table = relation(try cursor.read(UInt32.self, "a table")) else {
        throw DecodeError(expected: "a table that was announced", offset: start)
      }
      tables.append(table)
    }
    try writePending()
    try events.write("truncate") { line in
      line.field("lsn", position.description)
      line.array("relations") { list in
        for table in tables {
          list.element { item in
            item.field("schema", table.schema)
            item.field("table", table.name)
          }
        }
      }
      line.field("cascade", flags & 1 != 0)
      line.field("restart_identity", flags & 2 != 0)
    }
  }

  private mutating func logicalMessage(_ cursor: inout ByteCursor) throws {
    let isTransactional = try cursor.read(UInt8.self, "flags") & 1 == 1
    let position = LSN(rawValue: try cursor.read(UInt64.self, "a position"))
    let prefix = String(utf8: try cursor.readText("a prefix"))
    let length = Int(try cursor.read(UInt32.self, "a length"))
    let bytes = [UInt8](copying: try cursor.read(count: length, "a message's content"))
    // One that belongs to no transaction stands where it came, also within another one.
    if isTransactional { try writePending() }
    try events.write("message") { line in
      line.field("lsn", position.description)
      line.field("prefix", prefix)
      if let text = String(validating: bytes, as: UTF8.self) {
        line.field("content", text)
      } else {
        line.field("content_base64", Base64.encode(bytes))
      }
      line.field("transactional", isTransactional)
    }
  }
}
