public import Postgres

/// What was received, what of it is acknowledged, and so how far the server may be told that all is
/// done; without input and output.
///
/// A position is confirmed when it is the end of a transaction that was acknowledged, or when the
/// server says that it has nothing to send before it, and nothing is outstanding.
public struct DeliveryTracker: Sendable {
  /// Of so many transactions that wait for an acknowledgement each end is known; of more, every
  /// second one is forgotten, and confirmed with the next.
  public static var maxPending: Int { 1 << 20 }

  private let expectsAcknowledgements: Bool
  /// The ends of what was received whole and is not acknowledged, in order.
  private var pending: ArraySlice<LSN> = []
  private var acknowledged = LSN.invalid
  private var isInside = false
  /// Transactions of which parts were received, and no end.
  private var open: Set<UInt32> = []
  private var hasReceived = false
  /// What may be confirmed; invalid: nothing.
  public private(set) var confirmed: LSN

  /// `confirmed` is what was confirmed before, by another process.
  public init(expectsAcknowledgements: Bool, confirmed: LSN = .invalid) {
    self.expectsAcknowledgements = expectsAcknowledgements
    self.confirmed = confirmed
  }

  /// True if all that was received whole is acknowledged.
  public var isSettled: Bool { pending.isEmpty }

  public mutating func take(_ mark: StreamMark) {
    if let isInside = mark.isInsideAfter { self.isInside = isInside }
    hasReceived = true
    switch mark {
    case .end(_, let end), .single(_, let end), .message(let end): receive(upTo: end)
    case .partBegin(let xid): open.insert(xid)
    case .streamEnd(let xid, _, let end):
      open.remove(xid)
      receive(upTo: end)
    case .abort(let xid, true): open.remove(xid)
    case .begin, .partEnd, .abort, .other: break
    }
  }

  private mutating func receive(upTo end: LSN) {
    guard expectsAcknowledgements else { return }
    // What comes again after a new start is known already.
    guard end > confirmed, end > pending.last ?? .invalid else { return }
    pending.append(end)
    if pending.count > Self.maxPending { thinOut() }
    settle()
  }

  private mutating func thinOut() {
    let last = pending.endIndex - 1
    let kept = pending.indices.filter { ($0 - last).isMultiple(of: 2) }
    pending = ArraySlice(kept.map { pending[$0] })
  }

  /// All up to `position` is durable at the sink.
  public mutating func acknowledge(_ position: LSN) {
    acknowledged = max(acknowledged, position)
    settle()
  }

  private mutating func settle() {
    while let first = pending.first, first <= acknowledged {
      confirmed = max(confirmed, first)
      pending.removeFirst()
    }
  }

  /// The server has sent all that there is to send of what lies before `position`.
  public mutating func pass(_ position: LSN) {
    guard pending.isEmpty, !isInside, open.isEmpty else { return }
    guard expectsAcknowledgements || !hasReceived else { return }
    confirmed = max(confirmed, position)
  }

  /// The connection was lost: what was not received whole will come again.
  public mutating func cutOff() {
    isInside = false
    open = []
  }
}
