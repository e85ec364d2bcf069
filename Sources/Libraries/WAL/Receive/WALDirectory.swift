internal import Bytes
internal import Posix
internal import Postgres

/// The directory that WAL is received into, this process alone at work in it.
struct WALDirectory: ~Copyable {
  private let locked: LockedDirectory
  let path: String

  /// What lies there already.
  struct Content: Sendable {
    /// Complete segments, in order of position, then of timeline.
    var complete: [Segment] = []
    var partial: [Segment] = []
    /// Timelines whose history files are there, in order.
    var histories: [UInt32] = []
    /// Files with the name of a segment that cannot be one, and why.
    var oddities: [String] = []
    /// The segments that those are named after, in order.
    var odd: [Segment] = []
    /// Segments as pg_receivewal compresses them.
    var compressed: [String] = []

    /// The newest one.
    ///
    /// The highest position wins, then the highest timeline, then complete before partial: the
    /// order of pg_receivewal.
    var newest: (segment: Segment, isPartial: Bool)? {
      Self.newer(complete.last, partial.last)
    }

    /// What a receiver goes on from, where the server's history is `history`.
    ///
    /// That is the newest one, but for one case: a record that the server never finished may have
    /// reached behind the place where its timeline was left. Whoever has followed to a later one
    /// of the server's timelines goes on there.
    func newest(in history: TimelineHistory) -> (segment: Segment, isPartial: Bool)? {
      guard let newest else { return nil }
      let next = newest.isPartial ? newest.segment.start : newest.segment.end
      let timeline = newest.segment.timeline
      guard let end = history.end(of: timeline), next > end else { return newest }
      let isFollower = { (other: Segment) -> Bool in
        other.timeline > timeline && history.includes(other.timeline)
      }
      let follower = Self.newer(
        complete.last(where: isFollower), partial.last(where: isFollower))
      return follower ?? newest
    }

    private static func newer(
      _ whole: Segment?, _ part: Segment?
    ) -> (segment: Segment, isPartial: Bool)? {
      switch (whole, part) {
      case (let whole?, let part?):
        return WALDirectory.precedes(whole, part) ? (part, true) : (whole, false)
      case (let whole?, nil): return (whole, false)
      case (nil, let part?): return (part, true)
      case (nil, nil): return nil
      }
    }
  }

  init(_ path: String) throws {
    guard let locked = try LockedDirectory.open(path) else {
      throw Failure(
        .temporary, "another receiver is at work in \"\(path)\"",
        hint: "Each receiver needs a directory, and a slot, of its own.")
    }
    self.locked = locked
    self.path = path
  }

  func path(of name: String) -> String { "\(path)/\(name)" }

  /// Makes the names in it durable.
  func sync() throws(SystemError) { try locked.sync() }

  /// Throws when another directory was put in its place: that one is not ours to work in.
  func checkPlace() throws {
    guard try !locked.isInPlace() else { return }
    throw Failure(
      .io, "\"\(path)\" is another directory now than the one that was received into",
      hint: "What was received is where that one was moved to.")
  }

  func file(updating name: String) throws(SystemError) -> File { try locked.file(updating: name) }
  func file(writing name: String) throws(SystemError) -> File { try locked.file(writing: name) }

  /// Durable once the directory is synced.
  func rename(_ old: String, to new: String) throws(SystemError) {
    try locked.rename(old, to: new)
  }

  /// Bytes that may still be written to its file system.
  func freeBytes() throws(SystemError) -> Int { try locked.freeBytes() }

  func holdsHistory(of timeline: UInt32) throws(SystemError) -> Bool {
    try FileFacts.of(path(of: WALFileName.history(timeline: timeline).text)) != nil
  }

  /// Looks at all names.
  func content(_ size: SegmentSize) throws(SystemError) -> Content {
    var content = Content()
    for name in try Directory.names(in: path) {
      switch WALFileName(name) {
      case .segment(let digits): try content.add(name, digits, size, in: self)
      case .partial(let digits):
        if let segment = Segment(digits, size: size) {
          content.partial.append(segment)
        } else {
          try content.add(name, digits, size, in: self)
        }
      case .history(let timeline): content.histories.append(timeline)
      case nil where Self.isCompressed(name): content.compressed.append(name)
      case .backupLabel, nil: continue
      }
    }
    content.complete.sort(by: Self.precedes)
    content.partial.sort(by: Self.precedes)
    content.odd.sort(by: Self.precedes)
    return content
  }

  private static func isCompressed(_ name: String) -> Bool {
    [".gz", ".lz4"].contains { suffix in
      let parts = [suffix, suffix + ".partial"].filter { name.hasSuffix($0) }
      return parts.contains { SegmentName(name.dropLast($0.utf8.count)) != nil }
    }
  }

  static func precedes(_ a: Segment, _ b: Segment) -> Bool {
    a.number == b.number ? a.timeline < b.timeline : a.number < b.number
  }

  /// The first bytes of a segment file; nil when it has none, or only zeros.
  func header(ofFile name: String) throws -> SegmentHeader? {
    let file = try File(reading: path(of: name))
    let bytes = try file.descriptor.read(count: SegmentHeader.bytes, at: 0)
    guard bytes.contains(where: { $0 != 0 }) else { return nil }
    do throws(DecodeError) { return try SegmentHeader(parsing: bytes.span) } catch {
      throw Failure(
        .badInput, "\"\(path(of: name))\" is no WAL", detail: "\(error)",
        hint: "Move it away; what it should hold will be received again.")
    }
  }

  /// Where the bytes of a partial segment end: behind the last one that is not zero.
  func usedEnd(ofPartial segment: Segment) throws -> LSN {
    let file = try File(reading: path(of: segment.name + ".partial"))
    var end = Int(try file.facts().size)
    while end > 0 {
      let count = min(end, 64 << 10)
      let bytes = try file.descriptor.read(count: count, at: Int64(end - count))
      if let last = bytes.lastIndex(where: { $0 != 0 }) {
        return segment.start + (end - count + last + 1)
      }
      end -= count
    }
    return segment.start
  }

  /// Makes durable, once more, what a process before this one may have left half done.
  ///
  /// Only then does what lies here stand for anything that is confirmed.
  func secure(_ content: Content) throws {
    var names = content.histories.map { WALFileName.history(timeline: $0).text }
    if let newest = content.complete.last { names.append(newest.name) }
    for name in names { try File(reading: path(of: name)).sync() }
    try sync()
  }

  /// Writes a line down for good that says what is missing here.
  func note(gap line: String) throws {
    let file = try File(appending: path(of: "gaps.ndjson"))
    try file.descriptor.append(line.utf8.span)
    try file.sync()
    try sync()
  }

  /// The bytes of a history file; nil when there is none.
  func history(of timeline: UInt32) throws -> [UInt8]? {
    guard try holdsHistory(of: timeline) else { return nil }
    let file = try File(reading: path(of: WALFileName.history(timeline: timeline).text))
    return try file.descriptor.read(count: 1 << 20, at: 0)
  }

  /// Writes a history file, whole and durable, unless it is there already.
  func writeHistory(_ bytes: [UInt8], of timeline: UInt32) throws(SystemError) {
    let file = try DurableFile(path(of: WALFileName.history(timeline: timeline).text))
    try file.descriptor.writeAll(bytes.span)
    try file.publish()
  }
}

extension WALDirectory.Content {
  fileprivate mutating func add(
    _ name: String, _ digits: SegmentName, _ size: SegmentSize, in directory: borrowing WALDirectory
  ) throws(SystemError) {
    let bytes = try FileFacts.of(directory.path(of: name))?.size ?? 0
    guard let segment = Segment(digits, size: size), bytes == size.bytes else {
      oddities.append("\"\(name)\" has \(bytes) bytes instead of \(size.bytes) and is passed over")
      if let segment = Segment(digits, size: size) { odd.append(segment) }
      return
    }
    complete.append(segment)
  }
}
