internal import Bytes
internal import Posix
internal import Postgres

/// The segment that is being received: `NAME.partial`, of full size from the start.
struct OpenSegment: ~Copyable {
  let segment: Segment
  private let file: PreallocatedFile
  /// True if there was no such file of full size.
  let isNew: Bool
  /// True once WAL was written to it by us.
  private(set) var isTouched = false

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
    let path = directory.path(of: segment.name + ".partial")
    let file = try PreallocatedFile(path)
    let isNew = try Self.giveFullSize(file, segment, preparation)
    try file.sync()
    try directory.sync()
    self.isNew = isNew
    self.segment = segment
    self.file = file
  }

  /// Returns true if the file was new, or as good as new.
  private static func giveFullSize(
    _ file: borrowing PreallocatedFile, _ segment: Segment, _ preparation: Preparation
  ) throws -> Bool {
    let size = try file.size()
    if size == segment.size.bytes { return false }
    // Zeros are what a process leaves that is killed while it gives a new file its size.
    var zeros = 0
    while zeros < size, size < segment.size.bytes {
      let bytes = try file.read(count: min(1 << 20, size - zeros), at: zeros)
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
    _ file: borrowing PreallocatedFile, _ size: SegmentSize, _ preparation: Preparation
  ) throws(SystemError) {
    switch preparation {
    case .zeroed: try file.fillWithZeros(size.bytes)
    case .reserved: try file.reserve(size.bytes)
    }
  }

  /// Writes WAL that begins at `position`, within this segment.
  mutating func write(_ bytes: Span<UInt8>, at position: LSN) throws(SystemError) {
    isTouched = true
    try file.write(bytes, at: position - segment.start)
  }

  /// Has the disk begin with what was written from `start` to `end`.
  func beginWriteback(from start: LSN, to end: LSN) {
    file.beginWriteback(from: start - segment.start, count: end - start)
  }

  /// Makes all that was written durable.
  ///
  /// After an error this descriptor is never used again, since a second attempt could succeed
  /// without what the first one lost: the error ends the process.
  func sync() throws(SystemError) { try file.syncData() }

  /// Gives the full segment its name; that is durable on return.
  consuming func finish(in directory: borrowing WALDirectory) throws {
    try file.sync()
    let path = directory.path(of: segment.name)
    if try FileFacts.of(path) != nil, try !hasSameBytes(as: path) {
      throw Failure(
        .badInput, "\"\(path)\" is there already, with other bytes",
        detail: "What was received now is in \"\(segment.name).partial\". Both are kept.")
    }
    try Directory.rename(directory.path(of: segment.name + ".partial"), to: path)
    try directory.sync()
  }

  private func hasSameBytes(as path: String) throws -> Bool {
    let other = try File(reading: path)
    guard try other.facts().size == segment.size.bytes else { return false }
    for offset in stride(from: 0, to: segment.size.bytes, by: 1 << 20) {
      let theirs = try other.descriptor.read(count: 1 << 20, at: Int64(offset))
      if try file.read(count: 1 << 20, at: offset) != theirs { return false }
    }
    return true
  }

  /// Removes a file that nothing was written to.
  consuming func discard(in directory: borrowing WALDirectory) throws(SystemError) {
    try Directory.remove(file: directory.path(of: segment.name + ".partial"))
    try directory.sync()
  }
}
