internal import Posix

/// A file without a name, which goes with the process, written round and round.
///
/// A class, because one thread writes it and another one reads.
final class SpoolFile: @unchecked Sendable {
  private let file: File
  /// How much is held at most.
  let bytes: Int

  init(in directory: String, bytes: Int) throws(SystemError) {
    file = try File(scratchIn: directory)
    self.bytes = bytes
  }

  /// Puts bytes at a position that only grows; what lay there `self.bytes` before is gone.
  func write(_ part: Span<UInt8>, at position: Int) throws(SystemError) {
    let offset = position % bytes
    let first = part.extracting(first: min(part.count, bytes - offset))
    try file.write(first, at: offset)
    try file.write(part.extracting(droppingFirst: first.count), at: 0)
  }

  /// Gives back its room, when all was read.
  func empty() throws(SystemError) { try file.empty() }

  func read(_ range: Range<Int>) throws(SystemError) -> [UInt8] {
    let offset = range.lowerBound % bytes
    let first = min(range.count, bytes - offset)
    var found = try file.descriptor.read(count: first, at: Int64(offset))
    if first < range.count { found += try file.descriptor.read(count: range.count - first, at: 0) }
    precondition(found.count == range.count, "what was spooled is there")
    return found
  }
}
