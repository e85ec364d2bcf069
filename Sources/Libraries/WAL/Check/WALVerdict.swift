internal import Filter
internal import JSON
internal import Posix
internal import Postgres

/// What was found out about a segment, or about a chain of them.
struct WALVerdict: Sendable {
  enum Kind: String, Sendable {
    case ok, gap, size, header, record, prev, history, duplicate, partial
    case system = "other-system"
    /// It cannot be decompressed, or is not what its store says.
    case content
    /// It was listed and is not there.
    case missing
    /// It could not be found out.
    case unknown
  }

  let kind: Kind
  var system: String?
  /// Nil where it is of nothing in particular.
  var timeline: UInt32?
  /// The name of the file.
  var segment: String?
  var position: LSN?
  /// Where what is missing, or a chain, ends.
  var end: LSN?
  var detail: String?
  /// Of a chain.
  var extent: Extent?

  /// What is said of segments that follow one another.
  struct Extent: Sendable {
    var last: String
    var segments: UInt64
    /// Nil where no records were looked at.
    var records: Int?
    var lastRecord: LSN?
  }

  init(_ kind: Kind, _ file: WALFileName, at position: LSN? = nil, _ detail: String?) {
    self.kind = kind
    (timeline, segment) = (file.timeline, file.text)
    (self.position, self.detail) = (position, detail)
  }

  /// That something is missing of which not even a name is known.
  init(_ detail: String) { (kind, self.detail) = (.missing, detail) }

  var record: Record {
    var record = Record(type: "verdict")
    record.set("system_identifier", system)
    record.set("timeline", timeline)
    record.set("segment", segment)
    record.set("lsn", position?.description)
    if let end { record.set("end_lsn", end.description) }
    if let extent {
      record.set("last_segment", extent.last)
      record.set("segments", extent.segments)
      if let records = extent.records {
        record.set("records", records)
        record.set("last_record", extent.lastRecord?.description)
      }
    }
    record.set("verdict", kind.rawValue)
    record.set("detail", detail)
    return record
  }
}

/// The verdicts to print.
public enum VerdictChoice: String, CaseIterable, Sendable { case all, ok, failing }

/// Prints verdicts and remembers the worst.
struct VerdictLog: ~Copyable {
  private let choice: VerdictChoice
  private var output = RecordWriter()
  private(set) var worst = ExitCode.success

  init(_ choice: VerdictChoice) { self.choice = choice }

  mutating func write(_ verdict: WALVerdict) throws {
    switch verdict.kind {
    case .ok: break
    case .unknown: worst = max(worst, .unavailable)
    default: worst = max(worst, .negative)
    }
    guard choice == .all || (choice == .ok) == (verdict.kind == .ok) else { return }
    try output.write(verdict.record)
  }

  mutating func flush() throws { try output.flush() }
}
