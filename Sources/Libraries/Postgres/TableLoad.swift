internal import Bytes
internal import Posix

/// One load of a table: lines in, rows by COPY, all in the caller's transaction.
public struct TableLoad: ~Copyable {
  /// Rows are sent when this many bytes of them are together.
  private static var batchBytes: Int { 32 << 10 }

  private let plan: LoadPlan
  private var decoder: RowDecoder
  /// Rows that were not sent yet.
  private var pending = TextRows(width: 0)
  /// The same as the server takes them.
  private var encoded = ByteBuffer(capacity: 48 << 10)
  /// The binary forms of a row's values; nil once the rows go as text.
  private var forms: [BinaryForm]?
  /// Lines taken so far.
  public private(set) var lines = 0
  /// Lines whose rows were sent.
  private var linesSent = 0
  /// Rows that the server has taken, in COPY statements that are done.
  private var rows = 0
  /// The lines that were taken before the present COPY statement; nil while there is none.
  private var base: Int?

  public init(_ plan: LoadPlan) {
    self.plan = plan
    decoder = RowDecoder(plan)
  }

  /// Takes one line, without its line feed; true when rows were sent because of it.
  ///
  /// Throws a `Failure` (65) that names the line that cannot be a row.
  public mutating func append(
    _ line: Span<UInt8>, on connection: borrowing Connection
  ) throws -> Bool {
    do throws(RowError) {
      if lines == 0 { try learn(line) }
      try decoder.append(line, to: &pending)
    } catch {
      let place = error.column.map { ", column \"\($0)\"" } ?? ""
      throw Failure(.badInput, "line \(lines + 1)\(place): \(error.problem)")
    }
    lines += 1
    guard pending.byteCount >= Self.batchBytes else { return false }
    // A server that speaks has failed. Should it not have, another statement goes on.
    if try send(on: connection) { try end(on: connection) }
    return true
  }

  /// Sends what is left and returns the number of rows that the server took.
  public mutating func finish(on connection: borrowing Connection) throws -> Int {
    _ = try send(on: connection)
    try end(on: connection)
    return rows
  }

  private mutating func learn(_ first: Span<UInt8>) throws(RowError) {
    try decoder.learn(first)
    pending = TextRows(width: decoder.order.count)
    forms = plan.binaryForms(decoder.order)
  }

  /// Sends the rows that are together; true when the server had something to say.
  private mutating func send(on connection: borrowing Connection) throws -> Bool {
    defer { encoded.removeAll() }
    if !pending.appendCopy(forms, to: &encoded) {
      if base != nil { try end(on: connection) }
      forms = nil
      pending.appendCopyText(to: &encoded)
    }
    if base == nil { try begin(on: connection) }
    let hasSpoken = try connection.sendCopyIn(encoded.span)
    linesSent = lines
    pending.removeAll()
    return hasSpoken
  }

  private mutating func begin(on connection: borrowing Connection) throws {
    let statement = plan.copyStatement(decoder.order, isBinary: forms != nil)
    try connection.beginCopy(statement, isBinary: forms != nil)
    base = linesSent
  }

  private mutating func end(on connection: borrowing Connection) throws {
    do { rows += try connection.endCopy(isBinary: forms != nil) } catch let error as PostgresError {
      throw located(error)
    }
    base = nil
  }

  /// The server's error with the number of the input's line, where it gave one.
  private func located(_ error: PostgresError) -> any Error {
    guard let place = CopyPlace(error.context ?? "", relation: plan.name) else { return error }
    let column = place.column.map { ", column \"\($0)\"" } ?? ""
    // A row too large for the server is the row's fault.
    let tooLarge = error.sqlState?.hasPrefix("54") ?? false
    return Failure(
      tooLarge ? .badInput : error.exitCode,
      "line \((base ?? 0) + place.line)\(column): \(error.message)",
      detail: error.detail == error.context ? place.rest : error.detail, hint: error.hint)
  }
}

/// What the context of an error in COPY says: `COPY orders, line 17, column id: "x"`.
struct CopyPlace: Equatable {
  let line: Int
  let column: String?
  /// The value at fault, where it is told.
  let rest: String?

  /// Understands translated contexts too, since only the order of the parts is relied on.
  init?(_ context: String, relation: String) {
    let head = Array("COPY \(relation), ".utf8)
    let lines = context.utf8.split(separator: UInt8(ascii: "\n"))
    guard let text = lines.first(where: { $0.starts(with: head) })?.dropFirst(head.count) else {
      return nil
    }
    let isDigit = { (byte: UInt8) in byte &- 0x30 < 10 }
    let digits = text.drop { !isDigit($0) }.prefix(while: isDigit)
    guard let line = Int(String(Substring(digits))) else { return nil }
    self.line = line
    let tail = text[digits.endIndex...]
    let colon = tail.indices.first { tail[$0...].starts(with: [0x3A, 0x20]) }
    rest = colon.map { String(Substring(tail[$0...].dropFirst(2))) }
    let prefix = Array(", column ".utf8)
    let name = tail[..<(colon ?? tail.endIndex)]
    column = name.starts(with: prefix) ? String(Substring(name.dropFirst(prefix.count))) : nil
  }
}
