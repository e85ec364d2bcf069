public import Filter
public import Postgres

/// What a receiver of changes is to do.
public struct ChangeReceiverOptions: Sendable {
  /// What follows when more than the allowed lag is not confirmed.
  public enum OnLag: String, CaseIterable, Sendable { case warn, stop }

  /// Whether changes are sent before their transaction has ended.
  public enum Streaming: String, CaseIterable, Sendable { case off, on, parallel }

  /// Which changes are wanted, by where they were made.
  public enum Origin: String, CaseIterable, Sendable {
    case any
    /// Made on that server itself, not replicated to it.
    case none
  }

  public var connection = ConnectionOptions()
  public var slot = ""
  public var publications: [String] = []
  public var slotOptions = ReplicationConnection.LogicalSlotOptions()
  /// Nil: the latest that the server has.
  public var protocolVersion: Int?
  /// Nil: as much as the protocol has, but with an end position `off`.
  public var streaming: Streaming?
  public var origin: Origin?
  public var includesMessages = false
  /// Nil: go on.
  public var endPosition: LSN?
  /// False: end when the connection is lost, instead of trying again.
  public var loops = true
  /// Between two reports to the server; 0: only when asked.
  public var statusMilliseconds = 10_000
  /// Where acknowledgements come from; nil: nothing that was received is ever confirmed.
  public var acknowledgements: String?
  /// Where the confirmed position is kept; nil: at the server only.
  public var statePath: String?
  /// Where what a slow reader has not taken waits; nil: with the server.
  public var spoolDirectory: String?
  public var spoolBytes = 1 << 30
  /// Nil: any.
  public var maxLagBytes: Int?
  public var onLag = OnLag.warn

  public init() {}

  /// Throws where the protocol that was asked for cannot have what else was.
  public func checkProtocol() throws(UsageError) {
    guard let version = protocolVersion else { return }
    let needed = max(
      slotOptions.isTwoPhase ? 3 : 1, streaming == .parallel ? 4 : streaming == .on ? 2 : 1)
    guard version >= needed else {
      throw UsageError("what else is asked for needs --protocol=\(needed) or a later one")
    }
  }
}
