internal import Bytes
internal import Posix

/// The messages of a transaction that the server sends before it knows how it ends.
///
/// An entry, integers in network order:
///
///     transaction or subtransaction (4)  position (8)  length (4)  message…
final class StreamedTransaction {
  private static var headBytes: Int { 16 }
  private static var chunkBytes: Int { 256 << 10 }

  private var memory = ByteBuffer(capacity: 4096)
  /// What did not fit into memory, and lies before what is there.
  private var file: File?
  private var fileBytes = 0
  /// Subtransactions that were rolled back, whose entries are void.
  private var aborted: Set<UInt32> = []

  var memoryBytes: Int { memory.count }

  /// Holds a message: its type, and what comes behind the number of the transaction.
  func append(_ xid: UInt32, _ position: UInt64, _ kind: UInt8, _ rest: Span<UInt8>) {
    memory.append(bigEndian: xid)
    memory.append(bigEndian: position)
    memory.append(bigEndian: UInt32(rest.count + 1))
    memory.append(kind)
    memory.append(rest)
  }

  func abort(_ subtransaction: UInt32) { aborted.insert(subtransaction) }

  /// Moves what is in memory to an unnamed file in `folder`.
  func spill(to folder: String) throws(SystemError) {
    if file == nil { file = try File(scratchIn: folder) }
    let bytes = ByteBuffer(memory.span)
    try file?.write(bytes.span, at: fileBytes)
    fileBytes += bytes.count
    memory = ByteBuffer(capacity: 4096)
  }

  /// Hands out the messages that count, in order.
  func replay(_ take: (UInt64, Span<UInt8>) throws -> Void) throws {
    var held = ByteBuffer(capacity: Self.chunkBytes * 2)
    var offset = 0
    while offset < fileBytes {
      let wanted = min(Self.chunkBytes, fileBytes - offset)
      let count = unsafe try file?.read(into: held.reserve(wanted), count: wanted, at: offset) ?? 0
      guard count > 0 else {
        throw Failure(.io, "a spooled transaction was not read back as it was written")
      }
      unsafe held.advance(by: count)
      offset += count
      try replayWhole(&held, take)
    }
    held.append(memory.span)
    try replayWhole(&held, take)
  }

  /// Hands out the entries that are whole, and leaves the rest.
  private func replayWhole(
    _ held: inout ByteBuffer, _ take: (UInt64, Span<UInt8>) throws -> Void
  ) throws {
    var next = 0
    while held.count - next >= Self.headBytes {
      let length = Int(held.span.bigEndian(UInt32.self, at: next + 12))
      guard held.count - next - Self.headBytes >= length else { break }
      if !aborted.contains(held.span.bigEndian(UInt32.self, at: next)) {
        let start = next + Self.headBytes
        try take(
          held.span.bigEndian(UInt64.self, at: next + 4),
          held.span.extracting(start..<start + length))
      }
      next += Self.headBytes + length
    }
    held.removeFirst(next)
  }
}
