internal import Bytes
internal import JSON
internal import Postgres

/// Which columns tell a row from all others.
enum ReplicaIdentity: UInt8 {
  case `default` = 0x64  // d
  case nothing = 0x6E  // n
  case full = 0x66  // f
  case index = 0x69  // i
}

/// A table as the server announced it, with all that is written around its rows.
///
/// A class, because it is looked up for every row and never changes.
final class RelationFormat: Sendable {
  /// How values are written.
  enum Values {
    case json, quotedNumbers
    /// As strings of PostgreSQL's own text, for another format to be made of.
    case text
  }

  struct Column: Sendable {
    let name: String
    let isKey: Bool
    let type: String
    /// Whether the events have to tell that the type is a domain.
    let isDomain: Bool
    /// The name as JSON, with its colon.
    let member: [UInt8]
    let encoder: ValueEncoder
  }

  let schema: String
  let name: String
  let identity: ReplicaIdentity
  let columns: [Column]
  /// Up to the row's position.
  let insertHead: [UInt8]
  let updateHead: [UInt8]
  let deleteHead: [UInt8]
  /// The event that tells of it.
  let event: [UInt8]

  /// Reads a message of type `R` from behind its type and transaction.
  init(
    decoding cursor: inout ByteCursor, oid: UInt32, types: TypeNames, values: Values
  ) throws(DecodeError) {
    let namespace = String(utf8: try cursor.readText("a schema"))
    // The server leaves its own schema out.
    schema = namespace.isEmpty ? "pg_catalog" : namespace
    name = String(utf8: try cursor.readText("a table"))
    let start = cursor.offset
    guard let identity = ReplicaIdentity(rawValue: try cursor.read(UInt8.self, "an identity"))
    else { throw DecodeError(expected: "a replica identity", offset: start) }
    self.identity = identity
    let count = try cursor.read(UInt16.self, "the number of columns")
    var columns: [Column] = []
    for _ in 0..<count {
      columns.append(try Self.column(&cursor, types, values))
    }
    self.columns = columns
    insertHead = Self.head("insert", schema, name)
    updateHead = Self.head("update", schema, name)
    deleteHead = Self.head("delete", schema, name)
    event = Self.event(schema, name, identity, columns)
  }

  private static func column(
    _ cursor: inout ByteCursor, _ types: TypeNames, _ values: Values
  ) throws(DecodeError) -> Column {
    let flags = try cursor.read(UInt8.self, "a column's flags")
    let name = String(utf8: try cursor.readText("a column's name"))
    let type = try cursor.read(UInt32.self, "a column's type")
    let modifier = try cursor.read(Int32.self, "a type's modifier")
    var member = ByteBuffer()
    JSONText.appendString(name, to: &member)
    member.append(UInt8(ascii: ":"))
    let base = types.base(of: type)
    return Column(
      name: name, isKey: flags & 1 == 1, type: types.name(type, modifier: modifier) ?? "\(type)",
      isDomain: values == .text && base != type, member: [UInt8](copying: member.span),
      encoder: values == .text
        ? .plain : ValueEncoder(type: base, quoteNumbers: values == .quotedNumbers))
  }

  private static func head(_ kind: StaticString, _ schema: String, _ name: String) -> [UInt8] {
    var head = ByteBuffer()
    head.append(#"{"type":""#)
    head.append(kind)
    head.append(#"","schema":"#)
    JSONText.appendString(schema, to: &head)
    head.append(#","table":"#)
    JSONText.appendString(name, to: &head)
    head.append(#","lsn":""#)
    return [UInt8](copying: head.span)
  }

  private static func event(
    _ schema: String, _ name: String, _ identity: ReplicaIdentity, _ columns: [Column]
  ) -> [UInt8] {
    var line = JSONWriter()
    line.relation(
      schema, name, identity, columns.map { ($0.name, $0.type, $0.isKey, $0.isDomain) })
    line.endLine()
    return [UInt8](copying: line.span)
  }
}
