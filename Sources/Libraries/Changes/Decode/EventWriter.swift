internal import Bytes
internal import Filter
internal import JSON
internal import Posix
internal import Postgres

/// Writes change events, many lines a system call.
struct EventWriter: ~Copyable {
  private static var flushBytes: Int { 128 << 10 }

  private let output: Descriptor
  /// Makes another format of the events where one is wanted.
  private var converter: EventConverter?
  private var converted = ByteBuffer()
  private var buffer = ByteBuffer(capacity: 192 << 10)
  private(set) var byteCount = 0
  /// The columns of the present row whose value was not sent.
  private var unchanged: [Int] = []

  init(to output: Descriptor, converter: EventConverter? = nil) {
    (self.output, self.converter) = (output, converter)
  }

  /// Hands everything held to the kernel.
  ///
  /// The events are converted here and not one by one, so that those that go out as they are lose no time.
  mutating func flush() throws {
    guard !buffer.isEmpty else { return }
    if converter != nil {
      try flushConverted()
    } else {
      try output.writeAll(buffer.span)
      byteCount += buffer.count
    }
    buffer.removeAll()
  }

  /// Of events that cannot be converted, those before are written.
  private mutating func flushConverted() throws {
    guard var converter = converter.take() else { return }
    // Both are taken out while the events' bytes are borrowed.
    var lines = ByteBuffer()
    swap(&lines, &converted)
    var problem: (any Error)?
    do { try Self.convert(buffer.span, by: &converter, to: &lines) } catch { problem = error }
    self.converter = converter
    try output.writeAll(lines.span)
    byteCount += lines.count
    lines.removeAll()
    swap(&lines, &converted)
    if let problem { throw problem }
  }

  private static func convert(
    _ events: Span<UInt8>, by converter: inout EventConverter, to lines: inout ByteBuffer
  ) throws {
    var start = 0
    while let end = events.firstIndex(of: UInt8(ascii: "\n"), from: start) {
      try converter.convert(events.extracting(start..<end), to: &lines)
      start = end + 1
    }
  }

  /// Hands out everything where nothing more comes for the moment, and notices a reader that is gone.
  ///
  /// Who waits for changes would not find out before the next one, and the sender not either.
  mutating func rest() throws {
    try flush()
    try output.checkReader()
  }

  private mutating func flushIfFull() throws {
    if buffer.count >= Self.flushBytes { try flush() }
  }

  /// Writes an event that is rare.
  mutating func write(_ type: String, _ fill: (inout JSONWriter) -> Void) throws {
    var line = JSONWriter()
    line.object { line in
      line.field("type", type)
      fill(&line)
    }
    line.endLine()
    buffer.append(line.span)
    try flushIfFull()
  }

  mutating func write(_ relation: RelationFormat) throws {
    buffer.append(relation.event)
    try flushIfFull()
  }

  // MARK: - Rows

  /// Writes the event of a message of type `I`, `U` or `D`, from behind the table's OID.
  mutating func writeRow(
    _ kind: UInt8, _ relation: RelationFormat, _ position: LSN, _ cursor: inout ByteCursor
  ) throws {
    let start = buffer.count
    do throws(DecodeError) {
      switch kind {
      case UInt8(ascii: "I"): try insert(relation, position, &cursor)
      case UInt8(ascii: "U"): try update(relation, position, &cursor)
      default: try delete(relation, position, &cursor)
      }
      buffer.append("}\n")
    } catch {
      // What is whole goes out; a line that is not has no place there.
      buffer.truncate(to: start)
      throw error
    }
    try flushIfFull()
  }

  private mutating func insert(
    _ relation: RelationFormat, _ position: LSN, _ cursor: inout ByteCursor
  ) throws(DecodeError) {
    buffer.append(relation.insertHead)
    buffer.append(position)
    try expect(UInt8(ascii: "N"), &cursor)
    buffer.append(#"","new":{"#)
    try appendNew(relation, &cursor)
  }

  private mutating func update(
    _ relation: RelationFormat, _ position: LSN, _ cursor: inout ByteCursor
  ) throws(DecodeError) {
    buffer.append(relation.updateHead)
    buffer.append(position)
    let kind = try cursor.read(UInt8.self, "a row")
    if kind != UInt8(ascii: "N") {
      try appendOld(kind, relation, &cursor)
      try expect(UInt8(ascii: "N"), &cursor)
      buffer.append(#","new":{"#)
    } else {
      buffer.append(#"","new":{"#)
    }
    try appendNew(relation, &cursor)
  }

  private mutating func delete(
    _ relation: RelationFormat, _ position: LSN, _ cursor: inout ByteCursor
  ) throws(DecodeError) {
    buffer.append(relation.deleteHead)
    buffer.append(position)
    try appendOld(try cursor.read(UInt8.self, "a row"), relation, &cursor)
  }

  private func expect(_ kind: UInt8, _ cursor: inout ByteCursor) throws(DecodeError) {
    let start = cursor.offset
    guard try cursor.read(UInt8.self, "a row") == kind else {
      throw DecodeError(expected: "a new row", offset: start)
    }
  }

  /// Of a key, the columns that are none of it come as null, which says nothing.
  private mutating func appendOld(
    _ kind: UInt8, _ relation: RelationFormat, _ cursor: inout ByteCursor
  ) throws(DecodeError) {
    guard kind == UInt8(ascii: "K") || kind == UInt8(ascii: "O") else {
      throw DecodeError(expected: "an old row", offset: cursor.offset - 1)
    }
    buffer.append(#"","old":{"#)
    try appendRow(relation, onlyKey: kind == UInt8(ascii: "K"), &cursor)
    buffer.append("}")
  }

  private mutating func appendNew(
    _ relation: RelationFormat, _ cursor: inout ByteCursor
  ) throws(DecodeError) {
    unchanged.removeAll(keepingCapacity: true)
    try appendRow(relation, onlyKey: false, &cursor)
    buffer.append("}")
    if !unchanged.isEmpty { appendUnchanged(relation) }
  }

  private mutating func appendUnchanged(_ relation: RelationFormat) {
    buffer.append(#","unchanged":["#)
    for (place, index) in unchanged.enumerated() {
      if place > 0 { buffer.append(",") }
      JSONText.appendString(relation.columns[index].name, to: &buffer)
    }
    buffer.append("]")
  }

  /// Appends the members of a row.
  private mutating func appendRow(
    _ relation: RelationFormat, onlyKey: Bool, _ cursor: inout ByteCursor
  ) throws(DecodeError) {
    let columns = relation.columns
    let count = Int(try cursor.read(UInt16.self, "the number of values"))
    guard count == columns.count else {
      throw DecodeError(
        expected: "\(columns.count) values of \(relation.name)", offset: cursor.offset)
    }
    var isFirst = true
    for index in 0..<count {
      let kind = try cursor.read(UInt8.self, "a value's kind")
      if kind == UInt8(ascii: "u") {
        unchanged.append(index)
        continue
      }
      let isWanted = !onlyKey || columns[index].isKey
      if isWanted {
        if !isFirst { buffer.append(UInt8(ascii: ",")) }
        isFirst = false
        buffer.append(columns[index].member)
      }
      switch kind {
      case UInt8(ascii: "t"):
        let length = Int(try cursor.read(UInt32.self, "a value's length"))
        let text = try cursor.read(count: length, "a value")
        if isWanted { columns[index].encoder.append(text, to: &buffer) }
      case UInt8(ascii: "n"):
        if isWanted { buffer.append("null") }
      default: throw DecodeError(expected: "a value in text form", offset: cursor.offset - 1)
      }
    }
  }
}

extension ByteBuffer {
  /// Appends a position as `LSN` prints it, without making a text of it.
  fileprivate mutating func append(_ position: LSN) {
    append(hex: UInt32(position.rawValue >> 32))
    append(UInt8(ascii: "/"))
    append(hex: UInt32(truncatingIfNeeded: position.rawValue))
  }

  private mutating func append(hex value: UInt32) {
    var digits = value == 0 ? 1 : (35 - value.leadingZeroBitCount) / 4
    while digits > 0 {
      digits -= 1
      let digit = UInt8(truncatingIfNeeded: value >> UInt32(digits * 4)) & 15
      append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "A") + digit - 10)
    }
  }
}
