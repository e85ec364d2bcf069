internal import Bytes
internal import Posix

/// The head of a message that a server sends in a replication stream.
///
/// Integers are in network order:
///
///     w  start LSN (8)  server's end of WAL (8)  server's clock (8)  data…
///     k  server's end of WAL (8)  server's clock (8)  reply wanted (1)
public enum ReplicationMessage: Equatable, Sendable {
  case data(start: LSN, serverEnd: LSN)
  case keepAlive(serverEnd: LSN, wantsReply: Bool)

  /// Behind so many bytes the data begin.
  public static var dataHeaderBytes: Int { 25 }

  /// Throws a `Failure` (65) for what is none.
  public init(_ message: Span<UInt8>) throws {
    switch (message.isEmpty ? 0 : message[0], message.count) {
    case (UInt8(ascii: "w"), Self.dataHeaderBytes...):
      self = .data(
        start: LSN(rawValue: message.bigEndian(UInt64.self, at: 1)),
        serverEnd: LSN(rawValue: message.bigEndian(UInt64.self, at: 9)))
    case (UInt8(ascii: "k"), 18...):
      self = .keepAlive(
        serverEnd: LSN(rawValue: message.bigEndian(UInt64.self, at: 1)),
        wantsReply: message[17] == 1)
    case (let first, let count):
      throw Failure(
        .badInput, "the server sent a message that is none of a replication stream",
        detail: "its first byte is \(first), its length \(count)")
    }
  }
}

/// What we tell a server of a stream.
///
///     r  written (8)  flushed (8)  applied (8)  our clock (8)  reply wanted (1)
struct Feedback: Equatable {
  /// Behind what has arrived.
  var written: LSN
  /// Behind what is durable, so that the server may forget it; invalid says nothing of it.
  var flushed: LSN
  var wantsReply = false

  /// The message; `now` is microseconds since 1970.
  ///
  /// The server's clock counts from 2000. Nothing is applied here.
  func bytes(now: Int64) -> [UInt8] {
    let clock = UInt64(bitPattern: now - 946_684_800_000_000)
    var message = [UInt8(ascii: "r")]
    for value in [written.rawValue, flushed.rawValue, 0, clock] {
      for shift in stride(from: 56, through: 0, by: -8) {
        message.append(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
      }
    }
    message.append(wantsReply ? 1 : 0)
    return message
  }
}
