internal import Bytes
internal import Postgres

/// Transactions that come in pieces, before the server knows how they end.
extension ChangeDecoder {
  mutating func beginPiece(_ cursor: inout ByteCursor) throws {
    let xid = try cursor.read(UInt32.self, "a transaction")
    let isFirst = try cursor.read(UInt8.self, "whether it is the first piece") == 1
    try cursor.expectEnd("a stream start")
    spool.open(xid, isFirst: isFirst)
    piece = xid
  }

  mutating func abortStreamed(_ cursor: inout ByteCursor) throws {
    let xid = try cursor.read(UInt32.self, "a transaction")
    let subtransaction = try cursor.read(UInt32.self, "a subtransaction")
    // Protocol 4 says where and when, too.
    if !cursor.isAtEnd { _ = try cursor.read(count: 16, "a position and a time") }
    try cursor.expectEnd("a stream abort")
    piece = nil
    spool.abort(xid, subtransaction)
  }

  mutating func commitStreamed(_ cursor: inout ByteCursor) throws {
    let xid = try cursor.read(UInt32.self, "a transaction")
    _ = try cursor.read(UInt8.self, "flags")
    let (position, end) = try positions(&cursor)
    let time = try cursor.read(Int64.self, "a time")
    try cursor.expectEnd("a stream commit")
    try replay(Begin(xid: xid, position: position, time: time))
    try writeCommit(xid, position, end)
  }

  mutating func prepareStreamed(_ cursor: inout ByteCursor) throws {
    _ = try cursor.read(UInt8.self, "flags")
    let (position, end) = try positions(&cursor)
    let time = try cursor.read(Int64.self, "a time")
    let xid = try cursor.read(UInt32.self, "a transaction")
    let gid = String(utf8: try cursor.readText("a gid"))
    try cursor.expectEnd("a stream prepare")
    try replay(Begin(xid: xid, position: position, time: time, gid: gid))
    try writePrepare(xid, gid, position, end)
  }

  /// Writes what was held of a transaction that has ended well.
  private mutating func replay(_ begin: Begin) throws {
    piece = nil
    pending = begin
    open = begin.xid
    guard let transaction = spool.take(begin.xid) else { return }
    do {
      try transaction.replay { position, message in
        var cursor = ByteCursor(message)
        let kind = try cursor.read(UInt8.self, "a message")
        try change(kind, LSN(rawValue: position), &cursor)
      }
    } catch let error as DecodeError {
      // Where the message came in is known no more.
      throw DecodeError(
        expected: "\(error.expected) in what came before of transaction \(begin.xid)", offset: 0)
    }
  }
}
