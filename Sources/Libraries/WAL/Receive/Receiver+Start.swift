internal import Bytes
internal import Filter
internal import JSON
internal import Posix
internal import Postgres

/// Where to begin.
extension Receiver {
  /// What the server says of itself, of its timelines, and of the slot, which is made if need be.
  func remote(_ stream: WALStream) throws -> StartPoint.Remote {
    let system = try stream.connection.identifySystem()
    var history = TimelineHistory(timeline: system.timeline)
    if system.timeline > 1 {
      let file = try stream.connection.timelineHistory(system.timeline)
      history = try Self.parse(file.bytes, of: system.timeline, from: "the server")
    }
    var remote = StartPoint.Remote(system: system, history: history)
    remote.isStandby = try stream.connection.setting("in_hot_standby") == "on"
    if let slot = options.slot {
      do { remote.slot = try findSlot(slot, stream) } catch let error as PostgresError {
        throw error.aboutSlot
      }
    }
    return remote
  }

  private func findSlot(_ name: String, _ stream: WALStream) throws -> ReplicationConnection.Slot? {
    if !options.slotOptions.isTemporary, let slot = try stream.connection.slot(name) {
      return slot
    }
    guard options.createsSlot || options.slotOptions.isTemporary else {
      throw Failure(
        .configuration, "replication slot \"\(name)\" does not exist",
        hint: "Without --no-create-slot it is made.")
    }
    var slotOptions = options.slotOptions
    slotOptions.reservesWAL = true
    try stream.connection.createSlot(name, slotOptions)
    return try stream.connection.slot(name)
  }

  /// What the directory says to a server with that history.
  private func local(
    _ content: WALDirectory.Content, _ last: LastSegment?, _ history: TimelineHistory
  ) throws -> StartPoint.Local? {
    for oddity in content.oddities { message.warning(oddity) }
    guard let newest = content.newest(in: history) else {
      return try leftover(content, last, history)
    }
    let name = newest.segment.name + (newest.isPartial ? ".partial" : "")
    var local = StartPoint.Local(
      segment: newest.segment, isPartial: newest.isPartial, usedEnd: newest.segment.end)
    if newest.isPartial { local.usedEnd = try directory.usedEnd(ofPartial: newest.segment) }
    var header = try directory.header(ofFile: name)
    if header == nil, let whole = content.complete.last {
      header = try directory.header(ofFile: whole.name)
    }
    local.systemIdentifier = header.map { "\($0.systemIdentifier)" } ?? last?.systemIdentifier
    let timeline = local.segment.timeline
    if let end = history.end(of: timeline), local.usedEnd > end {
      local.endsUnfinished =
        try directory.holdsOnlyUnfinishedRecord(of: timeline, behind: end, content, size)
    }
    return local
  }

  /// What the directory says where no segment in it is whole: something was received, and the server
  /// is to go on there, not anywhere.
  private func leftover(
    _ content: WALDirectory.Content, _ last: LastSegment?, _ history: TimelineHistory
  ) throws -> StartPoint.Local? {
    if let segment = content.odd.last {
      let header = try? directory.header(ofFile: segment.name)
      return StartPoint.Local(
        segment: segment, isPartial: true, usedEnd: segment.start,
        systemIdentifier: header.map { "\($0.systemIdentifier)" } ?? last?.systemIdentifier)
    }
    let foreign = content.histories.first { !history.includes($0) }
    let oddity = content.oddities.first
    guard let problem = oddity ?? foreign.map({ "it has the history of timeline \($0)" })
    else { return nil }
    throw Failure(
      .configuration, "\"\(options.directory)\" holds WAL that is not this server's",
      detail: problem, hint: "Receive into a directory of its own.")
  }

  /// Where receiving begins.
  struct Beginning {
    var start: StartPoint
    /// Of the stream; a later one than that of `start` where the server had nothing more of it.
    var timeline: UInt32
    /// The first byte that is asked for: before `start` where what is there is compared first.
    var first: LSN
    /// The segment from there to `start`, where it is here no more.
    var known: LastSegment.Finished?
    /// To be written once the server has sent something; nil when it was written.
    var announcement: Record?
  }

  /// Has the server send from where the directory ends, or, if told to, from behind a gap.
  ///
  /// The stream runs on return; nil when the end position is behind us already. With `verifies`
  /// false the last segment that was finished is not compared.
  func begin(
    _ stream: WALStream, _ remote: StartPoint.Remote, _ records: ReceiverRecords, verifies: Bool
  ) throws -> Beginning? {
    try directory.checkPlace()
    let content = try directory.content(size)
    if let name = content.compressed.first {
      throw Failure(
        .configuration, "\"\(name)\" is a compressed segment, of which nothing can be told here",
        hint: "Decompress what pg_receivewal left, or receive into a directory of its own.")
    }
    try directory.secure(content)
    let last = try directory.lastSegment()
    let local = try local(content, last, remote.history)
    let start = StartPoint.reconcile(local, remote, size)
    switch start.state {
    case .otherSystem:
      try queue.add(records.start(start, remote, slot: options.slot))
      throw Failure(
        .configuration, start.detail ?? "",
        hint: "A cluster made anew needs a directory and a slot of its own.")
    case .diverged: return try goOn(behind: start, stream, remote, records)
    case .fresh, .resuming, .behind: break
    }
    if remote.isStandby, start.position > remote.system.position {
      throw Failure(
        .temporary,
        "the standby is at \(remote.system.position), the directory at \(start.position) already")
    }
    if let detail = start.detail { message.warning(detail) }
    let overlap = verifies ? local.flatMap { Self.overlap($0, content, last) } : nil
    if verifies, overlap == nil, let local, local.usedEnd == local.segment.start {
      message.warning(
        "nothing here shows whether the server goes on with what was received up to "
          + "\(start.position)")
    }
    if let end = options.endPosition, start.position > end {
      try queue.add(records.start(start, remote, slot: options.slot))
      return nil
    }
    do {
      var beginning = try open(
        stream, remote, start, from: overlap?.first ?? start.position, records)
      beginning.known = overlap?.known
      return beginning
    } catch let error as PostgresError {
      guard Self.isGone(error) else { throw error }
      return try goOn(behind: start.lost(error), stream, remote, records)
    }
  }

  /// The start of the last segment that was finished, and what is known of it if it is not there any
  /// more, where nothing behind it could show that the server goes on with what was received; nil
  /// where something can, or nothing is known.
  private static func overlap(
    _ local: StartPoint.Local, _ content: WALDirectory.Content, _ last: LastSegment?
  ) -> (first: LSN, known: LastSegment.Finished?)? {
    guard local.usedEnd == local.next, !local.endsUnfinished else { return nil }
    let isBefore = { (segment: Segment) in
      segment.timeline == local.segment.timeline && segment.end == local.next
    }
    if let whole = content.complete.last(where: isBefore) { return (whole.start, nil) }
    guard let finished = last?.finished, isBefore(finished.segment) else { return nil }
    return (finished.segment.start, finished)
  }

  /// Has the server send from `first` on, or from where the next timelines begin when it has nothing
  /// more of this one.
  private func open(
    _ stream: WALStream, _ remote: StartPoint.Remote, _ start: StartPoint, from first: LSN,
    _ records: ReceiverRecords
  ) throws -> Beginning {
    let announcement = records.start(start, remote, slot: options.slot)
    let place = try open(
      stream, (start.timeline, first), reserved: remote.slot?.restart, records)
    return Beginning(
      start: start, timeline: place.timeline, first: place.first, announcement: announcement)
  }

  /// Returns from where on which timeline the stream runs.
  func open(
    _ stream: WALStream, _ place: (timeline: UInt32, first: LSN), reserved: LSN?,
    _ records: ReceiverRecords
  ) throws -> (timeline: UInt32, first: LSN) {
    var (timeline, first) = place
    while true {
      try fetchHistory(of: timeline, stream, records)
      let end = try stream.start(
        slot: options.slot, timeline: timeline, from: first, reserved: reserved)
      guard case .timeline(let next, let position) = end else { return (timeline, first) }
      try check(next, position, from: timeline, first)
      (timeline, first) = (next, Segment(timeline: next, holding: position, size: size).start)
    }
  }

  /// Throws where the server goes on with a timeline that cannot follow on this one.
  func check(_ next: UInt32, _ position: LSN, from timeline: UInt32, _ written: LSN) throws {
    guard next > timeline, position <= written else {
      throw Failure(
        .badInput,
        "the server goes on with timeline \(next) at \(position), but sent timeline \(timeline) "
          + "up to \(written)")
    }
  }

  /// True if the server has removed the WAL that we asked for, or given up the slot.
  static func isGone(_ error: PostgresError) -> Bool {
    if error.sqlState == "58P01" { return true }
    let words = error.message + (error.detail ?? "")
    return error.sqlState == "55000" && ["invalidated", "no longer"].contains { words.holds($0) }
  }

  /// A gap: the end, or, where that was asked for, a record and a new start.
  func goOn(
    behind problem: StartPoint, _ stream: WALStream, _ remote: StartPoint.Remote,
    _ records: ReceiverRecords
  ) throws -> Beginning {
    try refuse(problem, remote, records)
    if let parting = problem.parting {
      return try goOn(from: problem, partingAt: parting, stream, remote, records)
    }
    let remote = try renewSlot(remote, stream, after: problem)
    let start = StartPoint.fresh(remote, size)
    try mark(records.gap(behind: problem, upTo: start))
    try setAside(from: start.position, remote.history)
    message.warning(
      "the WAL from \(problem.position) to \(start.position) is missing from now on")
    var beginning = try open(stream, remote, start, from: start.position, records)
    beginning.announcement = nil
    return beginning
  }

  /// From where the server left the timeline nothing is missing of its own history.
  private func goOn(
    from problem: StartPoint, partingAt parting: LSN, _ stream: WALStream,
    _ remote: StartPoint.Remote, _ records: ReceiverRecords
  ) throws -> Beginning {
    let timeline = remote.history.timeline(holding: parting)
    let branch = { StartPoint(state: .diverged, timeline: $0, position: parting) }
    try mark(records.gap(behind: branch(problem.timeline), upTo: branch(timeline)))
    try setAside(from: problem.position, remote.history)
    message.warning(
      "what the directory holds of timeline \(problem.timeline) behind \(parting) is in no server's "
        + "history from now on")
    let start = StartPoint(
      state: .resuming, timeline: problem.timeline, position: problem.position)
    return try open(stream, remote, start, from: start.position, records)
  }

  /// Says what the matter is, and throws unless the user wants to go on all the same.
  private func refuse(
    _ problem: StartPoint, _ remote: StartPoint.Remote, _ records: ReceiverRecords
  ) throws {
    try queue.add(records.start(problem, remote, slot: options.slot))
    guard options.onGap == .mark else {
      throw Failure(
        .configuration, problem.detail ?? "", detail: "Nothing was changed.",
        hint: "Take a new base backup, and run once with --on-gap=mark to go on behind the gap.")
    }
  }

  /// First for good in the directory, then to whoever reads the records.
  private func mark(_ gap: Record) throws {
    try directory.note(gap: gap.text + "\n")
    try queue.add(gap)
  }

  /// The server's WAL turned out to be another than that in the directory; returns if the user
  /// wants to go on, with what is in the way set aside.
  func goOn(
    after divergence: Divergence, _ remote: StartPoint.Remote, _ records: ReceiverRecords
  ) throws {
    let segment = divergence.segment
    let problem = StartPoint(
      state: .diverged, timeline: segment.timeline,
      position: divergence.position ?? segment.start, detail: divergence.detail)
    try refuse(problem, remote, records)
    try mark(records.gap(behind: problem, upTo: problem))
    try setAside(from: segment.start, remote.history)
  }

  /// A slot that the server gave up keeps nothing any more; only a new one does.
  private func renewSlot(
    _ remote: StartPoint.Remote, _ stream: WALStream, after problem: StartPoint
  ) throws -> StartPoint.Remote {
    guard let slot = options.slot, let found = remote.slot else { return remote }
    // One that is behind the gap, as one that was made anew, is where to go on; not one that begins
    // where the WAL is gone.
    let begin = StartPoint.fresh(remote, size).position
    let isOfNoUse = problem.state == .behind && begin <= problem.position
    guard found.restart == nil || problem.slotIsLost || isOfNoUse else { return remote }
    try stream.connection.dropSlot(slot)
    var renewed = remote
    renewed.slot = try findSlot(slot, stream)
    return renewed
  }

  /// Moves away what would be in the way of the new WAL: it is kept, but not under its name.
  private func setAside(from position: LSN, _ history: TimelineHistory) throws {
    let content = try directory.content(size)
    let suffix = ".diverged-\(Clock.now())"
    for segment in content.complete + content.partial {
      let isForeign =
        !history.includes(segment.timeline)
        || history.end(of: segment.timeline).map { segment.start >= $0 } ?? false
      guard isForeign || segment.start >= position else { continue }
      for name in [segment.name, segment.name + ".partial"] { try setAside(name, suffix) }
    }
    for timeline in content.histories where !history.includes(timeline) {
      try setAside(WALFileName.history(timeline: timeline).text, suffix)
    }
    // What it says is of the other history too.
    if let last = try directory.lastSegment() {
      try directory.remember(LastSegment(of: last.systemIdentifier))
    }
    try directory.sync()
  }

  private func setAside(_ name: String, _ suffix: String) throws {
    guard try FileFacts.of(directory.path(of: name)) != nil else { return }
    message.warning("\"\(name)\" is kept as \"\(name)\(suffix)\"")
    try Directory.rename(directory.path(of: name), to: directory.path(of: name + suffix))
  }

  /// A timeline's history file comes before its WAL; one that is there must be the server's.
  func fetchHistory(
    of timeline: UInt32, _ stream: WALStream, _ records: ReceiverRecords
  ) throws {
    guard timeline > 1 else { return }
    let file = try stream.connection.timelineHistory(timeline)
    let expected = WALFileName.history(timeline: timeline).text
    guard file.name == expected else {
      throw Failure(
        .badInput, "the server sent \"\(file.name)\" instead of \"\(expected)\"")
    }
    if let held = try directory.history(of: timeline) {
      if held == file.bytes { return }
      throw Failure(
        .configuration, "the server's \(expected) is not the one in the directory",
        detail: "Two servers were promoted to timeline \(timeline), and this one is the other.",
        hint: "It needs a directory and a slot of its own.")
    }
    _ = try Self.parse(file.bytes, of: timeline, from: "the server")
    try directory.writeHistory(file.bytes, of: timeline)
    try emitHistory(timeline, records)
  }
}
