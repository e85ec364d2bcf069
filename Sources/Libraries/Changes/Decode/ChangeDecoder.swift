internal import Bytes
internal import Filter
internal import JSON
internal import Posix
internal import Postgres

/// Turns the messages of `pgoutput`, protocols 1 to 4, into change events.
///
/// A transaction that comes whole is written as it comes. One that the server streams before its end is held until
/// then, and forgotten without trace where that is a rollback.
struct ChangeDecoder: ~Copyable {
  var events: EventWriter
  let values: RelationFormat.Values
  var types = TypeNames()
  var relations: [UInt32: RelationFormat] = [:]
  /// The last event that told of the table of a name, by what its inserts begin with.
  var announced: [[UInt8]: [UInt8]] = [:]
  /// The one that was looked up last.
  var recent: (oid: UInt32, format: RelationFormat)?
  var spool: TransactionSpool
  /// The streamed transaction of which a piece is coming in.
  var piece: UInt32?
  /// The transaction whose changes are written.
  var open: UInt32?
  /// Written once it is known where the transaction came from.
  var pending: Begin?

  struct Begin {
    let xid: UInt32
    let position: LSN
    let time: Int64
    var gid: String?
    /// Where a transaction that was replicated to the server was committed first.
    var origin: (name: String, position: LSN)?
  }

  init(_ options: DecodeOptions, to output: Descriptor) {
    events = EventWriter(to: output, converter: options.converter)
    values = options.values
    spool = TransactionSpool(memoryBytes: options.memoryBytes, folder: options.folder)
  }

  /// Takes what a CopyData message carries.
  ///
  ///     w  start of the change (8)  server's end of WAL (8)  server's clock (8)  message…
  ///     k  …, which carries no change
  mutating func take(_ payload: Span<UInt8>) throws {
    var cursor = ByteCursor(payload)
    switch try cursor.read(UInt8.self, "a message of a replication stream") {
    case UInt8(ascii: "w"):
      let position = LSN(rawValue: try cursor.read(UInt64.self, "a position"))
      _ = try cursor.read(count: 16, "the server's position and clock")
      try message(position, &cursor)
    case UInt8(ascii: "k"): return
    default: throw DecodeError(expected: "a message of a replication stream", offset: 0)
    }
  }

  private mutating func message(_ position: LSN, _ cursor: inout ByteCursor) throws {
    let start = cursor.offset
    let kind = try cursor.read(UInt8.self, "a message")
    switch kind {
    case UInt8(ascii: "I"), UInt8(ascii: "U"), UInt8(ascii: "D"), UInt8(ascii: "T"),
      UInt8(ascii: "R"), UInt8(ascii: "Y"), UInt8(ascii: "M"):
      guard let piece else { return try change(kind, position, &cursor) }
      let xid = try cursor.read(UInt32.self, "a transaction")
      try spool.append(to: piece, xid, position.rawValue, kind, cursor.readRest())
    case UInt8(ascii: "O"):
      // Within a piece it belongs to all of the transaction, whose begin is written later.
      guard let piece else { return try origin(&cursor) }
      try spool.append(to: piece, piece, position.rawValue, kind, cursor.readRest())
    case UInt8(ascii: "S"): try beginPiece(&cursor)
    case UInt8(ascii: "E"):
      piece = nil
      try cursor.expectEnd("a stream stop")
    case UInt8(ascii: "c"): try commitStreamed(&cursor)
    case UInt8(ascii: "p"): try prepareStreamed(&cursor)
    case UInt8(ascii: "A"): try abortStreamed(&cursor)
    default:
      piece = nil
      guard try boundary(kind, &cursor) else {
        throw DecodeError(expected: "a message of pgoutput", offset: start)
      }
    }
  }

  /// What begins or ends a transaction that comes whole, or settles a prepared one.
  private mutating func boundary(_ kind: UInt8, _ cursor: inout ByteCursor) throws -> Bool {
    switch kind {
    case UInt8(ascii: "B"): try begin(&cursor)
    case UInt8(ascii: "C"): try commit(&cursor)
    case UInt8(ascii: "b"): try beginPrepare(&cursor)
    case UInt8(ascii: "P"): try prepare(&cursor)
    case UInt8(ascii: "K"): try commitPrepared(&cursor)
    case UInt8(ascii: "r"): try rollbackPrepared(&cursor)
    default: return false
    }
    return true
  }

  // MARK: - Transactions that come whole

  /// One that is open was cut off when the server was lost, and comes again.
  private mutating func begin(_ cursor: inout ByteCursor) throws {
    let position = LSN(rawValue: try cursor.read(UInt64.self, "a position"))
    let time = try cursor.read(Int64.self, "a time")
    pending = Begin(
      xid: try cursor.read(UInt32.self, "a transaction"), position: position, time: time)
    open = pending?.xid
    try cursor.expectEnd("a begin")
  }

  mutating func origin(_ cursor: inout ByteCursor) throws {
    let position = LSN(rawValue: try cursor.read(UInt64.self, "a position"))
    pending?.origin = (String(utf8: try cursor.readText("an origin")), position)
    try cursor.expectEnd("an origin")
  }

  mutating func writePending() throws {
    guard let begin = pending.take() else { return }
    try events.write("begin") { line in
      line.field("xid", begin.xid)
      line.field("lsn", begin.position.description)
      line.field(begin.gid == nil ? "committed_at" : "prepared_at", Self.time(begin.time))
      if let gid = begin.gid { line.field("gid", gid) }
      if let origin = begin.origin {
        line.field("origin", origin.name)
        // Before a transaction has ended, the server does not know the position either.
        if origin.position.isValid { line.field("origin_lsn", origin.position.description) }
      }
    }
  }

  /// The server's clock counts from 2000.
  static func time(_ microseconds: Int64) -> String {
    Timestamp.text(microseconds: microseconds &+ 946_684_800_000_000)
  }

  private mutating func commit(_ cursor: inout ByteCursor) throws {
    _ = try cursor.read(UInt8.self, "flags")
    let (position, end) = try positions(&cursor)
    _ = try cursor.read(Int64.self, "a time")
    try cursor.expectEnd("a commit")
    guard let xid = open else {
      throw DecodeError(expected: "a begin before a commit", offset: cursor.offset)
    }
    try writeCommit(xid, position, end)
  }

  mutating func writeCommit(_ xid: UInt32, _ position: LSN, _ end: LSN) throws {
    try writePending()
    open = nil
    try events.write("commit") { line in
      line.field("xid", xid)
      line.field("lsn", position.description)
      line.field("end_lsn", end.description)
    }
  }

  func positions(_ cursor: inout ByteCursor) throws -> (LSN, LSN) {
    let position = LSN(rawValue: try cursor.read(UInt64.self, "a position"))
    return (position, LSN(rawValue: try cursor.read(UInt64.self, "an end position")))
  }
}
