public import Posix
internal import Postgres

/// Which segments of one cluster nobody needs any more.
///
/// A backup needs every segment from its start on, along each timeline that it can lead to.
/// Timelines are related by their histories: neither their numbers nor segments' names say
/// which one came from which.
public struct PrunePlan: Sendable {
  /// The backups that the rules keep, oldest first.
  public let kept: [BaseBackup]
  /// The backups that the rules let go, oldest first.
  public let expired: [BaseBackup]
  /// Of each timeline, where the WAL that somebody needs begins; nil where nothing is needed.
  private let floors: [UInt32: LSN?]

  /// Throws a `Failure` (1) that says why when nothing may be pruned: no backup can be restored, a
  /// segment that a kept backup needs is missing, or a history is unknown.
  ///
  /// `now` is in microseconds since 1970.
  public init(
    _ rules: Retention, _ backups: [BaseBackup], _ inventory: ArchiveInventory, at now: Int64
  ) throws(Failure) {
    var inventory = inventory
    for backup in backups { inventory.mention(backup.timeline) }
    let choice = try BackupChoice(rules, backups, inventory, at: now)
    try choice.checkChains()
    (kept, expired) = (choice.kept, choice.expired)
    var floors: [UInt32: LSN?] = [:]
    for line in choice.lines { floors[line.timeline] = choice.floor(of: line) }
    self.floors = floors
  }

  /// True unless it is certain that no kept backup, and no timeline that lives, needs the segment.
  public func needs(_ segment: Segment) -> Bool {
    // A timeline that began after the plan was made is not in it.
    guard let known = floors[segment.timeline] else { return true }
    guard let floor = known else { return false }
    return segment.end > floor
  }
}
