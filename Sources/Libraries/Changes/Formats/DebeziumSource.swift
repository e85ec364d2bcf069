internal import Bytes
internal import Filter
internal import JSON
internal import Postgres

/// What Debezium's events say of where a change comes from.
struct DebeziumSource {
  /// Up to the time of the change.
  private let head: [UInt8]
  /// From the database to the positions.
  private let middle: [UInt8]
  /// Nil outside of transactions.
  var transaction: SourceTransaction?
  /// Where the last commit ended.
  var lastCommit: LSN?

  init(_ names: SourceNames) {
    var text = ByteBuffer()
    text.append(#"{"version":"#)
    JSONText.appendString(version, to: &text)
    text.append(#","connector":"postgresql","name":"#)
    JSONText.appendString(names.name, to: &text)
    text.append(#","ts_ms":"#)
    head = [UInt8](copying: text.span)
    text.removeAll()
    text.append(#","db":"#)
    JSONText.appendString(names.database, to: &text)
    text.append(#","sequence":"["#)
    middle = [UInt8](copying: text.span)
  }

  /// Appends the object; `names` are the members of the table, and what belongs to no transaction is of `now`.
  func append(
    _ names: [UInt8], at position: LSN?, now: Int64, isTransactional: Bool = true,
    to out: inout ByteBuffer
  ) {
    let transaction = isTransactional ? transaction : nil
    let time = transaction?.committedAt ?? now
    out.append(head)
    out.append(decimal: time / 1000)
    out.append(#","snapshot":""#)
    out.append(transaction?.isSnapshot == true ? "true" : "false")
    out.append(UInt8(ascii: "\""))
    out.append(middle)
    Self.appendQuoted(lastCommit, to: &out)
    out.append(UInt8(ascii: ","))
    Self.appendQuoted(position, to: &out)
    out.append(#"]","ts_us":"#)
    out.append(decimal: time)
    out.append(#","ts_ns":"#)
    out.append(decimal: time &* 1000)
    out.append(UInt8(ascii: ","))
    out.append(names)
    out.append(#","txId":"#)
    Self.append(transaction?.xid, to: &out)
    out.append(#","lsn":"#)
    Self.append(position?.rawValue, to: &out)
    out.append(#","xmin":null"#)
    appendOrigin(transaction, to: &out)
    out.append(UInt8(ascii: "}"))
  }

  private func appendOrigin(_ transaction: SourceTransaction?, to out: inout ByteBuffer) {
    out.append(#","origin":"#)
    if let origin = transaction?.origin {
      JSONText.appendString(origin, to: &out)
    } else {
      out.append("null")
    }
    out.append(#","origin_lsn":"#)
    Self.append(transaction?.originPosition?.rawValue, to: &out)
  }

  private static func append(_ number: (some FixedWidthInteger)?, to out: inout ByteBuffer) {
    guard let number else { return out.append("null") }
    out.append(decimal: number)
  }

  /// Within a string.
  private static func appendQuoted(_ position: LSN?, to out: inout ByteBuffer) {
    guard let position else { return out.append("null") }
    out.append(#"\""#)
    out.append(decimal: position.rawValue)
    out.append(#"\""#)
  }
}
