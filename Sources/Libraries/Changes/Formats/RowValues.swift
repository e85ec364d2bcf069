internal import Bytes
internal import JSON
internal import Postgres

/// Where the values of a row lie in its line, by column.
struct RowValues {
  /// False where the event has no such row.
  private(set) var isPresent = false
  /// Empty for a column that the row has no value of.
  private(set) var ranges: [Range<Int>] = []

  /// Reads the object at `object`; an empty range is no row.
  mutating func read(
    _ line: Span<UInt8>, _ object: Range<Int>, _ relation: ConvertedRelation
  ) throws(JSONError) {
    isPresent = !object.isEmpty
    ranges.removeAll(keepingCapacity: true)
    for _ in relation.columns { ranges.append(0..<0) }
    guard isPresent else { return }
    var scanner = JSONScanner(at: object.lowerBound)
    try scanner.expect(UInt8(ascii: "{"), line)
    if scanner.skip(UInt8(ascii: "}"), line) { return }
    var next = 0
    repeat {
      let inside = try scanner.string(line).inside
      guard let place = relation.place(of: line.extracting(inside), from: next) else {
        throw JSONError(expected: "a column that was announced", offset: inside.lowerBound)
      }
      try scanner.expect(UInt8(ascii: ":"), line)
      ranges[place] = try scanner.value(line)
      next = place + 1
    } while scanner.skip(UInt8(ascii: ","), line)
    try scanner.expect(UInt8(ascii: "}"), line)
  }

  /// Makes strings of PostgreSQL's own text of the values, in `texts`, where they lie from then on.
  mutating func makeText(
    _ line: Span<UInt8>, _ relation: ConvertedRelation, in texts: inout ByteBuffer
  ) {
    for place in ranges.indices where !ranges[place].isEmpty {
      let start = texts.count
      EventValue.appendText(
        of: line.extracting(ranges[place]), relation.columns[place].type, to: &texts)
      ranges[place] = start..<texts.count
    }
  }
}

/// A row's event, taken apart.
struct RowEvent {
  var kind = EventKind.insert
  /// Nil where the event does not tell.
  var position: LSN?
  var old = RowValues()
  var new = RowValues()
}
