internal import Bytes
internal import JSON
internal import Postgres

/// Transactions that are prepared first and settled later.
extension ChangeDecoder {
  mutating func beginPrepare(_ cursor: inout ByteCursor) throws {
    let (position, _) = try positions(&cursor)
    let time = try cursor.read(Int64.self, "a time")
    let xid = try cursor.read(UInt32.self, "a transaction")
    pending = Begin(
      xid: xid, position: position, time: time, gid: String(utf8: try cursor.readText("a gid")))
    open = xid
    try cursor.expectEnd("a begin")
  }

  mutating func prepare(_ cursor: inout ByteCursor) throws {
    _ = try cursor.read(UInt8.self, "flags")
    let (position, end) = try positions(&cursor)
    let time = try cursor.read(Int64.self, "a time")
    let xid = try cursor.read(UInt32.self, "a transaction")
    let gid = String(utf8: try cursor.readText("a gid"))
    try cursor.expectEnd("a prepare")
    // Of one that has only locked rows, some servers send no begin.
    if open == nil { pending = Begin(xid: xid, position: position, time: time, gid: gid) }
    try writePrepare(xid, gid, position, end)
  }

  mutating func writePrepare(
    _ xid: UInt32, _ gid: String, _ position: LSN, _ end: LSN
  ) throws {
    try writePending()
    open = nil
    try events.write("prepare") { line in
      line.field("xid", xid)
      line.field("gid", gid)
      line.field("lsn", position.description)
      line.field("end_lsn", end.description)
    }
  }

  mutating func commitPrepared(_ cursor: inout ByteCursor) throws {
    _ = try cursor.read(UInt8.self, "flags")
    let (position, end) = try positions(&cursor)
    let time = try cursor.read(Int64.self, "a time")
    let xid = try cursor.read(UInt32.self, "a transaction")
    let gid = String(utf8: try cursor.readText("a gid"))
    try cursor.expectEnd("a commit of what was prepared")
    try events.write("commit_prepared") { line in
      line.field("xid", xid)
      line.field("gid", gid)
      line.field("lsn", position.description)
      line.field("end_lsn", end.description)
      line.field("committed_at", Self.time(time))
    }
  }

  mutating func rollbackPrepared(_ cursor: inout ByteCursor) throws {
    _ = try cursor.read(UInt8.self, "flags")
    let (position, end) = try positions(&cursor)
    _ = try cursor.read(Int64.self, "a time of preparing")
    let time = try cursor.read(Int64.self, "a time")
    let xid = try cursor.read(UInt32.self, "a transaction")
    let gid = String(utf8: try cursor.readText("a gid"))
    try cursor.expectEnd("a rollback of what was prepared")
    try events.write("rollback_prepared") { line in
      line.field("xid", xid)
      line.field("gid", gid)
      line.field("lsn", position.description)
      line.field("end_lsn", end.description)
      line.field("rolled_back_at", Self.time(time))
    }
  }
}
