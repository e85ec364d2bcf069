public import JSON
public import ObjectStore
public import Posix
internal import Postgres

/// Looks whether a server could replay what is in an archive of WAL, or in a receiver's folder.
///
/// Memory does not grow with the segments: those that follow one another are held as a range.
public struct ArchiveCheck: ~Copyable {
  public struct Options: Sendable {
    /// Also looks at every page and every record.
    public var isDeep = false
    public var choice = VerdictChoice.all
    /// Parts of chains that are walked at once.
    public var jobs = 2
    /// Nil when the segments are to tell it.
    public var segmentSize: SegmentSize?
    /// Whatever is another system's is a finding; nil takes several.
    public var systemIdentifier: String?
    /// A file with `gap` records; nil for none.
    public var knownGaps: String?
    /// A shell command that objects go through before they are decompressed; nil for none.
    public var decrypt: String?
    public var store = S3Options()

    public init() {}
  }

  private let options: Options
  private let reader: SegmentReader
  private var inventory: WALInventory
  private var log: VerdictLog

  /// Throws where the file with the known gaps cannot be read.
  public init(_ options: Options) throws {
    self.options = options
    reader = SegmentReader(store: options.store, decrypt: options.decrypt)
    inventory = WALInventory(
      reader, segmentSize: options.segmentSize, systemIdentifier: options.systemIdentifier,
      knownGaps: try options.knownGaps.map { try KnownGaps(path: $0) } ?? KnownGaps())
    log = VerdictLog(options.choice)
  }

  /// Takes note of the segments in a folder.
  public mutating func take(directory path: String) throws {
    try inventory.take(directory: path)
    try writeNotes()
  }

  /// Takes note of an object or a segment.
  public mutating func take(_ record: Record) throws {
    try inventory.take(record)
    if !inventory.verdicts.isEmpty { try writeNotes() }
  }

  private mutating func writeNotes() throws {
    for verdict in inventory.takeVerdicts() {
      try log.write(verdict)
    }
  }

  /// Checks all that was taken note of, prints the verdicts, and returns the worst.
  public mutating func finish() throws -> ExitCode {
    try inventory.finish()
    try writeNotes()
    let clusters = inventory.clusters.sorted { $0.key < $1.key }.map(\.value)
    for cluster in clusters { try check(cluster) }
    // A name may be mistyped: where nothing is, nothing was proven.
    if clusters.allSatisfy({ $0.isEmpty }) { try log.write(WALVerdict("there are no segments")) }
    try log.flush()
    return log.worst
  }

  private mutating func check(_ cluster: ClusterWAL) throws {
    var cluster = cluster
    try write(try cluster.readHistories(reader), of: cluster)
    try write(cluster.checkHistories(), of: cluster)
    let check = ChainCheck(cluster, inventory.knownGaps)
    try write(check.verdicts, of: cluster)
    try write(try CopyCheck(cluster, reader).verdicts(isDeep: options.isDeep), of: cluster)
    try log.flush()
    guard options.isDeep else {
      for chain in check.chains where !isDamaged(chain, cluster) {
        try write([chain.verdict(of: cluster, nil)], of: cluster)
      }
      return
    }
    try walk(check.chains, of: cluster)
  }

  private mutating func walk(_ chains: [Chain], of cluster: ClusterWAL) throws {
    let deep = DeepCheck(chains, of: cluster, reader)
    // Two walks may come to the same place.
    var seen: Set<String> = []
    // What is found where a timeline branches off is that one's.
    var failing: Set<UInt32> = []
    try deep.run(jobs: options.jobs) { index, findings in
      let chain = chains[index]
      var isIntact = !isDamaged(chain, cluster)
      for verdict in findings.flatMap(\.verdicts) {
        if verdict.timeline == chain.timeline { isIntact = false }
        if let timeline = verdict.timeline { failing.insert(timeline) }
        let place = "\(verdict.segment ?? "") \(verdict.position?.description ?? "")"
        if seen.insert(place).inserted { try write([verdict], of: cluster) }
      }
      if isIntact, index == chains.firstIndex(where: { $0.timeline == chain.timeline }) {
        isIntact = !failing.contains(chain.timeline)
      }
      if isIntact { try write([chain.verdict(of: cluster, findings)], of: cluster) }
      try log.flush()
    }
  }

  private func isDamaged(_ chain: Chain, _ cluster: ClusterWAL) -> Bool {
    guard let damaged = cluster.timelines[chain.timeline]?.damaged, let whole = chain.whole else {
      return false
    }
    return damaged.contains { whole.contains($0) }
  }

  private mutating func write(_ verdicts: [WALVerdict], of cluster: ClusterWAL) throws {
    for var verdict in verdicts {
      verdict.system = cluster.systemIdentifier
      try log.write(verdict)
    }
  }
}

extension Chain {
  /// That nothing is wrong with it; `findings` are those of its parts, nil where nobody looked.
  func verdict(of cluster: ClusterWAL, _ findings: [ChainFindings]?) -> WALVerdict {
    let start = cluster.segment(timeline, first)
    let end = cluster.segment(timeline, last)
    let firstName = whole == nil ? start.partialName : start.fileName
    let lastName = partial == nil ? end.fileName : end.partialName
    var verdict = WALVerdict(.ok, firstName, at: start.start, nil)
    verdict.end = partial == nil ? end.end : end.start
    verdict.extent = WALVerdict.Extent(
      last: lastName.text, segments: last - first + 1, records: nil, lastRecord: nil)
    if let findings {
      verdict.extent?.records = findings.map(\.records).reduce(0, +)
      verdict.extent?.lastRecord = findings.last { $0.lastRecord != nil }?.lastRecord
      verdict.end = findings.last?.end
      if let open = findings.last?.openRecord {
        verdict.detail = "the record at \(open), behind the last, is not whole"
      }
    }
    return verdict
  }
}
