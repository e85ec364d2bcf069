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
  /// Rows without a value, which a table without a column has.
  private var emptyCount = 0

  public init(width: Int) { self.width = width }

  public var count: Int { width == 0 ? emptyCount : valueCount / width }
  public var byteCount: Int { values.count }

  public mutating func removeAll() {
    values.removeAll()
    (valueCount, emptyCount) = (0, 0)
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

  /// Appends a row whose values `write` appends, each as described above; nothing where it throws.
  mutating func appendRow<E>(_ write: (inout ByteBuffer) throws(E) -> Void) throws(E) {
    let start = values.count
    do throws(E) { try write(&values) } catch {
      values.truncate(to: start)
      throw error
    }
    valueCount += width
    if width == 0 { emptyCount += 1 }
  }

  /// Appends a value; nil is NULL.
  public mutating func append(_ value: String?) {
    valueCount += 1
    guard let value else { return values.append(bigEndian: Int32(-1)) }
    values.append(bigEndian: Int32(value.utf8.count))
    values.append(value)
  }

  /// Puts the length of what was written since `start` into the four bytes that stand there.
  @inlinable
  public static func setLength(at start: Int, in buffer: inout ByteBuffer) {
    let length = buffer.count - start - 4
    buffer.truncate(to: start)
    buffer.append(bigEndian: Int32(truncatingIfNeeded: length))
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

  /// Appends the rows as COPY takes them: in the binary format if there are `forms`, one for each value of a row.
  ///
  /// False, and nothing of it, where a value has no such form here.
  func appendCopy(_ forms: [BinaryForm]?, to out: inout ByteBuffer) -> Bool {
    if let forms { return appendCopyBinary(forms, to: &out) }
    appendCopyText(to: &out)
    return true
  }

  /// Appends the rows in the text format of COPY.
  func appendCopyText(to out: inout ByteBuffer) {
    for _ in 0..<emptyCount { out.append(UInt8(ascii: "\n")) }
    let span = values.span
    var (at, column) = (0, 0)
    while at < span.count {
      let length = Int(span.bigEndian(Int32.self, at: at))
      at += 4
      if length < 0 {
        out.append(#"\N"#)
      } else {
        CopyText.appendRuns(span.extracting(at..<at + length), to: &out)
        at += length
      }
      column += 1
      out.append(column == width ? UInt8(ascii: "\n") : UInt8(ascii: "\t"))
      if column == width { column = 0 }
    }
  }

  /// Appends the rows in the binary format of COPY; false, and nothing of it, where a value has no such form here.
  ///
  ///     number of values Int16 | length Int32 and bytes of each
  func appendCopyBinary(_ forms: [BinaryForm], to out: inout ByteBuffer) -> Bool {
    let span = values.span
    let start = out.count
    var (at, column) = (0, 0)
    while at < span.count {
      let length = Int(span.bigEndian(Int32.self, at: at))
      at += 4
      if column == 0 { out.append(bigEndian: Int16(width)) }
      if length < 0 {
        out.append(bigEndian: Int32(-1))
      } else if forms[column].append(span.extracting(at..<at + length), to: &out) {
        at += length
      } else {
        out.truncate(to: start)
        return false
      }
      column = column + 1 == width ? 0 : column + 1
    }
    return true
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
      for word in [1, 1, 25, Int32(count), 1] as [Int32] { out.append(bigEndian: word) }
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

/// The text format of COPY.
enum CopyText {
  /// Appends one byte of a value, escaped where COPY would take it for something else.
  @inline(__always)
  private static func append(_ byte: UInt8, to out: inout ByteBuffer) {
    switch byte {
    case UInt8(ascii: "\\"): out.append(#"\\"#)
    case UInt8(ascii: "\n"): out.append(#"\n"#)
    case UInt8(ascii: "\r"): out.append(#"\r"#)
    case UInt8(ascii: "\t"): out.append(#"\t"#)
    default: out.append(byte)
    }
  }

  /// Appends a value, what needs no escape in one piece.
  static func appendRuns(_ value: Span<UInt8>, to out: inout ByteBuffer) {
    var at = out.appendPlain(value, from: 0, withQuotes: true)
    while at < value.count {
      append(value[at], to: &out)
      at = out.appendPlain(value, from: at + 1, withQuotes: true)
    }
  }
}

/// Statements that are sent, and whose outcome is asked for later.
extension Connection {
  /// Sends rows of the COPY statement: in the binary format if there are `forms`, one for each value of a row.
  ///
  /// False, and nothing is sent, if a value has no such form here.
  /// Whether the server takes them shows in `collect` only.
  public borrowing func sendCopy(_ rows: borrowing TextRows, as forms: [BinaryForm]?) throws -> Bool
  {
    var bytes = ByteBuffer(capacity: rows.byteCount + rows.byteCount / 8)
    guard rows.appendCopy(forms, to: &bytes) else { return false }
    _ = try sendCopyIn(bytes.span)
    return true
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

  /// Waits for what was sent; the number of rows that it changed.
  public borrowing func collect() throws -> Int { try finish()?.affected ?? 0 }
}
