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
    if let slot = options.slot { remote.slot = try findSlot(slot, stream) }
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
  func local(_ history: TimelineHistory) throws -> StartPoint.Local? {
    let content = try directory.content(size)
    for oddity in content.oddities { message.warning(oddity) }
    guard let newest = content.newest(in: history) else { return nil }
    let name = newest.segment.name + (newest.isPartial ? ".partial" : "")
    var local = StartPoint.Local(
      segment: newest.segment, isPartial: newest.isPartial, usedEnd: newest.segment.end)
    if newest.isPartial { local.usedEnd = try directory.usedEnd(ofPartial: newest.segment) }
    if let header = try directory.header(ofFile: name) {
      local.systemIdentifier = "\(header.systemIdentifier)"
    } else if let whole = content.complete.last {
      local.systemIdentifier =
        try directory.header(ofFile: whole.name).map { "\($0.systemIdentifier)" }
    }
    return local
  }

  /// Has the server send from where the directory ends, or, if told to, from behind a gap.
  ///
  /// Returns where that is, and the record that says so, nil when it is known already; the stream
  /// runs.
  func begin(
    _ stream: WALStream, _ remote: StartPoint.Remote, _ records: ReceiverRecords
  ) throws -> (StartPoint, Record?) {
    let local = try local(remote.history)
    let start = StartPoint.reconcile(local, remote, size)
    switch start.state {
    case .otherSystem:
      try queue.add(records.start(start, remote, slot: options.slot))
      throw Failure(
        .configuration, start.detail ?? "",
        hint: "A cluster made anew needs a directory and a slot of its own.")
    case .diverged: return (try goOn(behind: start, stream, remote, records), nil)
    case .fresh, .resuming, .behind: break
    }
    do { try open(stream, at: start, records) } catch let error as PostgresError {
      guard Self.isGone(error) else { throw error }
      return (try goOn(behind: start.lost(error.message), stream, remote, records), nil)
    }
    return (start, records.start(start, remote, slot: options.slot))
  }

  private func open(
    _ stream: WALStream, at start: StartPoint, _ records: ReceiverRecords
  ) throws {
    try fetchHistory(of: start.timeline, stream, records)
    try stream.start(slot: options.slot, timeline: start.timeline, from: start.position)
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
  ) throws -> StartPoint {
    try queue.add(records.start(problem, remote, slot: options.slot))
    guard options.onGap == .mark else {
      throw Failure(
        .configuration, problem.detail ?? "", detail: "Nothing was changed.",
        hint: "Take a new base backup, and run once with --on-gap=mark to go on behind the gap.")
    }
    let remote = try renewSlot(remote, stream)
    let start = StartPoint.fresh(remote, size)
    try setAside(from: start.position, remote.history)
    try queue.add(
      records.gap(
        timeline: problem.timeline, from: problem.position, to: start,
        reason: problem.state.rawValue))
    message.warning(
      "the WAL from \(problem.position) to \(start.position) is missing from now on")
    try open(stream, at: start, records)
    return start
  }

  /// A slot that the server gave up keeps nothing any more; only a new one does.
  private func renewSlot(
    _ remote: StartPoint.Remote, _ stream: WALStream
  ) throws -> StartPoint.Remote {
    guard let slot = options.slot, remote.slot?.restart == nil else { return remote }
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
      for name in [segment.name, segment.name + ".partial"] {
        guard try FileFacts.of(directory.path(of: name)) != nil else { continue }
        message.warning("\"\(name)\" is kept as \"\(name)\(suffix)\"")
        try Directory.rename(directory.path(of: name), to: directory.path(of: name + suffix))
      }
    }
    try directory.sync()
  }

  /// A timeline's history file comes before its WAL.
  func fetchHistory(
    of timeline: UInt32, _ stream: WALStream, _ records: ReceiverRecords
  ) throws {
    guard timeline > 1, try !directory.holdsHistory(of: timeline) else { return }
    let file = try stream.connection.timelineHistory(timeline)
    let expected = WALFileName.history(timeline: timeline).text
    guard file.name == expected else {
      throw Failure(
        .badInput, "the server sent \"\(file.name)\" instead of \"\(expected)\"")
    }
    _ = try Self.parse(file.bytes, of: timeline, from: "the server")
    try directory.writeHistory(file.bytes, of: timeline)
    try emitHistory(timeline, records)
  }
}
