public import Bytes
internal import CLibPQ

/// Rows of values in their types' own text, ready to go to the server in one statement.
///
/// They lie as the server takes the elements of an array, row by row: a length of four bytes, most
/// significant first, and the bytes; -1 is NULL.
public struct TextRows: ~Copyable {
  /// The number of values in each row.
  public let width: Int
  private var values = ByteBuffer(capacity: 4096)
  private var valueCount = 0

  public init(width: Int) { self.width = width }

  public var count: Int { width == 0 ? 0 : valueCount / width }
  public var byteCount: Int { values.count }

  public mutating func removeAll() {
    values.removeAll()
    valueCount = 0
  }

  /// Appends a value that lies as described above, its length before it.
  public mutating func append(stored value: Span<UInt8>) {
    values.append(value)
    valueCount += 1
  }

  /// Appends `count` values that lie one behind the other.
  public mutating func append(stored values: Span<UInt8>, count: Int) {
    self.values.append(values)
    valueCount += count
  }

  /// Appends a value; nil is NULL.
  public mutating func append(_ value: String?) {
    valueCount += 1
    guard let value else { return Self.append(length: -1, to: &values) }
    Self.append(length: Int32(value.utf8.count), to: &values)
    values.append(value)
  }

  /// Appends four bytes, most significant first.
  @inlinable
  public static func append(length: Int32, to buffer: inout ByteBuffer) {
    unsafe UnsafeMutableRawPointer(buffer.reserve(4)).storeBytes(
      of: length.bigEndian, as: Int32.self)
    unsafe buffer.advance(by: 4)
  }

  /// Puts the length of what was written since `start` into the four bytes that stand there.
  @inlinable
  public static func setLength(at start: Int, in buffer: inout ByteBuffer) {
    let length = buffer.count - start - 4
    buffer.truncate(to: start)
    append(length: Int32(truncatingIfNeeded: length), to: &buffer)
    unsafe buffer.advance(by: length)
  }

  /// The value of a row as text; nil is NULL.
  public func text(_ row: Int, _ column: Int) -> String? {
    let span = values.span
    var at = 0
    for _ in 0..<row * width + column { at += 4 + max(0, Int(span.bigEndian(Int32.self, at: at))) }
    let length = Int(span.bigEndian(Int32.self, at: at))
    return length < 0 ? nil : String(utf8: span.extracting(at + 4..<at + 4 + length))
  }

  // -- the forms in which they are sent

  /// Appends the rows in the text format of COPY.
  func appendCopyText(to out: inout ByteBuffer) {
    let span = values.span
    var (at, column) = (0, 0)
    while at < span.count {
      let length = Int(span.bigEndian(Int32.self, at: at))
      at += 4
      if length < 0 {
        out.append(#"\N"# as StaticString)
      } else {
        CopyText.appendRuns(span.extracting(at..<at + length), to: &out)
        at += length
      }
      column += 1
      out.append(column == width ? UInt8(ascii: "\n") : UInt8(ascii: "\t"))
      if column == width { column = 0 }
    }
  }

  /// Appends one `text[]` per column in the binary format, and returns where each begins.
  ///
  ///     dimensions Int32 | has NULLs Int32 | element type Int32 | count Int32 | lower bound Int32 | elements
  func appendArrays(to out: inout ByteBuffer) -> [Int] {
    let span = values.span
    var next = [Int](repeating: 0, count: width)
    var at = 0
    for column in 0..<width {
      next[column] = at
      at += 4 + max(0, Int(span.bigEndian(Int32.self, at: at)))
    }
    // The first value of each column is found; from there on each step goes over a whole row.
    var starts: [Int] = []
    for column in 0..<width {
      starts.append(out.count)
      for word in [1, 1, 25, Int32(count), 1] { Self.append(length: word, to: &out) }
      appendColumn(from: next[column], to: &out)
    }
    return starts
  }

  /// Appends every `width`th value from the one at `start`.
  private func appendColumn(from start: Int, to out: inout ByteBuffer) {
    let span = values.span
    var at = start
    for row in 0..<count {
      let length = 4 + max(0, Int(span.bigEndian(Int32.self, at: at)))
      out.append(span.extracting(at..<at + length))
      guard row + 1 < count else { return }
      at += length
      for _ in 1..<width { at += 4 + max(0, Int(span.bigEndian(Int32.self, at: at))) }
    }
  }
}

extension CopyText {
  /// Appends a value, what needs no escape in one piece.
  static func appendRuns(_ value: Span<UInt8>, to out: inout ByteBuffer) {
    var at = out.appendPlain(value, from: 0)
    while at < value.count {
      append(value[at], to: &out)
      at = out.appendPlain(value, from: at + 1)
    }
  }
}

/// Statements that are sent, and whose outcome is asked for later.
extension Connection {
  /// Begins a COPY statement; until `collect`, nothing but rows may be sent.
  public borrowing func beginCopy(_ sql: String) throws { try startCopyIn(sql) }

  /// Sends rows of the COPY statement.
  ///
  /// Whether the server takes them shows in `collect` only.
  public borrowing func sendCopy(_ rows: borrowing TextRows) throws {
    var text = ByteBuffer(capacity: rows.byteCount + rows.byteCount / 8)
    rows.appendCopyText(to: &text)
    _ = try sendCopyIn(text.span)
  }

  /// Has the server parse a statement that is run again and again.
  ///
  /// The corresponding C function is `PQsendPrepare`.
  public borrowing func prepare(_ name: String, _ sql: String) throws {
    guard unsafe PQsendPrepare(handle, name, sql, 0, nil) == 1 else {
      throw unsafe PostgresError(connection: handle)
    }
    _ = try finish()
  }

  /// Sends a prepared statement whose parameters are one `text[]` per column of `rows`.
  ///
  /// The corresponding C function is `PQsendQueryPrepared`.
  public borrowing func send(prepared name: String, _ rows: borrowing TextRows) throws {
    var bytes = ByteBuffer(capacity: rows.byteCount + 24 * rows.width)
    let starts = rows.appendArrays(to: &bytes)
    let ends = starts.dropFirst() + [bytes.count]
    let lengths = zip(starts, ends).map { Int32($1 - $0) }
    let formats = [Int32](repeating: 1, count: rows.width)
    let sent = unsafe bytes.span.withUnsafeBytes { raw in
      let base = unsafe raw.baseAddress?.assumingMemoryBound(to: CChar.self)
      let values = unsafe starts.map { start in unsafe base.map { unsafe $0 + start } }
      return unsafe PQsendQueryPrepared(
        handle, name, Int32(rows.width), values, lengths, formats, 0)
    }
    guard sent == 1 else { throw unsafe PostgresError(connection: handle) }
  }

  /// Waits for what was sent, a COPY statement or another; the number of rows that it changed.
  ///
  /// The corresponding C function is `PQputCopyEnd`.
  public borrowing func collect(isCopy: Bool) throws -> Int {
    defer { _ = unsafe PQsetnonblocking(handle, 0) }
    if isCopy { try sendCopyEnd() }
    return try finish()?.affected ?? 0
  }
}
