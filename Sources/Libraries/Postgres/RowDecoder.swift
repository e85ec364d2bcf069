internal import Bytes
internal import JSON

/// A line that cannot be a row of the table.
public struct RowError: Error, Equatable {
  /// Nil where the line as a whole is at fault.
  public let column: String?
  public let problem: String
}

/// Turns lines of JSON into rows of values, as `TextRows` has them: the inverse of `RowEncoder`.
///
/// The first line settles the order of the columns. Lines with the same members in the same order
/// and with the same blanks take a path that compares what stands between the values with what
/// stood there in the first line, and copies the values, without allocation. Any other line is
/// taken apart member by member, which also finds the words for what is wrong with it.
struct RowDecoder: ~Copyable {
  /// How a value is copied.
  private enum Kind: UInt8 { case scalar, json, foreign, nested, ignored }

  /// One member of the first line.
  private struct Slot {
    /// Where that which stands before the value lies in `glue`.
    let glue: Range<Int>
    let kind: Kind
    /// -1 for a member that is passed over.
    let column: Int
  }

  private let plan: LoadPlan
  private let shapes: [ValueShape]
  private var slots: [Slot] = []
  /// What stood between the values of the first line, and behind the last one.
  private var glue: [UInt8] = []
  private var tail = 0..<0
  /// Of each column, whether rows have it.
  private var isWritten: [Bool]
  /// The columns of a row, in their order; settled by `learn`.
  private(set) var order: [Int]
  /// At the end of `order`, the columns that the first line lacks.
  private var nulls = 0
  private var literal = LiteralWriter()

  init(_ plan: LoadPlan) {
    self.plan = plan
    shapes = plan.columns.map(\.shape)
    order = Array(plan.columns.indices)
    isWritten = plan.columns.map { _ in true }
  }

  /// Settles the order of columns by the first line.
  mutating func learn(_ line: Span<UInt8>) throws(RowError) {
    let members = try parse(line)
    let given = members.compactMap(\.column)
    let missing = plan.columns.indices.filter { !given.contains($0) }
    if plan.missing == .error, let first = missing.first { throw lacks(first) }
    nulls = plan.missing == .null ? missing.count : 0
    order = given + missing.prefix(nulls)
    guard !order.isEmpty || plan.columns.isEmpty else {
      throw RowError(column: nil, problem: "no member is a column of \(plan.sqlName)")
    }
    for index in isWritten.indices { isWritten[index] = order.contains(index) }
    var previous = 0
    for member in members {
      slots.append(
        Slot(
          glue: appendGlue(line, previous..<member.value.lowerBound),
          kind: member.column.map { Self.kind(shapes[$0]) } ?? .ignored,
          column: member.column ?? -1))
      previous = member.value.upperBound
    }
    tail = appendGlue(line, previous..<line.count)
  }

  private mutating func appendGlue(_ line: Span<UInt8>, _ range: Range<Int>) -> Range<Int> {
    let start = glue.count
    glue += [UInt8](copying: line.extracting(range))
    return start..<glue.count
  }

  private static func kind(_ shape: ValueShape) -> Kind {
    switch shape {
    case .scalar: .scalar
    case .json: .json
    case .foreign: .foreign
    case .array, .vector, .composite, .hstore: .nested
    }
  }

  /// Appends the row of one line, which comes without its line feed.
  mutating func append(_ line: Span<UInt8>, to rows: inout TextRows) throws(RowError) {
    try rows.appendRow { (out) throws(RowError) in
      let start = out.count
      if appendAlike(line, to: &out) { return }
      out.truncate(to: start)
      try appendAnyhow(line, to: &out)
    }
  }

  // -- the fast way

  /// Appends a row if the line is like the first one.
  private mutating func appendAlike(_ line: Span<UInt8>, to out: inout ByteBuffer) -> Bool {
    unsafe line.withUnsafeBufferPointer { bytes in
      guard let start = bytes.baseAddress else { return false }
      var copier = unsafe ValueCopier(next: start, end: start + bytes.count)
      for index in slots.indices {
        let slot = slots[index]
        guard unsafe skip(slot.glue, &copier) else { return false }
        let offset = unsafe copier.next - start
        guard unsafe copy(slot, line, offset, &copier, to: &out) else { return false }
      }
      guard unsafe skip(tail, &copier), unsafe copier.next == copier.end else { return false }
      for _ in 0..<nulls { out.append(bigEndian: Int32(-1)) }
      return true
    }
  }

  @inline(__always)
  private func skip(_ range: Range<Int>, _ copier: inout ValueCopier) -> Bool {
    let span = glue.span
    return unsafe span.withUnsafeBufferPointer { bytes in
      guard let base = bytes.baseAddress else { return range.isEmpty }
      return unsafe copier.skip(base + range.lowerBound, range.count)
    }
  }

  @inline(__always)
  private mutating func copy(
    _ slot: Slot, _ line: Span<UInt8>, _ offset: Int, _ copier: inout ValueCopier,
    to out: inout ByteBuffer
  ) -> Bool {
    switch slot.kind {
    case .scalar: return unsafe copier.copyScalar(to: &out)
    case .json: return unsafe copier.copyJSON(to: &out)
    case .foreign: return unsafe copier.copyForeign(to: &out)
    case .nested, .ignored:
      var scanner = JSONScanner(at: offset)
      guard let range = try? scanner.value(line) else { return false }
      unsafe copier.next += scanner.offset - offset
      if slot.kind == .ignored { return true }
      return (try? copyNested(line.extracting(range), slot.column, to: &out)) != nil
    }
  }

  private mutating func copyNested(
    _ value: Span<UInt8>, _ column: Int, to out: inout ByteBuffer
  ) throws(ValueError) {
    guard try literal.write(value, as: shapes[column]) else {
      return out.append(bigEndian: Int32(-1))
    }
    out.append(bigEndian: Int32(truncatingIfNeeded: literal.span.count))
    out.append(literal.span)
  }

  // -- the slow way

  /// A member of a line; `value` is where its value lies, a json value with the blanks around it.
  private struct Member {
    let column: Int?
    let value: Range<Int>
  }

  private func parse(_ line: Span<UInt8>) throws(RowError) -> [Member] {
    var members: [Member] = []
    var isSeen = [Bool](repeating: false, count: shapes.count)
    var column: Int?
    do throws(ValueError) {
      guard try ValueReader.kind(line, 0..<line.count) == .object else {
        throw ValueError("expected an object")
      }
      var reader = ValueReader(inside: line)
      while let (name, range) = try reader.nextMember(line) {
        column = try plan.column(for: name)
        if let column {
          guard !isSeen[column] else { throw ValueError("member is there twice") }
          isSeen[column] = true
        }
        let isJSON = column.map { shapes[$0] == .json } ?? false
        members.append(
          Member(column: column, value: isJSON ? Self.widened(range, in: line) : range))
        column = nil
      }
      try reader.expectEnd(line)
    } catch {
      throw RowError(column: column.map { plan.columns[$0].name }, problem: error.problem)
    }
    return members
  }

  /// A range with the blanks before and behind it.
  private static func widened(_ range: Range<Int>, in line: Span<UInt8>) -> Range<Int> {
    func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }
    var (start, end) = (range.lowerBound, range.upperBound)
    while start > 0, isBlank(line[start - 1]) { start -= 1 }
    while end < line.count, isBlank(line[end]) { end += 1 }
    return start..<end
  }

  private mutating func appendAnyhow(
    _ line: Span<UInt8>, to out: inout ByteBuffer
  ) throws(RowError) {
    var values = [Range<Int>?](repeating: nil, count: shapes.count)
    for case let member in try parse(line) {
      guard let column = member.column else { continue }
      guard isWritten[column] else {
        throw RowError(
          column: plan.columns[column].name,
          problem: "the first line had no such member, so the column takes its default")
      }
      values[column] = member.value
    }
    for column in order {
      guard let value = values[column] else {
        guard plan.missing == .null else { throw lacks(column) }
        out.append(bigEndian: Int32(-1))
        continue
      }
      try appendValue(line.extracting(value), column, to: &out)
    }
  }

  private func lacks(_ column: Int) -> RowError {
    RowError(column: plan.columns[column].name, problem: "member is missing")
  }

  private mutating func appendValue(
    _ value: Span<UInt8>, _ column: Int, to out: inout ByteBuffer
  ) throws(RowError) {
    let start = out.count
    let kind = Self.kind(shapes[column])
    let isCopied = unsafe value.withUnsafeBufferPointer { bytes in
      guard kind != .nested, let start = bytes.baseAddress else { return false }
      var copier = unsafe ValueCopier(next: start, end: start + bytes.count)
      let slot = Slot(glue: 0..<0, kind: kind, column: column)
      return unsafe copy(slot, value, 0, &copier, to: &out) && copier.next == copier.end
    }
    if isCopied { return }
    // The slow writer takes what the fast one does, and says why it does not.
    out.truncate(to: start)
    do throws(ValueError) { try copyNested(value, column, to: &out) } catch {
      throw RowError(column: plan.columns[column].name, problem: error.problem)
    }
  }
}

extension ValueReader {
  /// Throws if anything but blanks stands behind the value.
  func expectEnd(_ text: Span<UInt8>) throws(ValueError) {
    var rest = JSONScanner(at: offset)
    rest.skipBlanks(text)
    guard rest.offset == text.count else {
      throw ValueError("expected nothing more at byte \(rest.offset)")
    }
  }
}
