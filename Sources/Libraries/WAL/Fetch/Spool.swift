internal import Bytes
internal import Filter
internal import Posix
internal import Postgres

/// A private directory where segments wait that were fetched ahead.
///
///     NAME        a segment, whole and checked
///     lock        byte 0 is locked by the process that fetches ahead, byte 1 + N by whoever fetches
///                 segment N; the kernel frees them
///     position    the segment that was asked for last, and the size of segments
///     log         what the process that fetches ahead had to say
struct Spool: Sendable {
  /// What is older than this may be of another life of the archive.
  private static var maxAgeSeconds: Int64 { 3600 }

  let directory: String
  private let prefetch: Int
  private let retryMilliseconds: Int
  private let systemIdentifier: UInt64

  init(_ options: FetchOptions, systemIdentifier: UInt64, destination: String) throws {
    directory =
      options.spool ?? Self.place(options, systemIdentifier, for: destination)
    (prefetch, retryMilliseconds) = (options.prefetch, options.retryMilliseconds)
    self.systemIdentifier = systemIdentifier
    try Directory.makePrivate(directory)
  }

  /// A place of the cluster's own; another archive or another copy of the cluster has another.
  private static func place(
    _ options: FetchOptions, _ systemIdentifier: UInt64, for destination: String
  ) -> String {
    let temporary = temporaryFolder ?? "/tmp"
    let folder = Directory.parent(of: destination)
    let whole = folder.hasPrefix("/") ? folder : "\(Directory.current ?? "")/\(folder)"
    let facts = [
      options.archive, environment("AWS_ENDPOINT_URL") ?? "", options.decrypt ?? "", whole,
    ]
    var sum = CRC32C()
    sum.update(facts.joined(separator: "\n").utf8.span)
    return "\(temporary)/walfetch-\(systemIdentifier)-\(Hex.encode(sum.bytes))"
  }

  func path(_ name: String) -> String { "\(directory)/\(name)" }

  /// Runs `body` while nobody else fetches that segment; nil at once when somebody does.
  func hold<T>(_ number: UInt64, _ body: () throws -> T) throws -> T? {
    try ByteLock.hold(path("lock"), at: Self.lockByte(of: number), body)
  }

  private static func lockByte(of number: UInt64) -> Int64 {
    1 + Int64(truncatingIfNeeded: number & 0xFFFF_FFFF_FFFF)
  }

  /// Runs `body` as the one process that fetches ahead; nil at once when there is one.
  func holdAhead<T>(_ body: () throws -> T) throws -> T? {
    try ByteLock.hold(path("lock"), at: 0, body)
  }

  /// The segment that was asked for last; nil before the first.
  func position() throws -> Segment? {
    let file = try File(updating: path("position"))
    let bytes = try file.descriptor.read(count: 64, at: 0)
    let fields = String(utf8: bytes.span).split { $0 == " " || $0 == "\n" }
    guard fields.count == 2, let name = SegmentName(fields[0]),
      let size = Int(fields[1]).flatMap({ SegmentSize(bytes: $0) })
    else { return nil }
    return Segment(name, size: size)
  }

  private func write(position name: SegmentName, _ size: SegmentSize) throws {
    // Of one length, so that it is replaced by one write.
    let digits = "\(size.bytes)"
    let padded = String(repeating: " ", count: 10 - digits.utf8.count) + digits
    let file = try File(updating: path("position"))
    try file.write("\(name) \(padded)\n".utf8.span, at: 0)
  }

  // -- the server's side

  /// Delivers the segment from the spool, waiting for it while it is on its way, or else from the
  /// archive; nil when it is not there.
  func deliver(_ fetch: WALFetch) throws -> Delivered? {
    guard let digits = fetch.name.segmentName else { return nil }
    let size = try position()?.size ?? .standard
    try write(position: digits, size)
    let number = Segment(digits, size: size)?.number ?? 0
    // Half of the time is left for doing it ourselves.
    let patience = Int64(min(retryMilliseconds, 1 << 40)) * 500_000
    let end = Clock.monotonic() + patience
    while true {
      if let found = try take(fetch) { return found }
      let answer = try hold(number) { try take(fetch) ?? fetch.deliverFromArchive() }
      if let answer { return answer }
      if Clock.monotonic() >= end { return try fetch.deliverFromArchive() }
      try Clock.sleep(milliseconds: 2)
    }
  }

  /// Nil when it is not in the spool.
  private func take(_ fetch: WALFetch) throws -> Delivered? {
    let path = path(fetch.name.text)
    guard let facts = try FileFacts.of(path) else { return nil }
    let age = Clock.now() / 1_000_000 - facts.modified / 1_000_000_000
    do {
      guard (-Self.maxAgeSeconds...Self.maxAgeSeconds).contains(age) else {
        throw Failure(.badInput, "\"\(path)\" is too old")
      }
      let size = try fetch.check(path).existing(path)
      try move(path, fetch)
      return Delivered(segment: size)
    } catch let error as Failure where error.exitCode == .badInput {
      fetch.message.warning(error.message + (error.detail.map { ": \($0)" } ?? ""))
      try Directory.remove(file: path)
      return nil
    }
  }

  private func move(_ path: String, _ fetch: WALFetch) throws {
    do throws(SystemError) {
      try Directory.rename(path, to: fetch.destination)
      fetch.inform("\(fetch.name.text) delivered from \"\(path)\"")
    } catch {
      guard error.isElsewhere else { throw error }
      _ = try fetch.copy(path)
      try Directory.remove(file: path)
    }
  }

  /// Has the segments behind `segment` fetched, in the background.
  func lookAhead(of segment: Segment) throws {
    guard let name = SegmentName(segment.name) else { return }
    try write(position: name, segment.size)
    guard try holdAhead({}) != nil else { return }
    try ProcessIdentity.startDetached(
      [
        "--prefetch-only", "--system-identifier=\(systemIdentifier)", "--spool=\(directory)",
      ] + CommandLine.arguments.dropFirst(), log: path("log"))
  }

  // -- the side of the process that fetches ahead

  /// The segments that are wanted next.
  func window(behind segment: Segment) -> [Segment] {
    (0..<UInt64(prefetch)).map {
      Segment(timeline: segment.timeline, number: segment.number + 1 + $0, size: segment.size)
    }
  }

  /// Removes what is not wanted any more, and returns which of `wanted` are there.
  func clean(keeping wanted: [Segment]) throws -> Set<Segment> {
    let wanted = Dictionary(wanted.map { ($0.name, $0) }) { first, _ in first }
    var found: Set<Segment> = []
    for name in try Directory.names(in: directory) where WALFileName(name) != nil {
      if let segment = wanted[name] {
        found.insert(segment)
      } else {
        try Directory.remove(file: path(name))
      }
    }
    return found
  }

  /// Removes what processes left unfinished that are no more.
  func cleanUnfinished() throws {
    let own = ".\(ProcessIdentity.own).partial"
    for name in try Directory.names(in: directory)
    where name.hasSuffix(".partial") && !name.hasSuffix(own) {
      try Directory.remove(file: path(name))
    }
  }
}
