import Bytes
import Digests
import Filter
import JSON
import Manifests
import ObjectStore
import Posix
import Zstd

/// Holds receipts against what is in the store.
@main
enum S3verify: Tool {
  enum Keep: String, CaseIterable { case all, ok, failing }

  struct Options {
    var depth = CheckDepth.head
    var manifest: String?
    var takesAll = false
    var checksChain = false
    var anchor: String?
    var root: Root?
    var keep = Keep.all
    /// Nil takes what suits the depth: reading back holds much more in memory.
    var jobs: Int?
    var store = S3Options()
  }

  static let name = "s3verify"
  static let summary = "holds receipts against what is in the store"
  static var defaults: Options { Options() }
  static var exitCodes: [ExitCode] {
    [.negative, .badInput, .unavailable, .notPermitted, .configuration]
  }
  static var flags: [Flag<Options>] {
    [
      .option("check", "HOW", "head, content or rows; default head") {
        $0.depth = try OptionValue.word($1, CheckDepth.self)
      },
      .option("manifest", "FILE", "join partition records with the receipts in this file") {
        $0.manifest = $1
      },
      .toggle("all", "read no records: take every receipt of the manifest") { $0.takesAll = true },
      .toggle("chain", "look at no object: prove that no line of the manifest is missing") {
        $0.checksChain = true
      },
      .option("anchor", "SHA256", "with --chain: the digest of a line that must be there") {
        $0.anchor = $1
      },
      .option("store", "URL", "receipts of objects elsewhere do not count") {
        $0.root = try Root(parsing: $1)
      },
      .option("keep", "WHICH", "verdicts to print: all, ok or failing; default all") {
        $0.keep = try OptionValue.word($1, Keep.self)
      },
      .option("jobs", short: "j", "N", "objects looked at together; default 8, or 2 read back") {
        $0.jobs = try OptionValue.count($1, in: 1...64)
      },
    ] + S3Options.flags(\.store)
  }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    if let first = operands.first { throw UsageError("too many arguments (first is \"\(first)\")") }
    guard options.manifest != nil || !options.takesAll else {
      throw UsageError("--all goes with --manifest")
    }
    guard options.checksChain || options.anchor == nil else {
      throw UsageError("--anchor goes with --chain")
    }
    if options.checksChain { return try checkChain(options) }
    let manifest = try options.manifest.map { try Manifest(path: $0, mustExist: options.takesAll) }
    var session = Session(options, manifest)
    try session.warnOfDamage()
    if options.takesAll {
      try session.checkManifest()
    } else {
      try session.checkInput()
    }
    return try session.finish()
  }

  private static func checkChain(_ options: Options) throws -> ExitStatus {
    guard let path = options.manifest, !options.takesAll else {
      throw UsageError("--chain goes with --manifest, and not with --all")
    }
    let chain = try ManifestChain(path: path, anchor: options.anchor)
    if let warning = chain.warning { Message(tool: name).warning(warning) }
    var output = RecordWriter()
    try output.write(chain.record)
    try output.finish()
    switch chain.outcome {
    case .ok: return .success
    case .torn: return ExitStatus(.badInput)
    case .broken: return ExitStatus(.negative)
    }
  }
}

/// Reads records, has verdicts found on them batch by batch, and prints what is kept.
private struct Session: ~Copyable {
  private let options: S3verify.Options
  private let manifest: Manifest?
  private var output = RecordWriter()
  private var worst = ExitCode.success

  init(_ options: S3verify.Options, _ manifest: Manifest?) {
    (self.options, self.manifest) = (options, manifest)
  }

  mutating func warnOfDamage() throws {
    guard let manifest, let first = manifest.damagedLines.first else { return }
    Message(tool: S3verify.name).warning(
      "the manifest has \(manifest.damagedLines.count) lines that are no receipts; "
        + "the first is line \(first)")
    // Nobody vouches any more for what such a line told of.
    if options.takesAll { worst = .badInput }
  }

  mutating func checkInput() throws {
    var reader = RecordReader(from: .standardInput)
    var batch: [Record] = []
    while let record = try reader.next() {
      batch.append(record)
      if batch.count == VerdictBatch.size {
        try check(batch)
        batch = []
      }
    }
    try check(batch)
  }

  mutating func checkManifest() throws {
    guard let manifest else { return }
    var rest = manifest.keys[...]
    while !rest.isEmpty {
      let keys = Array(rest.prefix(VerdictBatch.size))
      try check(manifest.receipts(of: keys).compactMap { $0 })
      rest = rest.dropFirst(keys.count)
    }
  }

  /// Where an object is there, and archiving the source again would take its place.
  private static var replacing: [Verdict.Kind] { [.changed, .size, .etag, .sha256, .rows] }

  private mutating func check(_ records: [Record]) throws {
    let joined = try join(records)
    // What the join has settled needs no look at the store.
    let open = joined.indices.filter { joined[$0].verdict == nil }
    let depth = options.depth
    let store = options.store
    let jobs = options.jobs ?? (depth == .head ? 8 : 2)
    let found = try VerdictBatch(open.map { joined[$0].receipt }).run(jobs: jobs) {
      ObjectCheck(depth, store: store) { try CompressedRows() }
    }
    var verdicts = joined.map(\.verdict)
    for (index, verdict) in zip(open, found) { verdicts[index] = verdict }
    for (index, verdict) in verdicts.enumerated() {
      var record = records[index]
      // What must not be replaced by less.
      if let kind = verdict?.kind, Self.replacing.contains(kind) {
        record.set("archived_rows", joined[index].receipt.integer("rows"))
      }
      try write(verdict ?? Verdict(.unknown, nil), on: record)
    }
    try output.flush()
  }

  /// Each record's receipt; with a verdict where that is clear without the store.
  private func join(_ records: [Record]) throws -> [(receipt: Record, verdict: Verdict?)] {
    guard let manifest, !options.takesAll else { return records.map { ($0, elsewhere($0, nil)) } }
    let receipts = try manifest.receipts(of: records.map { $0.string("key") ?? "" })
    return zip(records, receipts).map { record, receipt in
      guard let receipt else { return (record, Verdict(.missing, "the manifest has no receipt")) }
      if let verdict = elsewhere(receipt, record.string("key")) { return (record, verdict) }
      if let verdict = SourceComparison(record, with: receipt).verdict { return (receipt, verdict) }
      return (receipt, nil)
    }
  }

  private func elsewhere(_ receipt: Record, _ key: String?) -> Verdict? {
    guard let root = options.root, let url = receipt.string("url") else { return nil }
    if let key {
      guard (try? root.object(key).url)?.hasSameBytes(as: url) != true else { return nil }
    } else if url.utf8.starts(with: root.url.utf8) {
      return nil
    }
    return Verdict(.missing, "the receipt is of \(url)")
  }

  private mutating func write(_ verdict: Verdict, on record: Record) throws {
    switch verdict.kind {
    case .ok: break
    case .unknown: worst = max(worst, .unavailable)
    default: worst = max(worst, .negative)
    }
    if options.keep == .ok, verdict != .ok { return }
    if options.keep == .failing, verdict == .ok { return }
    try output.write(verdict.record(addedTo: record))
  }

  consuming func finish() throws -> ExitStatus {
    let status = ExitStatus(worst)
    try output.finish()
    return status
  }
}

/// Rows of a compressed object: line feeds, bytes and digest of what was compressed.
private final class CompressedRows: RowCounter {
  private var decompressor: Decompressor?
  private var digest: SHA256? = SHA256()
  private var rows = 0
  private var bytes = 0

  init() throws { decompressor = try Decompressor() }

  func update(_ compressed: Span<UInt8>) throws {
    var (rows, bytes) = (0, 0)
    var digest = digest.take()
    try decompressor?.decompress(compressed) { piece in
      digest?.update(piece)
      bytes += piece.count
      for index in piece.indices where piece[index] == UInt8(ascii: "\n") { rows += 1 }
    }
    self.digest = digest.take()
    self.rows += rows
    self.bytes += bytes
  }

  func finish() throws -> (rows: Int, bytes: Int, sha256: String) {
    if let decompressor = decompressor.take() { try decompressor.finish() }
    var sum = ""
    if var digest = digest.take() { sum = Hex.encode(digest.finish()) }
    return (rows, bytes, sum)
  }
}
