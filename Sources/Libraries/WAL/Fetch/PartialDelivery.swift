internal import Bytes
internal import Filter
internal import Posix
internal import Postgres

/// Delivers what is valid of a segment that was never completed, filled up with zeros.
///
/// There may be a tail in a local directory and one in the archive; the one that goes further is
/// taken. Only tails of the very timeline that was asked for are looked at. One that cannot be
/// read may go further than any other, and without it none is delivered.
struct PartialDelivery {
  private let fetch: WALFetch
  private let name: WALFileName

  init(_ fetch: WALFetch, _ digits: SegmentName) {
    self.fetch = fetch
    name = .partial(digits)
  }

  /// Nil when there is none, or nothing in it, and no complete segment either.
  func run() throws -> Delivered? {
    var damage: (any Diagnosable)?
    var best: (path: String, tail: Tail)?
    for directory in fetch.options.directories {
      do {
        let path = "\(directory)/\(name.text)"
        guard let tail = try measure(path) else { continue }
        if best.map({ $0.tail.end < tail.end }) ?? true { best = (path, tail) }
      } catch let error as any Diagnosable {
        try StopSignal.check()
        damage = damage ?? error
      }
    }
    let archived = try measureArchived()
    // A receiver may have completed it since it was asked for, and what was found is then too short, or gone.
    if let whole = try fetch.deliverWhole() { return whole }
    if let damage { throw Self.refusal(damage) }
    if let archived, best.map({ $0.tail.end < archived.end }) ?? true {
      return tell(try deliverArchived(), fetch.archive.url(of: name))
    }
    if let best { return tell(try deliver(best.path), best.path) }
    return nil
  }

  private static func refusal(_ damage: any Diagnosable) -> Failure {
    Failure(
      damage.exitCode, damage.message, detail: damage.detail,
      hint: damage.hint
        ?? "It may go further than what else there is; moved away, it does not count any more.")
  }

  private func tell(_ tail: Tail, _ source: String) -> Delivered {
    let text =
      "delivered the part of \(tail.segment.name) that was received, up to \(tail.end), "
      + "from \"\(source)\""
    if tail.isDamaged {
      fetch.message.warning("\(text); behind that it is damaged: \(tail.fault)")
    } else {
      fetch.message.info(text)
    }
    return Delivered(segment: tail.segment.size)
  }

  private func check(_ source: String) -> FileCheck {
    FileCheck(name: name, systemIdentifier: fetch.systemIdentifier, source: source)
  }

  /// Nil when there is no file or nothing in it.
  private func measure(_ path: String) throws -> Tail? {
    let tail = TailFile(check(path), nil)
    do { try Self.read(path, tail) } catch let error as SystemError where error.isMissing {
      return nil
    }
    return try tail.finish()
  }

  private func deliver(_ path: String) throws -> Tail {
    let tail = TailFile(check(path), try DurableFile(fetch.destination))
    do { try Self.read(path, tail) } catch let error as SystemError where error.isMissing {
      throw wentAway(path)
    }
    guard let found = try tail.finish() else { throw check(path).failure("it was emptied") }
    try tail.publish(found)
    return found
  }

  /// Worth another try, because a receiver completes it.
  private func wentAway(_ source: String) -> Failure {
    Failure(.temporary, "\"\(source)\" went away while it was read")
  }

  private static func read(_ path: String, _ tail: TailFile) throws {
    let source = try File(reading: path)
    var buffer = [UInt8](repeating: 0, count: 256 << 10)
    while true {
      let count = try source.descriptor.read(into: &buffer)
      if count == 0 { return }
      try tail.take(buffer.span.extracting(first: count))
    }
  }

  /// Nil when there is none in the archive or nothing in it.
  private func measureArchived() throws -> Tail? {
    let tail = TailFile(check(fetch.archive.url(of: name)), nil)
    guard try fetch.archive.read(name, { try tail.take($0) }) else { return nil }
    return try tail.finish()
  }

  private func deliverArchived() throws -> Tail {
    let url = fetch.archive.url(of: name)
    let tail = TailFile(check(url), try DurableFile(fetch.destination))
    guard try fetch.archive.read(name, { try tail.take($0) }), let found = try tail.finish()
    else { throw wentAway(url) }
    try tail.publish(found)
    return found
  }
}

/// What is valid of a segment that was never completed.
private struct Tail {
  let segment: Segment
  let end: LSN
  /// True if more was there than what a receiver leaves that was stopped.
  let isDamaged: Bool
  let fault: String
}

/// A tail that is measured as it comes in, and written down where there is a file for it.
///
/// A class, because closures share it.
private final class TailFile {
  private let check: FileCheck
  private var file: DurableFile?
  /// What is not yet a whole block.
  private var rest: [UInt8] = []
  private var measure: (segment: Segment, tail: SegmentTail)?
  private var count = 0
  /// True if it began with nothing but zeros, as a receiver makes it.
  private var isEmpty = false

  init(_ check: FileCheck, _ file: consuming DurableFile?) {
    self.check = check
    self.file = consume file
  }

  func take(_ bytes: Span<UInt8>) throws {
    count += bytes.count
    let limit = measure?.segment.size.bytes ?? 1 << 30
    guard count <= limit else { throw check.failure("it has more than \(limit) bytes") }
    try file?.descriptor.writeAll(bytes)
    rest += [UInt8](copying: bytes)
    try takeBlocks(rest.count / RecordWalk.blockBytes * RecordWalk.blockBytes)
  }

  private func takeBlocks(_ length: Int) throws {
    guard length > 0 else { return }
    if measure == nil, !isEmpty { try begin() }
    // A copy of its own, because what is borrowed from `self` cannot change it.
    let blocks = Array(rest.prefix(length))
    measure?.tail.take(blocks.span)
    rest.removeFirst(length)
  }

  private func begin() throws {
    let head = Array(rest.prefix(SegmentHeader.bytes))
    isEmpty = head.allSatisfy { $0 == 0 }
    if isEmpty { return }
    let header = try check.header(head.span)
    guard let digits = check.name.segmentName,
      let segment = Segment(digits, size: header.segmentSize)
    else { throw check.failure("no segment has such a name") }
    let walk = RecordWalk(from: segment, of: check.systemIdentifier, history: nil)
    measure = (segment, SegmentTail(walk))
  }

  /// How far it is valid; nil when nothing of it is.
  func finish() throws -> Tail? {
    if !rest.isEmpty {
      // A file that was cut short is as good as one with zeros behind.
      rest += [UInt8](repeating: 0, count: RecordWalk.blockBytes - rest.count)
      try takeBlocks(RecordWalk.blockBytes)
    }
    guard let (segment, tail) = measure, tail.end > segment.start else { return nil }
    return Tail(
      segment: segment, end: tail.end, isDamaged: tail.isDamaged,
      fault: tail.fault.map { "\($0)" } ?? "")
  }

  /// Puts it in its place, with zeros behind its end.
  func publish(_ tail: Tail) throws {
    guard let file = file.take() else { return }
    try file.resize(to: tail.end - tail.segment.start)
    try file.resize(to: tail.segment.size.bytes)
    try file.publish()
  }
}
