internal import Bytes
internal import Filter
internal import JSON
internal import ObjectStore
internal import Posix
internal import Postgres

/// Takes note of the files that there are, in a folder or by records, and of what is plain to see.
struct WALInventory {
  /// Segments that may be looked into before the size of a cluster's segments is given up.
  private static var maxAttempts: Int { 16 }

  /// Files whose places among the others depend on a size that is not known yet.
  private struct Waiting {
    var files: [(name: WALFileName, place: WALPlace, isEmpty: Bool)] = []
    var attempts = 0
  }

  private(set) var clusters: [String: ClusterWAL] = [:]
  private(set) var knownGaps: KnownGaps
  private var waiting: [String: Waiting] = [:]
  private let reader: SegmentReader
  /// Nil when segments themselves are to tell it.
  private let segmentSize: SegmentSize?
  /// Files of other systems are findings; nil takes all.
  private let wanted: String?
  /// What was found so far, for who prints it.
  private(set) var verdicts: [WALVerdict] = []

  init(
    _ reader: SegmentReader, segmentSize: SegmentSize?, systemIdentifier: String?,
    knownGaps: KnownGaps
  ) {
    (self.reader, self.segmentSize) = (reader, segmentSize)
    (wanted, self.knownGaps) = (systemIdentifier, knownGaps)
  }

  /// Hands over the verdicts found since the last call.
  mutating func takeVerdicts() -> [WALVerdict] {
    defer { verdicts = [] }
    return verdicts
  }

  // MARK: - Records

  /// Takes in a record of a listing, a receipt, or what a receiver says; others are passed over.
  mutating func take(_ record: Record) throws {
    if record.type == "gap" { return try knownGaps.insert(record) }
    if let url = record.string("url") {
      guard let (place, system, name) = WALPlace.of(url: url) else { return }
      return try take(
        name, at: place, of: system, bytes: record.integer("object_bytes"),
        size: record.integer("segment_size"))
    }
    guard record.type == "segment" || record.type == "timeline" || record.type == "object" else {
      return
    }
    guard let path = record.string("path"), let system = record.string("system_identifier"),
      let name = WALFileName(path.split(separator: "/").last ?? "")
    else {
      throw Failure(
        .badInput, "malformed record in standard input",
        detail: "A record of type \"\(record.type)\" has neither a url nor a path and a system.")
    }
    let bytes = record.integer("bytes")
    try take(
      name, at: .folder(Directory.parent(of: path)), of: system, bytes: bytes,
      size: record.type == "segment" ? bytes : nil)
  }

  private mutating func take(
    _ name: WALFileName, at place: WALPlace, of system: String, bytes: Int?, size: Int?
  ) throws {
    if let wanted, system != wanted {
      return note(.system, name, system, "it is of the system \(system), not \(wanted)")
    }
    let size = segmentSize ?? size.flatMap { SegmentSize(bytes: $0) }
    if clusters[system] == nil, let size { try open(system, size) }
    if clusters[system] == nil {
      waiting[system, default: Waiting()].files.append((name, place, bytes == 0))
      return try lookForSize(system, name, place)
    }
    insert(name, at: place, of: system)
    if bytes == 0 { noteSize(name, system, "it is empty") }
  }

  private mutating func lookForSize(
    _ system: String, _ name: WALFileName, _ place: WALPlace
  ) throws {
    guard case .segment = name, waiting[system]?.attempts ?? 0 < Self.maxAttempts else { return }
    waiting[system]?.attempts += 1
    if let header = try header(of: name, at: place) { try open(system, header.segmentSize) }
  }

  /// Nil when the file is no segment.
  private func header(of name: WALFileName, at place: WALPlace) throws -> SegmentHeader? {
    let sink = PrefixSink(limit: SegmentHeader.bytes)
    do { try reader.read(name, at: place, into: sink) } catch {
      guard let code = (error as? any Diagnosable)?.exitCode, [.negative, .badInput].contains(code)
      else { throw error }
      return nil
    }
    return try? SegmentHeader(parsing: sink.bytes.span)
  }

  /// Now that the size is known, what waited for it finds its place.
  private mutating func open(_ system: String, _ size: SegmentSize) throws {
    clusters[system] = ClusterWAL(of: system.isEmpty ? nil : system, segmentSize: size)
    for (name, place, isEmpty) in waiting.removeValue(forKey: system)?.files ?? [] {
      insert(name, at: place, of: system)
      if isEmpty { noteSize(name, system, "it is empty") }
    }
  }

  private mutating func insert(_ name: WALFileName, at place: WALPlace, of system: String) {
    if clusters[system]?.insert(name, at: place) == false {
      note(.header, name, system, "no segment of the cluster's size has this name")
    }
  }

  /// All records were read; throws when there are segments of a size that nothing told.
  mutating func finish() throws {
    for (system, waiting) in waiting.sorted(by: { $0.key < $1.key }) {
      for (name, place, _) in waiting.files where clusters[system] == nil {
        if case .partial = name, let header = try header(of: name, at: place) {
          try open(system, header.segmentSize)
        }
      }
      guard clusters[system] == nil else { continue }
      guard !waiting.files.contains(where: { $0.name.isSegment }) else {
        throw Failure(
          .badInput, "could not find out how long the segments of the system \(system) are",
          detail: "None of them could be read.",
          hint: "Use --segment-size, and --decrypt if they are encrypted.")
      }
      try open(system, .standard)
    }
  }

  // MARK: - Folders

  /// Takes in a folder with plain files, of which each segment's header is looked at.
  mutating func take(directory path: String) throws {
    guard try FileFacts.of(path)?.isDirectory == true else {
      throw Failure(.configuration, "there is no directory \"\(path)\"")
    }
    let names = try Directory.names(in: path).compactMap { WALFileName($0) }
    let place = WALPlace.folder(path)
    let first = try firstHeader(names, place)
    let system = wanted ?? first.map { String($0.systemIdentifier) } ?? ""
    try open(system, segmentSize ?? first?.segmentSize ?? .standard)
    for name in names { try take(name, in: place, of: system) }
  }

  /// That of the first segment that has one.
  private func firstHeader(_ names: [WALFileName], _ place: WALPlace) throws -> SegmentHeader? {
    for name in names where name.isSegment {
      let start = try beginning(of: name, at: place)
      do throws(DecodeError) { return try SegmentHeader(parsing: start.span) } catch { continue }
    }
    return nil
  }

  private func beginning(of name: WALFileName, at place: WALPlace) throws -> [UInt8] {
    let file = try File(reading: place.description(of: name))
    return try file.descriptor.read(count: SegmentHeader.bytes, at: 0)
  }

  private mutating func take(_ name: WALFileName, in place: WALPlace, of system: String) throws {
    guard let cluster = clusters[system], name.isSegment else {
      return insert(name, at: place, of: system)
    }
    guard let segment = name.segmentName.flatMap({ Segment($0, size: cluster.size) }) else {
      return insert(name, at: place, of: system)
    }
    let bytes = Int(try FileFacts.of(place.description(of: name))?.size ?? 0)
    let start = try beginning(of: name, at: place)
    // A receiver makes the file before it has anything to put into it.
    if case .partial = name, start.span.isZero { return }
    let fault = Self.fault(of: start, as: segment, systemIdentifier: UInt64(system))
    // What is another cluster's is no part of this one.
    if let fault, fault.kind == .system { return note(.system, name, system, fault.detail) }
    let hasItsSize = bytes == cluster.size.bytes
    if hasItsSize || name == segment.fileName { insert(name, at: place, of: system) }
    if !hasItsSize {
      noteSize(name, system, "it has \(bytes) bytes, not \(cluster.size.bytes)")
    } else if let fault {
      note(.header, name, system, fault.detail)
      markDamaged(name, system)
    }
  }

  private static func fault(
    of start: [UInt8], as segment: Segment, systemIdentifier: UInt64?
  ) -> WALFault? {
    do throws(DecodeError) {
      let header = try SegmentHeader(parsing: start.span)
      return header.fault(as: segment, systemIdentifier: systemIdentifier)
    } catch { return WALFault(.header, at: segment.start, "\(error)") }
  }

  // MARK: - Findings

  private mutating func noteSize(_ name: WALFileName, _ system: String, _ detail: String) {
    note(.size, name, system, detail)
    markDamaged(name, system)
  }

  private mutating func markDamaged(_ name: WALFileName, _ system: String) {
    guard let size = clusters[system]?.size, case .segment(let digits) = name,
      let segment = Segment(digits, size: size)
    else { return }
    clusters[system]?.timelines[name.timeline]?.damaged.insert(segment.number)
  }

  private mutating func note(
    _ kind: WALVerdict.Kind, _ name: WALFileName, _ system: String, _ detail: String
  ) {
    var verdict = WALVerdict(kind, name, detail)
    verdict.system = system.isEmpty ? nil : system
    if let size = clusters[system]?.size, let digits = name.segmentName {
      verdict.position = Segment(digits, size: size)?.start
    }
    verdicts.append(verdict)
  }
}
