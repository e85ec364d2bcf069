public import Postgres

/// What a receiver is to do.
public struct ReceiverOptions: Sendable {
  /// What follows when WAL is missing that the server no longer has, or has never had.
  public enum OnGap: String, CaseIterable, Sendable {
    /// End, and leave all as it is.
    case fail
    /// Write a `gap` record, and go on behind it.
    case mark
  }

  /// Where the segments go; it must exist.
  public var directory = ""
  /// Nil: the server keeps no WAL for us while we are away.
  public var slot: String?
  public var createsSlot = true
  public var slotOptions = ReplicationConnection.SlotOptions()
  /// Stop once a byte behind it was received; nil: go on.
  public var endPosition: LSN?
  /// False: end when the connection is lost, instead of trying again.
  public var loops = true
  /// Between two reports to the server, and between two `status` records; 0: only when asked.
  public var statusMilliseconds = 10_000
  public var reportsStatus = false
  public var onGap = OnGap.fail
  /// Begin with records of what is there already.
  public var emitsExisting = false
  /// Below it nothing more is taken from the server.
  public var minFreeBytes = 0
  /// The name for `synchronous_standby_names`; nil: `walrecv`, or what the connection string says.
  public var standbyName: String?
  public var connection = ConnectionOptions()

  public init() {}
}
