internal import Bytes
internal import Posix
internal import Postgres

/// Puts a stream of WAL into segment files.
///
/// `written` runs ahead of `flushed`; only what lies before `flushed` may be confirmed.
struct SegmentWriter: ~Copyable {
  /// What is handed to the kernel at once, at most.
  private static var batchBytes: Int { 256 << 10 }

  let size: SegmentSize
  let timeline: UInt32
  /// Behind the last byte that was taken.
  private(set) var written: LSN
  /// Behind the last byte that is durable.
  private(set) var flushed: LSN
  private var current: OpenSegment?
  /// That of the server.
  private let systemIdentifier: String
  /// Of what was taken of the present segment.
  private var checksum = CRC32C()
  /// A segment that was received before and is here no more: what comes of it is only compared.
  private let known: LastSegment.Finished?
  private var pending = ByteBuffer(capacity: SegmentWriter.batchBytes)

  /// `start` is a segment's first byte; of `known` it is the first one, or one behind.
  init(
    of systemIdentifier: String, timeline: UInt32, start: LSN, size: SegmentSize,
    known: LastSegment.Finished? = nil
  ) {
    (self.timeline, self.size) = (timeline, size)
    (written, flushed) = (start, start)
    (self.systemIdentifier, self.known) = (systemIdentifier, known)
  }

  /// Behind the last byte that was taken and is here.
  var held: LSN { isComparing ? flushed : written }

  private var isComparing: Bool { known.map { written < $0.segment.end } ?? false }

  /// Takes WAL that must begin where the last one ended; each segment that becomes full is handed
  /// to `finished`, durable under its name.
  mutating func append(
    _ bytes: Span<UInt8>, at start: LSN, isFarBehind: Bool, in directory: borrowing WALDirectory,
    _ finished: (Segment, borrowing WALDirectory) throws -> Void
  ) throws {
    guard start == written else {
      throw Failure(.badInput, "the server sent WAL from \(start) on instead of \(written)")
    }
    var rest = bytes
    while !rest.isEmpty {
      if current == nil, !isComparing { try open(isFarBehind, in: directory) }
      let room = size.bytes - (written - LSN(rawValue: segmentStart))
      let piece = rest.extracting(first: min(room, rest.count))
      try take(piece)
      rest = rest.extracting(droppingFirst: piece.count)
      if piece.count == room {
        guard let full = try finish(in: directory) else { continue }
        // Before anybody may move the full one away: the directory always says where it ends, and
        // of whose WAL. Opening makes both durable.
        try directory.remember(LastSegment(of: systemIdentifier, full))
        try open(isFarBehind, in: directory)
        try finished(full.segment, directory)
      }
    }
  }

  private var segmentStart: UInt64 { written.rawValue / UInt64(size.bytes) * UInt64(size.bytes) }

  private mutating func open(_ isFarBehind: Bool, in directory: borrowing WALDirectory) throws {
    let segment = Segment(timeline: timeline, holding: written, size: size)
    current = try OpenSegment(segment, in: directory, isFarBehind ? .reserved : .zeroed)
  }

  private mutating func take(_ bytes: Span<UInt8>) throws {
    checksum.update(bytes)
    if bytes.count >= Self.batchBytes / 4 {
      try writePending()
      try current?.write(bytes, at: written)
      current?.beginWriteback(from: written, to: written + bytes.count)
    } else {
      if pending.count + bytes.count > Self.batchBytes { try writePending() }
      pending.append(bytes)
    }
    written = written + bytes.count
  }

  private mutating func writePending() throws {
    guard !pending.isEmpty else { return }
    let position = written + -pending.count
    try Self.write(pending, to: &current, at: position)
    pending.removeAll()
  }

  private static func write(
    _ bytes: borrowing ByteBuffer, to segment: inout OpenSegment?, at position: LSN
  ) throws {
    try segment?.write(bytes.span, at: position)
  }

  /// Nil when the segment was complete before.
  private mutating func finish(
    in directory: borrowing WALDirectory
  ) throws -> LastSegment.Finished? {
    try writePending()
    defer { checksum = CRC32C() }
    guard let full = current.take() else {
      if let known, checksum.value != known.checksum {
        throw Divergence(segment: known.segment, position: nil)
      }
      flushed = written
      return nil
    }
    let finished = LastSegment.Finished(segment: full.segment, checksum: checksum.value)
    let isNew = try full.finish(in: directory)
    flushed = written
    return isNew ? finished : nil
  }

  /// Makes durable what was taken.
  mutating func sync() throws {
    guard flushed < written else { return }
    try writePending()
    guard !isComparing else { return }
    try current?.sync()
    flushed = written
  }

  /// Leaves the open segment `.partial`, durable.
  ///
  /// It stays even where nothing was written to it: it says where the directory ends, when all
  /// complete segments have been moved away.
  mutating func close() throws {
    try sync()
    _ = current.take()
  }
}
