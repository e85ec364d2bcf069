internal import Postgres

/// Where receiving begins, decided from what directory, slot and server say.
struct StartPoint: Equatable {
  /// What was found; the words are those of the `start` record.
  enum State: String {
    /// The directory is empty.
    case fresh
    /// The server goes on where the directory ends.
    case resuming
    /// The server no longer has what comes next: a gap.
    case behind
    /// The directory holds WAL that is not in the server's history.
    case diverged
    /// The directory is of another cluster.
    case otherSystem = "other_system"
  }

  let state: State
  let timeline: UInt32
  /// A segment's first byte.
  let position: LSN
  /// What is wrong, in words; nil when nothing is.
  var detail: String?
  /// True if the server has given up the slot.
  var slotIsLost = false
  /// Where the server left the timeline of which the directory has more; nil otherwise.
  var parting: LSN?

  /// What the directory says.
  struct Local {
    var segment: Segment
    var isPartial: Bool
    /// Behind the last byte that is not zero; of a complete segment its end.
    var usedEnd: LSN
    /// Nil when nothing in the directory says.
    var systemIdentifier: String?
    /// True if all that lies behind the place where the server left the timeline is the beginning of
    /// a record that it never finished.
    var endsUnfinished = false

    /// The first byte that is not there for certain.
    var next: LSN { isPartial ? segment.start : segment.end }
  }

  /// What the server says.
  struct Remote {
    var system: ReplicationConnection.System
    var history: TimelineHistory
    /// Nil when there is none, or none is used.
    var slot: ReplicationConnection.Slot?
    /// A standby may be behind the directory, and is only to be waited for.
    var isStandby = false
  }

  /// The decision; it knows nothing yet of what WAL the server still keeps.
  static func reconcile(_ local: Local?, _ remote: Remote, _ size: SegmentSize) -> StartPoint {
    guard let local else { return fresh(remote, size) }
    let (timeline, next) = (local.segment.timeline, local.next)
    let start = { (state: State, detail: String?) in
      StartPoint(state: state, timeline: timeline, position: next, detail: detail)
    }
    if let theirs = local.systemIdentifier, theirs != remote.system.identifier {
      return start(
        .otherSystem,
        "the directory holds WAL of the system \(theirs), the server is \(remote.system.identifier)"
      )
    }
    guard remote.history.includes(timeline) else {
      return start(
        .diverged,
        "the directory ends on timeline \(timeline), which is not in the history of the server's "
          + "timeline \(remote.system.timeline)")
    }
    let end = remote.history.end(of: timeline)
    if let end, local.usedEnd > end { return behindBranch(local, end, remote, size) }
    if end == nil, local.usedEnd > remote.system.position, !remote.isStandby {
      return start(
        .diverged,
        "the directory holds WAL up to \(local.usedEnd), but the server's ends at "
          + "\(remote.system.position)")
    }
    return start(.resuming, nil)
  }

  /// The directory has more of a timeline than the server, which left it at `end`.
  private static func behindBranch(
    _ local: Local, _ end: LSN, _ remote: Remote, _ size: SegmentSize
  ) -> StartPoint {
    let timeline = local.segment.timeline
    var start = StartPoint(
      state: local.endsUnfinished ? .resuming : .diverged, timeline: timeline,
      position: Segment(timeline: timeline, holding: end, size: size).start)
    if local.endsUnfinished {
      start.detail =
        "what the directory holds of timeline \(timeline) behind \(end), where the server left it, "
        + "is part of a record that was never finished: no commit is in it"
    } else {
      start.parting = end
      start.detail =
        "the directory holds WAL of timeline \(timeline) up to \(local.usedEnd), commits perhaps, but "
        + "the server left that timeline at \(end)"
    }
    return start
  }

  /// The same place, when the server has not got what follows it, as it says in `error`.
  func lost(_ error: PostgresError) -> StartPoint {
    StartPoint(
      state: .behind, timeline: timeline, position: position,
      detail: "the server no longer has the WAL from \(position) on: \(error.message)",
      slotIsLost: error.sqlState == "55000")
  }

  /// From the slot on, or else from where the server is.
  static func fresh(_ remote: Remote, _ size: SegmentSize) -> StartPoint {
    let position = remote.slot?.restart ?? remote.system.position
    let timeline = remote.slot?.timeline ?? remote.history.timeline(holding: position)
    let segment = Segment(timeline: timeline, holding: position, size: size)
    return StartPoint(state: .fresh, timeline: timeline, position: segment.start)
  }
}
