internal import Bytes
internal import Digests
internal import Filter
public import JSON
internal import Posix

/// The chain of a manifest: each line carries the SHA-256 of the line before it.
///
/// Lines at the beginning may be of a time before there was a chain. The digest covers the line before without its line
/// feed; where lines lie between that were never finished, these, too, from the last whole one on. Beside the manifest
/// FILE lies `FILE.head` with the digest of the last line, which tells when the end was cut off.
public struct ManifestChain: Sendable {
  public enum Outcome: String, Sendable {
    /// Nothing was cut out, changed or set elsewhere.
    case ok
    /// The last line was not finished; all before it is as it was.
    case torn
    /// A line does not fit.
    case broken
  }

  /// So many lines are held in memory at most, so many can be unfinished between two whole ones.
  private static let spanLines = 16

  public private(set) var outcome = Outcome.ok
  /// The first line that does not fit, from 1; nil where all do.
  public private(set) var line: Int?
  public private(set) var detail: String?
  private var lines = 0
  /// The first line of the chain, from 1; nil where no line carries a digest.
  private var start: Int?
  private var recent: [[UInt8]] = []
  /// The first line that is no record, and that no later line vouches for yet.
  private var unfinished: Int?
  private var last: String?
  /// The digest that some line must have; nil where nobody kept one.
  private let head: String?
  private let anchor: String?
  private var headLine: Int?
  private var anchorLine: Int?

  /// Reads the file at `path` from end to end.
  ///
  /// A line with the digest `anchor` must be there, too; nil where nobody kept one elsewhere. `visit` gets each record
  /// in turn, before it is known what lies behind it, and whether it is one of the chain.
  public init(
    path: String, anchor: String? = nil,
    visit: (_ record: Record, _ isChained: Bool) -> Void = { _, _ in }
  ) throws {
    (head, self.anchor) = (try Self.head(of: path), anchor)
    let file = try File(reading: path)
    var reader = LineReader(from: file.descriptor, maxLineBytes: RecordReader.maxLineBytes)
    do {
      while outcome == .ok, try reader.next() {
        try StopSignal.check()
        if let record = take(reader.line) { visit(record, start != nil) }
      }
    } catch let error as LineError {
      tear(at: error.line, error.problem)
    }
    if outcome == .ok, let unfinished { tear(at: unfinished, "it is no record") }
    if outcome != .broken { checkEnds() }
  }

  /// The record that says it.
  public var record: Record {
    var record = Record(type: "chain")
    record.set("outcome", outcome.rawValue)
    record.set("lines", lines)
    record.set("chained_from", start)
    record.set("line", line)
    record.set("detail", detail)
    record.set("last_sha256", last)
    return record
  }

  /// What is worth a warning although nothing is wrong; nil for nothing.
  public var warning: String? {
    guard outcome != .broken, lines > 0 else { return nil }
    guard start != nil else {
      return
        "no line carries the digest of another, so nothing shows whether one is missing or changed"
    }
    guard head != nil else {
      return
        "nobody kept the digest of the last line, so an end that was cut off would not be noticed"
    }
    guard let headLine, headLine < lines else { return nil }
    return "\(lines - headLine) lines came after the one whose digest was kept"
  }

  private static func head(of path: String) throws -> String? {
    let path = path + ".head"
    guard try FileFacts.of(path) != nil else { return nil }
    let file = try File(reading: path)
    let size = try file.facts().size
    // A power cut may have left it empty.
    guard size >= 64 else { return nil }
    return String(decoding: try file.descriptor.read(count: 64, at: 0), as: UTF8.self)
  }

  /// Returns the record, where the line is one.
  private mutating func take(_ bytes: Span<UInt8>) -> Record? {
    lines += 1
    let record = try? Record(parsing: bytes)
    if let record, let previous = record.json("previous_sha256") {
      check(String(decoding: previous, as: UTF8.self))
      if start == nil { start = lines }
    } else if start != nil || record?.string("step") != nil {
      // There were no steps before there was a chain.
      if record != nil { fail(at: lines, "it carries no digest of the line before it") }
      if unfinished == nil { unfinished = lines }
    }
    let digest = Hex.encode(SHA256.of(bytes))
    if digest == head { headLine = lines }
    if digest == anchor { anchorLine = lines }
    last = digest
    recent.append([UInt8](copying: bytes))
    if recent.count > Self.spanLines { recent.removeFirst() }
    return record
  }

  /// Holds the digest that line `lines` carries, as JSON, against the lines before it.
  private mutating func check(_ previous: String) {
    guard lines > 1 else {
      if previous != "null" { fail(at: 1, "the line that was before it is not there") }
      return
    }
    guard let count = span(of: previous) else {
      return fail(at: lines, "the line that was before it is not line \(lines - 1) as it is now")
    }
    if let unfinished, lines - count > max(1, unfinished - 1) {
      return fail(at: unfinished, "it is no record, and no line vouches for it")
    }
    unfinished = nil
  }

  /// How many of the lines before have the digest together; nil when none do.
  private func span(of digest: String) -> Int? {
    var joined: [UInt8] = []
    for (count, line) in recent.reversed().enumerated() {
      joined = count == 0 ? line : line + [UInt8(ascii: "\n")] + joined
      if "\"\(Hex.encode(SHA256.of(joined.span)))\"" == digest { return count + 1 }
    }
    return nil
  }

  private mutating func checkEnds() {
    if head != nil, headLine == nil {
      fail(at: max(lines, 1), "the last line that was written is not there, or is not as it was")
    } else if anchor != nil, anchorLine == nil {
      fail(at: max(lines, 1), "no line has the digest that was given")
    }
  }

  private mutating func fail(at line: Int, _ detail: String) {
    guard outcome != .broken else { return }
    (outcome, self.line, self.detail) = (.broken, line, detail)
  }

  private mutating func tear(at line: Int, _ problem: String) {
    (outcome, self.line, detail) = (.torn, line, "the last line was not finished: \(problem)")
  }
}
