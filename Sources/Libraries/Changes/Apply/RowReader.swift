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
  /// The names of the row before, as they stood in the line, and the columns that they mean.
  private var names: [[UInt8]] = []
  private var places: [Int] = []

  init(columnCount: Int) { starts = [Int](repeating: -1, count: columnCount) }

  /// Reads an object; `columns` is where names are looked up, -1 for a column that is passed over.
  mutating func read(
    _ line: Span<UInt8>, _ object: Range<Int>, _ table: TargetTable, _ columns: [[UInt8]: Int],
    _ texts: inout TextValues
  ) throws(RowProblem) {
    clear()
    do throws(JSONError) {
      var scanner = JSONScanner(at: object.lowerBound)
      try scanner.expect(UInt8(ascii: "{"), line)
      if scanner.skip(UInt8(ascii: "}"), line) { return }
      var member = 0
      repeat {
        let place = try place(line, try scanner.string(line).inside, member, columns)
        member += 1
        try scanner.expect(UInt8(ascii: ":"), line)
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

  /// The column that a name means.
  private mutating func place(
    _ line: Span<UInt8>, _ inside: Range<Int>, _ member: Int, _ columns: [[UInt8]: Int]
  ) throws(JSONError) -> Int {
    let raw = line.extracting(inside)
    if member < names.count, Self.equal(names[member], raw) { return places[member] }
    var name = ByteBuffer(capacity: inside.count)
    try JSONText.appendUnescaped(raw, to: &name)
    guard let place = columns[[UInt8](copying: name.span)] else {
      let name = Quoting.identifier(String(utf8: name.span))
      throw JSONError(
        expected: "a column that the target has, found \(name)", offset: inside.lowerBound)
    }
    names.removeSubrange(min(member, names.count)...)
    places.removeSubrange(min(member, places.count)...)
    if names.count == member {
      names.append([UInt8](copying: raw))
      places.append(place)
    }
    return place
  }

  private static func equal(_ name: [UInt8], _ raw: Span<UInt8>) -> Bool { name.span.equals(raw) }

  /// Appends the value that comes next.
  private mutating func append(
    _ line: Span<UInt8>, _ scanner: inout JSONScanner, _ column: Int, _ isJSON: Bool,
    _ texts: inout TextValues
  ) throws(JSONError) {
    let kind = try scanner.kind(line)
    if kind == .null {
      _ = try scanner.value(line)
      return TextRows.append(length: -1, to: &values)
    }
    let start = values.count
    TextRows.append(length: 0, to: &values)
    if kind == .string, !isJSON {
      let (inside, escaped) = try scanner.string(line)
      if escaped {
        try JSONText.appendUnescaped(line.extracting(inside), to: &values)
        guard values.span.firstIndex(of: 0, from: start + 4) == nil else {
          throw JSONError(
            expected: #"no \u0000, which cannot be stored as text"#, offset: inside.lowerBound)
        }
      } else {
        values.append(line.extracting(inside))
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
