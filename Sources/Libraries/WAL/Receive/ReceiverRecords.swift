internal import Filter
internal import JSON
internal import Posix
internal import Postgres

/// The records a receiver writes.
struct ReceiverRecords: Sendable {
  let systemIdentifier: String

  /// A complete segment.
  func segment(_ segment: Segment, path: String) -> Record {
    var record = Record(type: "segment")
    record.set("timeline", segment.timeline)
    record.set("segment", segment.name)
    record.set("start_lsn", "\(segment.start)")
    record.set("end_lsn", "\(segment.end)")
    record.set("path", path)
    record.set("bytes", segment.size.bytes)
    record.set("system_identifier", systemIdentifier)
    return record
  }

  /// The history file of a timeline.
  func timeline(_ history: TimelineHistory, path: String, bytes: Int) -> Record {
    var record = Record(type: "timeline")
    record.set("timeline", history.timeline)
    record.set("segment", WALFileName.history(timeline: history.timeline).text)
    record.set("start_lsn", history.ancestors.last.map { "\($0.end)" })
    record.set("path", path)
    record.set("bytes", bytes)
    record.set("system_identifier", systemIdentifier)
    return record
  }

  /// Where receiving begins, and why there.
  func start(_ start: StartPoint, _ remote: StartPoint.Remote, slot: String?) -> Record {
    var record = Record(type: "start")
    record.set("state", start.state.rawValue)
    record.set("timeline", start.timeline)
    record.set("start_lsn", "\(start.position)")
    record.set("slot", slot)
    record.set("restart_lsn", remote.slot?.restart.map { "\($0)" })
    record.set("server_timeline", remote.system.timeline)
    record.set("server_lsn", "\(remote.system.position)")
    record.set("system_identifier", systemIdentifier)
    record.set("detail", start.detail)
    record.set("at", Timestamp.now())
    return record
  }

  /// How far it is, and how much would be lost with the server: the age of the last commit that is
  /// durable here says so in time, `bytes_behind` in WAL.
  func status(_ progress: WALStream.Progress, lastCommit: Int64?) -> Record {
    var record = Record(type: "status")
    record.set("timeline", progress.timeline)
    record.set("received_lsn", "\(progress.received)")
    record.set("flushed_lsn", progress.flushed.isValid ? "\(progress.flushed)" : nil)
    record.set("server_lsn", "\(progress.server)")
    let flushed = max(progress.flushed, LSN.invalid)
    record.set("bytes_behind", flushed.isValid ? max(0, progress.server - flushed) : nil)
    record.set("last_commit_at", lastCommit.map { Timestamp.text(microseconds: $0) })
    record.set("last_commit_age_ms", lastCommit.map { max(0, Clock.now() - $0) / 1000 })
    record.set("system_identifier", systemIdentifier)
    record.set("at", Timestamp.now())
    return record
  }

  /// What lies between where a directory ended and where receiving goes on: WAL that nobody can get
  /// from this server any more, or, where both are one place, another history from there on.
  func gap(behind problem: StartPoint, upTo start: StartPoint) -> Record {
    // A server that was set back goes on before the place where the directory ended.
    let begin =
      problem.timeline == start.timeline
      ? min(problem.position, start.position) : problem.position
    var record = Record(type: "gap")
    record.set("timeline", problem.timeline)
    record.set("start_lsn", "\(begin)")
    record.set("end_lsn", "\(start.position)")
    record.set("end_timeline", start.timeline)
    record.set("reason", problem.state.rawValue)
    record.set("system_identifier", systemIdentifier)
    record.set("at", Timestamp.now())
    return record
  }
}
