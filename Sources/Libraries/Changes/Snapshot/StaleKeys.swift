internal import Bytes
internal import JSON
internal import Posix
internal import Postgres

/// Finds which rows were changed or deleted between two positions, in what a slot holds, and writes deletes of them.
///
/// The slot keeps all that it has. Behind these deletes a target that had the rows as of the first position has only
/// such as are the same as of the second one.
struct StaleKeys: ~Copyable {
  private static var batchBytes: Int { 256 << 10 }
  /// A row that changes often is deleted once for as long as so many others are remembered.
  private static var maxRemembered: Int { 100_000 }

  /// Transactions whose commits begin between them.
  private let positions: Range<LSN>
  /// The tables that are looked for, by schema and name.
  private let names: Set<[String]>
  private var types = TypeNames()
  private var relations: [UInt32: RelationFormat] = [:]
  private var isInside = false
  private var lines = ByteBuffer(capacity: batchBytes + (64 << 10))
  private var remembered: Set<[UInt8]> = []

  init(_ positions: Range<LSN>, of tables: [PublishedTable]) {
    self.positions = positions
    names = Set(tables.map { [$0.schema, $0.name] })
  }

  /// Reads what the slot holds; `write` gets whole lines, in batches.
  mutating func run(
    slot: String, _ publications: [String], on connection: borrowing Connection,
    _ write: (borrowing ByteBuffer) throws -> Void
  ) throws {
    let names = publications.map { Quoting.identifier($0) }.joined(separator: ",")
    let sql = """
      COPY (SELECT pg_catalog.encode(data, 'hex') FROM pg_catalog.pg_logical_slot_peek_binary_changes(
        \(Quoting.literal(slot)), '\(positions.upperBound)', NULL, 'proto_version', '1',
        'publication_names', \(Quoting.literal(names)))) TO STDOUT
      """
    try CopyOut.run(sql, on: connection) { row in
      let message = try Self.bytes(row)
      do throws(DecodeError) { try take(message.span) } catch {
        throw Failure(.badInput, "malformed pgoutput message", detail: "\(error)")
      }
      guard lines.count >= Self.batchBytes else { return }
      try write(lines)
      lines.removeAll()
    }
    if !lines.isEmpty { try write(lines) }
    lines.removeAll()
  }

  /// The bytes of a row of hexadecimal digits.
  private static func bytes(_ row: Span<UInt8>) throws -> [UInt8] {
    let digits = row.extracting(droppingLast: 1)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 2)
    for index in stride(from: 0, to: digits.count - 1, by: 2) {
      guard let byte = Hex.byte(digits[index], digits[index + 1]) else {
        throw Failure(.bug, "the server sent something else than digits")
      }
      bytes.append(byte)
    }
    return bytes
  }

  private mutating func take(_ message: Span<UInt8>) throws(DecodeError) {
    var cursor = ByteCursor(message)
    switch try cursor.read(UInt8.self, "a message") {
    case UInt8(ascii: "B"):
      isInside = positions.contains(LSN(rawValue: try cursor.read(UInt64.self, "a position")))
    case UInt8(ascii: "R"):
      let oid = try cursor.read(UInt32.self, "a table")
      relations[oid] = try RelationFormat(
        decoding: &cursor, oid: oid, types: types, values: .json)
    case UInt8(ascii: "Y"):
      let oid = try cursor.read(UInt32.self, "a type")
      let schema = String(utf8: try cursor.readText("a schema"))
      types.learn(oid, schema: schema, name: String(utf8: try cursor.readText("a type's name")))
    case UInt8(ascii: "U"), UInt8(ascii: "D"): if isInside { try delete(&cursor) }
    case UInt8(ascii: "T"): if isInside { try truncate(&cursor) }
    default: return
    }
  }

  private func relation(_ cursor: inout ByteCursor) throws(DecodeError) -> RelationFormat? {
    guard let relation = relations[try cursor.read(UInt32.self, "a table")] else {
      throw DecodeError(expected: "a table that was announced", offset: cursor.offset)
    }
    return names.contains([relation.schema, relation.name]) ? relation : nil
  }

  /// The row had the key that the old one has, or, where none came, the new one.
  private mutating func delete(_ cursor: inout ByteCursor) throws(DecodeError) {
    guard let relation = try relation(&cursor) else { return }
    _ = try cursor.read(UInt8.self, "a row")
    var line = ByteBuffer()
    line.append(relation.deleteHead)
    line.append(positions.upperBound.description)
    line.append(#"","old":{"#)
    try appendKey(relation, &cursor, to: &line)
    line.append("}}\n")
    let bytes = [UInt8](copying: line.span)
    guard remembered.insert(bytes).inserted else { return }
    if remembered.count > Self.maxRemembered { remembered.removeAll(keepingCapacity: true) }
    lines.append(bytes)
  }

  private func appendKey(
    _ relation: RelationFormat, _ cursor: inout ByteCursor, to line: inout ByteBuffer
  ) throws(DecodeError) {
    var isFirst = true
    for index in 0..<Int(try cursor.read(UInt16.self, "the number of values")) {
      let kind = try cursor.read(UInt8.self, "a value's kind")
      guard kind == UInt8(ascii: "t") else { continue }
      let length = Int(try cursor.read(UInt32.self, "a value's length"))
      let text = try cursor.read(count: length, "a value")
      guard index < relation.columns.count, relation.columns[index].isKey else { continue }
      if !isFirst { line.append(",") }
      isFirst = false
      line.append(relation.columns[index].member)
      relation.columns[index].encoder.append(text, to: &line)
    }
  }

  private mutating func truncate(_ cursor: inout ByteCursor) throws(DecodeError) {
    let count = try cursor.read(UInt32.self, "the number of tables")
    let flags = try cursor.read(UInt8.self, "flags")
    var tables: [RelationFormat] = []
    for _ in 0..<count {
      if let table = try relation(&cursor) { tables.append(table) }
    }
    guard !tables.isEmpty else { return }
    var line = JSONWriter()
    line.object { line in
      line.field("type", "truncate")
      line.field("lsn", positions.upperBound.description)
      line.array("relations") { list in
        for table in tables {
          list.element { item in
            item.field("schema", table.schema)
            item.field("table", table.name)
          }
        }
      }
      line.field("cascade", false)
      line.field("restart_identity", flags & 2 != 0)
    }
    line.endLine()
    lines.append(line.span)
  }
}
