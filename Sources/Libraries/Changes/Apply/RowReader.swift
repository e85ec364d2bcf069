internal import Bytes
internal import JSON
internal import Postgres

/// A row that cannot be read.
struct RowProblem: Error {
  /// The column at fault, where it is known.
  let column: String?
  let problem: String
}

/// Reads the row of an event, `{"id":1,"note":"x"}`, into values of the target's columns.
///
/// Rows of one table mostly have the same members in the same order, so each name is first compared with
/// the one that stood there in the row before.
struct RowReader: ~Copyable {
  /// The values as `TextRows` has them, in the order in which they came.
  private var values = ByteBuffer(capacity: 1024)
  /// Where the value of each of the target's columns begins in `values`; -1 when there is none.
  private var starts: [Int]
  /// The columns that have a value, in the order in which they came.
  private(set) var present: [Int] = []
  /// The names of the row before, `"name":`, one behind the other.
  private var names = ByteBuffer()
  /// Where each of them ends in `names`, and the column that it means.
  private var known: [(end: Int, place: Int)] = []

  init(columnCount: Int) { starts = [Int](repeating: -1, count: columnCount) }

  /// Reads the object at `start`, and returns where it ends.
  ///
  /// `columns` is where names are looked up, -1 for a column that is passed over.
  mutating func read(
    _ line: Span<UInt8>, _ start: Int, _ table: TargetTable, _ columns: [[UInt8]: Int],
    _ texts: inout TextValues
  ) throws(RowProblem) -> Int {
    clear()
    do throws(JSONError) {
      var scanner = JSONScanner(at: start)
      try scanner.expect(UInt8(ascii: "{"), line)
      if scanner.skip(UInt8(ascii: "}"), line) { return scanner.offset }
      var member = 0
      repeat {
        let place = try place(line, &scanner, member, columns)
        member += 1
        if place < 0 {
          _ = try scanner.value(line)
        } else {
          guard starts[place] < 0 else {
            throw JSONError(expected: "each column once", offset: scanner.offset)
          }
          starts[place] = values.count
          present.append(place)
          try append(line, &scanner, place, table.columns[place].isJSON, &texts)
        }
      } while scanner.skip(UInt8(ascii: ","), line)
      try scanner.expect(UInt8(ascii: "}"), line)
      return scanner.offset
    } catch {
      let name = present.last.map { table.columns[$0].name }
      throw RowProblem(column: name, problem: error.description)
    }
  }

  mutating func clear() {
    for column in present { starts[column] = -1 }
    present.removeAll(keepingCapacity: true)
    values.removeAll()
  }

  /// Steps over the name that comes next and its colon, and returns the column that it means.
  private mutating func place(
    _ line: Span<UInt8>, _ scanner: inout JSONScanner, _ member: Int, _ columns: [[UInt8]: Int]
  ) throws(JSONError) -> Int {
    let start = member == 0 ? 0 : known[member - 1].end
    if member < known.count,
      scanner.skip(exactly: names.span.extracting(start..<known[member].end), line)
    {
      return known[member].place
    }
    let inside = try scanner.string(line).inside
    let place = try Self.find(line, inside, columns)
    try scanner.expect(UInt8(ascii: ":"), line)
    known.removeSubrange(member...)
    names.truncate(to: start)
    names.append(line.extracting(inside.lowerBound - 1..<inside.upperBound + 1))
    names.append(UInt8(ascii: ":"))
    known.append((names.count, place))
    return place
  }

  private static func find(
    _ line: Span<UInt8>, _ inside: Range<Int>, _ columns: [[UInt8]: Int]
  ) throws(JSONError) -> Int {
    var name = ByteBuffer(capacity: inside.count)
    try JSONText.appendUnescaped(line.extracting(inside), to: &name)
    if let place = columns[[UInt8](copying: name.span)] { return place }
    let shown = Quoting.identifier(String(utf8: name.span))
    throw JSONError(
      expected: "a column that the target has, found \(shown)", offset: inside.lowerBound)
  }

  /// Appends the value that comes next.
  private mutating func append(
    _ line: Span<UInt8>, _ scanner: inout JSONScanner, _ column: Int, _ isJSON: Bool,
    _ texts: inout TextValues
  ) throws(JSONError) {
    let kind = try scanner.kind(line)
    if kind == .null {
      _ = try scanner.value(line)
      return values.append(bigEndian: Int32(-1))
    }
    let start = values.count
    values.append(bigEndian: Int32(0))
    if kind == .string, !isJSON {
      let escaped = try scanner.string(line, appendingTo: &values)
      if escaped, values.span.firstIndex(of: 0, from: start + 4) != nil {
        throw JSONError(
          expected: #"no \u0000, which cannot be stored as text"#, offset: scanner.offset)
      }
    } else {
      let value = line.extracting(try scanner.value(line))
      if !isJSON, kind == .array || kind == .object {
        do throws(RowError) { try texts.append(value, column: column, to: &values) } catch {
          throw JSONError(expected: "another value (\(error.problem))", offset: scanner.offset)
        }
      } else {
        values.append(value)
      }
    }
    TextRows.setLength(at: start, in: &values)
  }

  func has(_ column: Int) -> Bool { starts[column] >= 0 }

  func hasColumns(_ columns: [Int]) -> Bool { present == columns }

  /// The value of a column that is present, its length before it.
  @_lifetime(borrow self)
  private borrowing func stored(_ column: Int) -> Span<UInt8> {
    let span = values.span
    let start = starts[column]
    let length = max(0, Int(span.bigEndian(Int32.self, at: start)))
    return span.extracting(start..<start + 4 + length)
  }

  /// Appends the values of columns that are present.
  func append(_ columns: some Sequence<Int>, to rows: inout TextRows) {
    for column in columns { rows.append(stored: stored(column)) }
  }

  /// Appends all of the row, in the order in which it came.
  func appendAll(to rows: inout TextRows) { rows.append(stored: values.span, count: present.count) }

  /// True where both have the value, and the same.
  func agrees(_ column: Int, with other: borrowing RowReader) -> Bool {
    has(column) && other.has(column) && stored(column).equals(other.stored(column))
  }

  /// Mixes the values of these columns into a hash; nil when one of them is missing.
  func hash(_ columns: [Int]) -> UInt64? {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for column in columns {
      guard has(column) else { return nil }
      let bytes = stored(column)
      for index in bytes.indices {
        hash = (hash ^ UInt64(unsafe bytes[unchecked: index])) &* 0x100_0000_01B3
      }
    }
    return hash
  }
}
