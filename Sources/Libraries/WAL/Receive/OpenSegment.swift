internal import Bytes
internal import Posix
internal import Postgres

/// The server sent other bytes than those that were received, and perhaps confirmed, before.
struct Divergence: Error {
  let segment: Segment
  /// The first byte that differs; nil where that is not known, since the segment is here no more.
  let position: LSN?

  /// In words.
  var detail: String {
    guard let position else {
      return "the server has other WAL in \(segment.name) than was received, and moved away, before"
    }
    return "from \(position) on the server has other WAL than the directory has in \(segment.name)"
  }
}

/// The segment that is being received: `NAME.partial`, of full size from the start.
///
/// What it held before is compared with what comes, and never written over with anything else but for
/// what a power loss leaves. A segment that is complete already is only compared.
struct OpenSegment: ~Copyable {
  let segment: Segment
  private let file: File
  /// True if it has its final name.
  private let isComplete: Bool
  /// Behind the last byte that it held when it was opened.
  private let heldEnd: LSN

  /// How a new file gets its size.
  enum Preparation {
    /// Zeros are written, so that no later fsync has to wait for the allocation of blocks.
    case zeroed
    /// Blocks are only reserved: for a segment that will be full in no time.
    case reserved
  }

  /// Opens the file, or makes it; its name and its size are then durable.
  init(
    _ segment: Segment, in directory: borrowing WALDirectory, _ preparation: Preparation
  ) throws {
    try directory.checkPlace()
    let facts = try FileFacts.of(directory.path(of: segment.name))
    let isComplete = facts?.size == Int64(segment.size.bytes)
    let name = isComplete ? segment.name : segment.name + ".partial"
    let file = try directory.file(updating: name)
    let isNew = try Self.giveFullSize(file, segment, preparation)
    try file.sync()
    try directory.sync()
    heldEnd =
      isNew
      ? segment.start
      : isComplete ? segment.end : try directory.usedEnd(ofPartial: segment)
    self.isComplete = isComplete
    self.segment = segment
    self.file = file
  }

  /// Returns true if the file was new, or as good as new.
  private static func giveFullSize(
    _ file: borrowing File, _ segment: Segment, _ preparation: Preparation
  ) throws -> Bool {
    let size = Int(try file.facts().size)
    if size == segment.size.bytes { return false }
    // Zeros are what a process leaves that is killed while it gives a new file its size.
    var zeros = 0
    while zeros < size, size < segment.size.bytes {
      let bytes = try file.descriptor.read(count: min(1 << 20, size - zeros), at: Int64(zeros))
      guard !bytes.isEmpty, bytes.span.isZero else { break }
      zeros += bytes.count
    }
    guard zeros == size else {
      throw Failure(
        .badInput, "\"\(file.path)\" has \(size) bytes instead of \(segment.size.bytes)",
        hint: "Move it away; its segment will be received again.")
    }
    try prepare(file, segment.size, preparation)
    return true
  }

  private static func prepare(
    _ file: borrowing File, _ size: SegmentSize, _ preparation: Preparation
  ) throws(SystemError) {
    switch preparation {
    case .zeroed: try file.fillWithZeros(size.bytes)
    case .reserved: try file.reserve(size.bytes)
    }
  }

  /// Writes WAL that begins at `position`, within this segment.
  ///
  /// Throws a `Divergence` where it differs from what is there, before anything is written.
  func write(_ bytes: Span<UInt8>, at position: LSN) throws {
    let held = min(max(0, heldEnd - position), bytes.count)
    try compare(bytes.extracting(first: held), at: position)
    guard held < bytes.count else { return }
    try file.write(
      bytes.extracting(droppingFirst: held), at: position + held - segment.start)
  }

  private func compare(_ bytes: Span<UInt8>, at position: LSN) throws {
    guard !bytes.isEmpty else { return }
    let held = try file.descriptor.read(
      count: bytes.count, at: Int64(position - segment.start))
    if held.span.equals(bytes) { return }
    guard held.count == bytes.count else {
      throw Divergence(segment: segment, position: position + held.count)
    }
    var start = 0
    while start < bytes.count {
      let offset = position - segment.start + start
      let end = min(bytes.count, start + Self.sectorBytes - offset % Self.sectorBytes)
      try mend(bytes.extracting(start..<end), held[start..<end], at: offset)
      start = end
    }
  }

  /// What a disk writes as one.
  private static var sectorBytes: Int { 512 }

  /// Writes what the server has of a sector where a power loss kept that, or its last state, from the
  /// disk, so that it ends in zeros.
  ///
  /// That was never confirmed. Anything else that differs is another history: its first record differs
  /// in bytes that are not zero.
  private func mend(_ bytes: Span<UInt8>, _ held: ArraySlice<UInt8>, at offset: Int) throws {
    let first = bytes.indices.first { bytes[$0] != held[held.startIndex + $0] }
    guard let first else { return }
    guard !isComplete, held.dropFirst(first).allSatisfy({ $0 == 0 }) else {
      throw Divergence(segment: segment, position: segment.start + (offset + first))
    }
    try file.write(bytes.extracting(droppingFirst: first), at: offset + first)
  }

  /// Has the disk begin with what was written from `start` to `end`.
  func beginWriteback(from start: LSN, to end: LSN) {
    file.descriptor.beginWriteback(from: start - segment.start, count: end - start)
  }

  /// Makes all that was written durable.
  ///
  /// After an error this descriptor is never used again, since a second attempt could succeed
  /// without what the first one lost: the error ends the process.
  func sync() throws(SystemError) { try file.syncData() }

  /// Gives the full segment its name; that is durable on return.
  ///
  /// Returns false if it had it already.
  consuming func finish(in directory: borrowing WALDirectory) throws -> Bool {
    if isComplete { return false }
    try file.sync()
    try directory.checkPlace()
    try directory.rename(segment.name + ".partial", to: segment.name)
    try directory.sync()
    return true
  }
}
