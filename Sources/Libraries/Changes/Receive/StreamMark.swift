internal import Bytes
internal import Posix
public import Postgres

/// What a message of pgoutput says of where transactions begin and end; the rest of it is passed on
/// unread.
///
/// Messages, integers in network order:
///
///     B  commit LSN (8) …                              b  prepare LSN (8) …
///     C  flags (1)  commit LSN (8)  end LSN (8) …      P, K  like C, of prepare and commit prepared
///     r  flags (1)  prepare's end LSN (8)  rollback's end LSN (8) …
///     S  xid (4)  first (1)                            E  nothing
///     c  xid (4)  flags (1)  commit LSN (8)  end LSN (8) …
///     p  flags (1)  prepare LSN (8)  end LSN (8)  time (8)  xid (4) …
///     A  xid (4)  xid of the subtransaction (4) …      M  flags (1)  LSN (8) …
public enum StreamMark: Equatable, Sendable {
  /// A transaction; its commit or prepare begins at the position.
  case begin(LSN)
  /// The end of that: where its record begins, and where it ends.
  case end(at: LSN, LSN)
  /// A transaction of which parts come before it ends, and one of these parts.
  case partBegin(xid: UInt32)
  case partEnd
  /// The end of a transaction that came in parts.
  case streamEnd(xid: UInt32, at: LSN, LSN)
  /// Such a transaction, or a part of it, that is not to be.
  case abort(xid: UInt32, isWhole: Bool)
  /// A prepared transaction that is committed or rolled back.
  case single(at: LSN, LSN)
  /// A logical message outside of transactions.
  case message(LSN)
  case other

  /// `isInside` is true between a begin and an end, of transactions or parts.
  ///
  /// Throws a `Failure` (65) for a message that is cut off.
  public init(_ message: Span<UInt8>, isInside: Bool) throws {
    func position(_ offset: Int) throws -> LSN {
      try Self.check(message, holds: offset + 8)
      return LSN(rawValue: message.bigEndian(UInt64.self, at: offset))
    }
    func xid(_ offset: Int) throws -> UInt32 {
      try Self.check(message, holds: offset + 4)
      return message.bigEndian(UInt32.self, at: offset)
    }
    try Self.check(message, holds: 1)
    switch message[0] {
    case UInt8(ascii: "B"), UInt8(ascii: "b"): self = .begin(try position(1))
    case UInt8(ascii: "C"), UInt8(ascii: "P"): self = .end(at: try position(2), try position(10))
    case UInt8(ascii: "K"): self = .single(at: try position(2), try position(10))
    case UInt8(ascii: "r"): self = .single(at: try position(10), try position(10))
    case UInt8(ascii: "S"): self = .partBegin(xid: try xid(1))
    case UInt8(ascii: "E"): self = .partEnd
    case UInt8(ascii: "c"):
      self = .streamEnd(xid: try xid(1), at: try position(6), try position(14))
    case UInt8(ascii: "p"):
      self = .streamEnd(xid: try xid(26), at: try position(2), try position(10))
    case UInt8(ascii: "A"): self = .abort(xid: try xid(1), isWhole: try xid(1) == xid(5))
    case UInt8(ascii: "M"): self = isInside ? .other : .message(try position(2))
    default: self = .other
    }
  }

  private static func check(_ message: Span<UInt8>, holds count: Int) throws {
    guard message.count < count else { return }
    throw Failure(
      .badInput, "malformed pgoutput message",
      detail: "of type \(message.isEmpty ? 0 : message[0]), it ends at byte \(message.count)")
  }

  /// True behind which what comes is inside of something, false behind which it is not; nil for what
  /// changes nothing of that.
  public var isInsideAfter: Bool? {
    switch self {
    case .begin, .partBegin: true
    case .end, .partEnd: false
    default: nil
    }
  }

  /// The end of what is whole with it; nil for all others.
  public var end: LSN? {
    switch self {
    case .end(_, let end), .single(_, let end), .streamEnd(_, _, let end): end
    default: nil
    }
  }

  /// True if what begins with it, at `start` as its header says, commits behind `end`, so that it
  /// is not delivered.
  ///
  /// No record of a commit has the end of another one inside: one that begins before `end` ends there
  /// at the latest.
  public func isBeyond(_ end: LSN, at start: LSN) -> Bool {
    switch self {
    case .begin(let position), .message(let position), .streamEnd(_, let position, _):
      position >= end
    // Of a rollback only the end is known.
    case .single(let position, let recordEnd) where position == recordEnd: position > end
    case .single(let position, _): position >= end
    case .partBegin: start >= end
    case .end, .partEnd, .abort, .other: false
    }
  }
}
