internal import Bytes
internal import Digests
internal import Filter
public import JSON
internal import Posix

extension ManifestChain {
  private static var chunkBytes: Int { 64 << 10 }
  /// A digest covers so many lines at most.
  private static var maxUnfinished: Int { 16 }

  /// Appends `receipt` as the line of `step`; durable once this has returned.
  ///
  /// Beside the manifest, `PATH.head` keeps the digest of the last line, which tells when the end was cut off.
  public static func append(_ receipt: Record, step: String, to path: String) throws {
    var record = receipt
    let file = try File(appending: path)
    try file.lock()
    let (last, isCut) = try lastLines(of: path)
    record.set("step", step)
    record.set("at", Timestamp.now())
    record.set("previous_sha256", last.map { Hex.encode(SHA256.of($0.span)) })
    let line = record.text
    // A line that a power cut left unfinished must not swallow this one.
    try file.descriptor.append(((isCut ? "\n" : "") + line + "\n").utf8.span)
    try file.sync()
    let head = try File(writing: path + ".head")
    try head.descriptor.writeAll((SHA256.hex(line) + "\n").utf8.span)
  }

  /// The last line that is whole, with those behind it that are not, without the last line feed; nil in an empty file.
  ///
  /// And whether that line feed is missing.
  private static func lastLines(of path: String) throws -> (lines: [UInt8]?, isCut: Bool) {
    let file = try File(reading: path)
    let size = Int(try file.facts().size)
    guard size > 0 else { return (nil, false) }
    var (tail, start) = ([UInt8](), size)
    while true {
      let count = min(chunkBytes, start)
      start -= count
      tail = try file.descriptor.read(count: count, at: Int64(start)) + tail
      let isCut = tail.last != UInt8(ascii: "\n")
      let text = isCut ? tail[...] : tail.dropLast()
      if let found = whole(text, isAll: start == 0) { return (Array(found), isCut) }
    }
  }

  /// Nil where more has to be read to know.
  private static func whole(_ text: ArraySlice<UInt8>, isAll: Bool) -> ArraySlice<UInt8>? {
    var end = text.endIndex
    for count in 1...maxUnfinished {
      let feed = text[..<end].lastIndex(of: UInt8(ascii: "\n"))
      guard let feed else { return isAll ? text : nil }
      let line = text[(feed + 1)..<end]
      let isWhole = line.first == UInt8(ascii: "{") && line.last == UInt8(ascii: "}")
      if isWhole || count == maxUnfinished { return text[(feed + 1)...] }
      end = feed
    }
    return nil
  }
}
