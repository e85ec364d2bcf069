internal import Posix

/// Fetches the segments behind the one that a server asked for last, and ends when there is
/// nothing more to do.
///
/// It runs in the background of `WALFetch`, at most one a spool.
public struct Prefetcher: Sendable {
  /// How long it waits for the server to ask for more, when all that is wanted is there.
  private static var lingerNanoseconds: Int64 { 1_000_000_000 }
  private static var maxThreads: Int { 8 }

  private let spool: Spool
  private let archive: ArchiveReader
  private let systemIdentifier: UInt64
  private let threads: Int

  public init(_ options: FetchOptions, destination: String) throws {
    var options = options
    // Several segments at once instead of several ranges of one.
    options.concurrency = 1
    systemIdentifier = try ClusterIdentity.find(options, destination: destination)
    archive = try ArchiveReader(options, systemIdentifier: "\(systemIdentifier)")
    spool = try Spool(options, systemIdentifier: systemIdentifier, destination: destination)
    threads = min(Self.maxThreads, max(1, options.prefetch))
  }

  /// Throws what the store or the disk would not do; the server's side finds out for itself.
  public func run() throws {
    var seen: Segment?
    // The server may ask for more just when we have decided to end, and count on us.
    while let position = try spool.position(), position != seen {
      seen = position
      let last = try spool.holdAhead { try session(from: position) }
      guard let last else { return }
      seen = last
    }
  }

  /// Returns the position that was looked at last.
  private func session(from start: Segment) throws -> Segment {
    try spool.cleanUnfinished()
    let work = PrefetchWork()
    var position = start
    work.aim(at: spool.window(behind: start), present: try clean(around: start))
    var group = ThreadGroup()
    defer {
      work.stop()
      group.join()
    }
    for _ in 0..<threads { try group.start { fetch(work) } }
    var idleSince = Clock.monotonic()
    while !work.isOver, Clock.monotonic() - idleSince < Self.lingerNanoseconds {
      try Clock.sleep(milliseconds: 10)
      if work.isBusy { idleSince = Clock.monotonic() }
      guard let next = try spool.position(), next != position else { continue }
      position = next
      work.aim(at: spool.window(behind: next), present: try clean(around: next))
    }
    try work.check()
    return position
  }

  /// What was asked for last stays, too, because it may not have been taken yet.
  private func clean(around position: Segment) throws -> Set<Segment> {
    try spool.clean(keeping: [position] + spool.window(behind: position))
  }

  /// What each thread does.
  private func fetch(_ work: PrefetchWork) {
    while let segment = work.next() {
      do {
        work.finished(segment, isThere: try fetch(segment))
      } catch {
        work.fail(segment, error)
      }
    }
  }

  /// False when the store answered that it is not there.
  private func fetch(_ segment: Segment) throws -> Bool {
    guard let digits = SegmentName(segment.name) else { return false }
    let name = WALFileName.segment(digits)
    let isThere = try spool.hold(segment.number) { () throws -> Bool in
      // Meanwhile the server may have fetched it for itself.
      guard let position = try spool.position(), spool.window(behind: position).contains(segment)
      else { return true }
      let path = spool.path(name.text)
      if try FileFacts.of(path) != nil { return true }
      return try archive.fetch(name, systemIdentifier, to: path) != nil
    }
    // Where somebody else is at it, it is not ours to do.
    return isThere ?? true
  }
}

/// What is to be fetched, is being fetched and was fetched; a class, because the threads share it.
private final class PrefetchWork: Sendable {
  private struct State {
    var wanted: [Segment] = []
    var busy: Set<Segment> = []
    var done: Set<Segment> = []
    var isAtEnd = false
    var isStopped = false
    var failure: (any Error)?

    /// Behind a segment that is not there none is looked for.
    var next: Segment? {
      if isAtEnd || failure != nil { return nil }
      return wanted.first { !busy.contains($0) && !done.contains($0) }
    }
  }

  private let state = Monitor(State())

  func aim(at wanted: [Segment], present: Set<Segment>) {
    state.update { state in
      state.wanted = wanted
      state.done = present
    }
  }

  /// Waits for something to do; nil when there will be nothing any more.
  func next() -> Segment? {
    state.wait { (state) -> Segment?? in
      if state.isStopped || StopSignal.received != nil { return .some(nil) }
      guard let segment = state.next else { return .none }
      state.busy.insert(segment)
      return segment
    }
  }

  func finished(_ segment: Segment, isThere: Bool) {
    state.update { state in
      state.busy.remove(segment)
      if isThere { state.done.insert(segment) } else { state.isAtEnd = true }
    }
  }

  func fail(_ segment: Segment, _ error: any Error) {
    state.update { state in
      state.busy.remove(segment)
      state.failure = state.failure ?? error
    }
  }

  func stop() { state.update { $0.isStopped = true } }

  var isBusy: Bool { state.update { !$0.busy.isEmpty || $0.next != nil } }

  /// True when nothing is on its way and nothing more is to be begun.
  var isOver: Bool { state.update { ($0.isAtEnd || $0.failure != nil) && $0.busy.isEmpty } }

  /// Throws what went wrong.
  func check() throws {
    if let failure = state.read({ $0.failure }) { throw failure }
  }
}
