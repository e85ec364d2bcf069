internal import Bytes
internal import Digests
internal import Filter
internal import JSON
internal import Posix

/// A manifest to which steps are added, each line with the digest of the line before it.
enum ManifestChain {
  private static var chunkBytes: Int { 64 << 10 }

  /// Appends `receipt` as the line of `step`; durable once this has returned.
  static func append(_ receipt: Record, step: String, to path: String) throws {
    var record = receipt
    let file = try File(appending: path)
    try file.lock()
    let (last, isCut) = try lastLine(of: path)
    record.set("step", step)
    record.set("at", Timestamp.now())
    record.set("previous_sha256", last.map { Hex.encode(SHA256.of($0.span)) })
    // A line that a power cut left unfinished must not swallow this one.
    try file.descriptor.append(((isCut ? "\n" : "") + record.text + "\n").utf8.span)
    try file.sync()
  }

  /// The last line without its line feed, nil in an empty file; and whether it lacks that.
  private static func lastLine(of path: String) throws -> (line: [UInt8]?, isCut: Bool) {
    let file = try File(reading: path)
    let size = Int(try file.facts().size)
    guard size > 0 else { return (nil, false) }
    var (tail, start) = ([UInt8](), size)
    while start > 0 {
      let count = min(chunkBytes, start)
      start -= count
      tail = try file.descriptor.read(count: count, at: Int64(start)) + tail
      if tail.dropLast().contains(UInt8(ascii: "\n")) { break }
    }
    let isCut = tail.last != UInt8(ascii: "\n")
    let line = isCut ? tail[...] : tail.dropLast()
    let from = line.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? line.startIndex
    return (Array(line[from...]), isCut)
  }
}
