internal import Bytes
internal import JSON
internal import Postgres

/// What a change event says happened.
enum EventKind: UInt8 {
  case begin, commit, relation, insert, update, delete, truncate, message, read
  case prepare, commitPrepared, rollbackPrepared

  var isOfRow: Bool { self == .insert || self == .update || self == .delete || self == .read }
}

/// One change event, taken apart in place: where the values of its members lie in its line.
///
/// A member that is not there has an empty range.
struct EventLine {
  private(set) var kind = EventKind.message
  private(set) var schema = 0..<0
  private(set) var table = 0..<0
  private(set) var old = 0..<0
  private(set) var new = 0..<0
  private(set) var lsn = 0..<0
  private(set) var endLSN = 0..<0
  private(set) var xid = 0..<0
  private(set) var committedAt = 0..<0
  /// Of a begin: its rows may be there already, and replace what is.
  private(set) var again = 0..<0
  /// Of a commit: the snapshot that it is a part of.
  private(set) var copy = 0..<0

  /// The new row, and what follows it, has not been looked at.
  private(set) var isOpen = false

  /// Reads all members.
  init(_ line: Span<UInt8>) throws(JSONError) {
    var scanner = JSONScanner()
    try readKind(line, &scanner)
    try readMembers(line, &scanner, opensRow: false)
  }

  /// Reads the members up to a new row that comes behind its table, for whoever reads the row anyway.
  ///
  /// `new` has no end then, until `close` is told of it. What the line has in common with the one before it is not
  /// read again.
  init(_ line: Span<UInt8>, after head: inout EventHead) throws(JSONError) {
    var scanner = JSONScanner()
    if head.begins(line, &scanner) {
      self = head.event
    } else {
      try readKind(line, &scanner)
      if kind.isOfRow {
        try readTable(line, &scanner)
        head = EventHead(line.extracting(..<scanner.offset), self)
      }
    }
    try readMembers(line, &scanner, opensRow: kind.isOfRow && kind != .delete)
  }

  fileprivate init() {}

  private mutating func readKind(
    _ line: Span<UInt8>, _ scanner: inout JSONScanner
  ) throws(JSONError) {
    try scanner.expect(UInt8(ascii: "{"), line)
    let name = try Self.name(line, &scanner)
    kind = try Self.kind(name, line, try scanner.value(line))
  }

  /// Reads schema and table where they come next.
  private mutating func readTable(
    _ line: Span<UInt8>, _ scanner: inout JSONScanner
  ) throws(JSONError) {
    var next = scanner
    for word: StaticString in ["schema", "table"] {
      guard next.skip(UInt8(ascii: ","), line) else { return }
      let name = try Self.name(line, &next)
      guard name.equals(word), try next.kind(line) == .string else { return }
      try set(name, try next.value(line))
      scanner = next
    }
  }

  /// Reads what follows the new row, which ends at `end`.
  mutating func close(_ line: Span<UInt8>, at end: Int) throws(JSONError) {
    isOpen = false
    new = new.lowerBound..<end
    var scanner = JSONScanner(at: end)
    try readMembers(line, &scanner, opensRow: false)
  }

  private mutating func readMembers(
    _ line: Span<UInt8>, _ scanner: inout JSONScanner, opensRow: Bool
  ) throws(JSONError) {
    while scanner.skip(UInt8(ascii: ","), line) {
      let name = try Self.name(line, &scanner)
      if opensRow, !table.isEmpty, name.equals("new") {
        scanner.skipBlanks(line)
        (isOpen, new) = (true, scanner.offset..<line.count)
        return
      }
      try set(name, try scanner.value(line))
    }
    try scanner.expect(UInt8(ascii: "}"), line)
    scanner.skipBlanks(line)
    guard scanner.offset == line.count else {
      throw JSONError(expected: "nothing more", offset: scanner.offset)
    }
  }

  /// Steps over a member's name and the colon.
  @_lifetime(copy line)
  private static func name(
    _ line: Span<UInt8>, _ scanner: inout JSONScanner
  ) throws(JSONError) -> Span<UInt8> {
    let name = line.extracting(try scanner.string(line).inside)
    try scanner.expect(UInt8(ascii: ":"), line)
    return name
  }

  private mutating func set(_ name: Span<UInt8>, _ value: Range<Int>) throws(JSONError) {
    switch name.count {
    case 3:
      if name.equals("new") { try Self.set(&new, value) }
      if name.equals("old") { try Self.set(&old, value) }
      if name.equals("lsn") { try Self.set(&lsn, value) }
      if name.equals("xid") { try Self.set(&xid, value) }
    case 4: if name.equals("copy") { try Self.set(&copy, value) }
    case 5:
      if name.equals("table") { try Self.set(&table, value) }
      if name.equals("again") { try Self.set(&again, value) }
    case 6: if name.equals("schema") { try Self.set(&schema, value) }
    case 7: if name.equals("end_lsn") { try Self.set(&endLSN, value) }
    case 12: if name.equals("committed_at") { try Self.set(&committedAt, value) }
    default: break
    }
  }

  private static func set(_ member: inout Range<Int>, _ value: Range<Int>) throws(JSONError) {
    guard member.isEmpty else {
      throw JSONError(expected: "each member once", offset: value.lowerBound)
    }
    member = value
  }

  /// The kind of the event in a line, without reading the rest of it.
  static func kind(
    of line: Span<UInt8>, after head: EventHead = EventHead()
  ) throws(JSONError) -> EventKind {
    var scanner = JSONScanner()
    if head.begins(line, &scanner) { return head.event.kind }
    try scanner.expect(UInt8(ascii: "{"), line)
    let name = try name(line, &scanner)
    scanner.skipBlanks(line)
    let start = scanner.offset
    _ = try scanner.string(line)
    return try kind(name, line, start..<scanner.offset)
  }

  private static func kind(
    _ name: Span<UInt8>, _ line: Span<UInt8>, _ value: Range<Int>
  ) throws(JSONError) -> EventKind {
    guard name.equals("type"), value.count >= 2, line[value.lowerBound] == UInt8(ascii: "\"") else {
      throw JSONError(expected: "\"type\" as the first member", offset: 1)
    }
    let word = line.extracting(value.lowerBound + 1..<value.upperBound - 1)
    guard let kind = kind(word) else {
      throw JSONError(expected: "the type of a change event", offset: value.lowerBound)
    }
    return kind
  }

  private static func kind(_ word: Span<UInt8>) -> EventKind? {
    switch word.count {
    case 4: word.equals("read") ? .read : nil
    case 5: word.equals("begin") ? .begin : nil
    case 6:
      word.equals("insert")
        ? .insert
        : word.equals("update")
          ? .update : word.equals("delete") ? .delete : word.equals("commit") ? .commit : nil
    case 7: word.equals("message") ? .message : word.equals("prepare") ? .prepare : nil
    case 8: word.equals("relation") ? .relation : word.equals("truncate") ? .truncate : nil
    case 15: word.equals("commit_prepared") ? .commitPrepared : nil
    case 17: word.equals("rollback_prepared") ? .rollbackPrepared : nil
    default: nil
    }
  }

  /// The text of a member that is a string without escapes, or a number; nil when there is none.
  static func plain(_ line: Span<UInt8>, _ value: Range<Int>) -> String? {
    guard !value.isEmpty else { return nil }
    let isString = line[value.lowerBound] == UInt8(ascii: "\"")
    return String(
      utf8: line.extracting(
        isString ? value.lowerBound + 1..<value.upperBound - 1 : value))
  }

  /// The position that a member gives, `"0/1A2B3C8"`; nil when it gives none.
  static func position(_ line: Span<UInt8>, _ value: Range<Int>) -> LSN? {
    guard value.count > 4, line[value.lowerBound] == UInt8(ascii: "\"") else { return nil }
    var (high, low, digits): (UInt64?, UInt64, Int) = (nil, 0, 0)
    for index in value.lowerBound + 1..<value.upperBound - 1 {
      let byte = line[index]
      if byte == UInt8(ascii: "/"), high == nil, digits > 0 {
        (high, low, digits) = (low, 0, 0)
      } else {
        guard digits < 8, let digit = Hex.value(byte) else { return nil }
        (low, digits) = (low << 4 | UInt64(digit), digits + 1)
      }
    }
    guard let high, digits > 0 else { return nil }
    return LSN(rawValue: high << 32 | low)
  }
}

/// The front of a line, its type and its table, which lines mostly have in common with the one before them.
struct EventHead {
  private let bytes: [UInt8]
  fileprivate let event: EventLine

  init() { (bytes, event) = ([], EventLine()) }

  fileprivate init(_ front: Span<UInt8>, _ event: EventLine) {
    (bytes, self.event) = ([UInt8](copying: front), event)
  }

  /// Steps over it if the line begins with it.
  fileprivate func begins(_ line: Span<UInt8>, _ scanner: inout JSONScanner) -> Bool {
    !bytes.isEmpty && scanner.skip(exactly: bytes.span, line)
  }
}
