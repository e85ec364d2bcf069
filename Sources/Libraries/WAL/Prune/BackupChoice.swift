internal import Posix
internal import Postgres

/// The rules applied to the backups of one cluster.
struct BackupChoice {
  private(set) var kept: [BaseBackup] = []
  private(set) var expired: [BaseBackup] = []
  /// Backups that cannot be restored yet, perhaps because their WAL is still on its way.
  private var pending: [BaseBackup] = []
  /// The histories of all timelines, oldest first; the last is where the cluster is now.
  let lines: [TimelineHistory]
  private let newest: TimelineHistory
  private let inventory: ArchiveInventory
  /// Timelines where nothing arrived since then are dead; microseconds since 1970.
  private var quietSince: Int64 = .min

  init(
    _ rules: Retention, _ backups: [BaseBackup], _ inventory: ArchiveInventory, at now: Int64
  ) throws(Failure) {
    self.inventory = inventory
    lines = try Self.histories(of: inventory)
    guard let newest = lines.last else { throw Self.refusal("there is no backup and no WAL") }
    self.newest = newest
    let sorted = backups.sorted { ($0.finishedAt, $0.id) < ($1.finishedAt, $1.id) }
    let sound = sorted.filter { [lines] in Self.isRestorable($0, lines, inventory) }
    let chosen = choose(rules, sound, at: now)
    guard let oldest = sound.first(where: { chosen.contains($0.id) }),
      sound.contains(where: { chosen.contains($0.id) && Self.leads($0, to: newest) })
    else {
      throw Self.refusal("no backup that can be restored leads to timeline \(newest.timeline)")
    }
    quietSince = min(oldest.finishedAt, rules.cutoff(at: now) ?? .max)
    let ids = Set(sound.map(\.id))
    kept = sound.filter { chosen.contains($0.id) }
    pending = sorted.filter {
      !ids.contains($0.id) && $0.finishedAt > oldest.finishedAt
    }
    let needed = Set((kept + pending).map(\.id))
    expired = sorted.filter { !needed.contains($0.id) }
  }

  /// The names of the sound backups that the rules keep.
  private func choose(_ rules: Retention, _ sound: [BaseBackup], at now: Int64) -> Set<String> {
    var chosen: [BaseBackup] = []
    if let count = rules.keepLast {
      // The newest ones may be of a timeline that was given up since.
      chosen += sound.suffix(count) + sound.filter { Self.leads($0, to: newest) }.suffix(count)
    }
    if let cutoff = rules.cutoff(at: now) {
      chosen += sound.filter { $0.finishedAt > cutoff }
      for line in lines
      where line == newest || inventory.isActive(line.timeline, after: cutoff) {
        let anchor = sound.last { $0.finishedAt <= cutoff && Self.leads($0, to: line) }
        if let anchor { chosen.append(anchor) }
      }
    }
    return Set(chosen.map(\.id))
  }

  /// Throws when a segment lacks between a kept backup and the end of its line.
  ///
  /// What is older than a gap may be all that is left, and a gap may also be a listing or an upload
  /// that is not whole yet.
  func checkChains() throws(Failure) {
    for backup in kept {
      let line = Self.leads(backup, to: newest) ? newest : inventory.history(of: backup.timeline)
      guard let line,
        let missing = inventory.firstMissing(from: backup.start, along: line)
      else { continue }
      throw Self.refusal(
        "segment \(missing.name), which backup \"\(backup.label)\" needs, is missing")
    }
  }

  /// Where the WAL of a timeline begins that somebody needs; nil where nobody needs any.
  func floor(of line: TimelineHistory) -> LSN? {
    let starts = (kept + pending).filter { mayNeed($0, line) }.map(\.start)
    if let floor = starts.min() { return floor }
    let isAlive = line == newest || inventory.isActive(line.timeline, after: quietSince)
    return isAlive ? .invalid : nil
  }

  private static func histories(
    of inventory: ArchiveInventory
  ) throws(Failure) -> [TimelineHistory] {
    var lines: [TimelineHistory] = []
    for timeline in inventory.timelines {
      guard let history = inventory.history(of: timeline) else {
        throw refusal("the history of timeline \(timeline) is not in the archive")
      }
      lines.append(history)
    }
    return lines
  }

  /// True if all WAL is there that makes the backup consistent.
  private static func isRestorable(
    _ backup: BaseBackup, _ lines: [TimelineHistory], _ inventory: ArchiveInventory
  ) -> Bool {
    lines.contains { line in
      leads(backup, to: line)
        && inventory.firstMissing(from: backup.start, along: line, to: backup.stop) == nil
    }
  }

  /// True if replay from the backup can follow that history.
  private static func leads(_ backup: BaseBackup, to line: TimelineHistory) -> Bool {
    if backup.timeline == line.timeline { return true }
    return line.end(of: backup.timeline).map { backup.stop <= $0 } ?? false
  }

  /// As `leads`, where it is safer to say yes.
  private static func mayLead(_ backup: BaseBackup, to line: TimelineHistory) -> Bool {
    if backup.timeline == line.timeline { return true }
    return line.end(of: backup.timeline).map { backup.start < $0 } ?? false
  }

  /// True if replay of the backup may read that timeline.
  ///
  /// One made of a standby may end on another timeline than the one it began on.
  private func mayNeed(_ backup: BaseBackup, _ line: TimelineHistory) -> Bool {
    if Self.mayLead(backup, to: line) { return true }
    guard let own = inventory.history(of: backup.timeline) else { return true }
    return own.end(of: line.timeline).map { backup.start < $0 } ?? false
  }

  private static func refusal(_ reason: String) -> Failure {
    Failure(.negative, "nothing is pruned: \(reason)")
  }
}
