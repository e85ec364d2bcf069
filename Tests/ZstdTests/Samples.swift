import Bytes
import Posix
import Zstd

/// Numbers that look random and are the same in every run.
struct Dice: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }
}

/// Rows as they are archived: partly repetitive, partly not.
func sampleRows(_ count: Int) -> [UInt8] {
  var dice = Dice(state: 1)
  var rows = ByteBuffer()
  for id in 0..<count {
    rows.append("{\"id\":")
    rows.append(decimal: id)
    rows.append(",\"note\":\"")
    rows.append(Hex.encode(dice.next()))
    rows.append("\"}\n")
  }
  return [UInt8](copying: rows.span)
}

/// A file that goes away with the value.
struct TemporaryFile: ~Copyable {
  let path: String

  init(_ bytes: [UInt8] = []) throws {
    path = "\(environment("TMPDIR") ?? "/tmp")/zstd-test-\(ProcessIdentity.own)-\(Clock.random())"
    let file = try File(writing: path)
    try file.descriptor.writeAll(bytes.span)
  }

  func bytes() throws -> [UInt8] {
    let file = try File(reading: path)
    return try file.descriptor.read(count: Int(try file.facts().size), at: 0)
  }

  deinit { try? Directory.remove(file: path) }
}

func throughFiles(
  _ input: [UInt8], _ body: (Descriptor, Descriptor) throws -> Traffic
) throws -> [UInt8] {
  let source = try TemporaryFile(input)
  let target = try TemporaryFile()
  let reading = try File(reading: source.path)
  let writing = try File(writing: target.path)
  let traffic = try body(reading.descriptor, writing.descriptor)
  let output = try target.bytes()
  guard traffic == Traffic(inBytes: input.count, outBytes: output.count) else {
    throw Failure(.bug, "the counts \(traffic) are not \(input.count) and \(output.count)")
  }
  return output
}

func compress(
  _ input: [UInt8], frameBytes: Int = 8 << 20, level: Int = 3, threads: Int = 2
) throws -> [UInt8] {
  let compressor = ParallelCompressor(level: level, frameBytes: frameBytes, threads: threads)
  return try throughFiles(input) { try compressor.run(from: $0, to: $1) }
}

func decompressInParallel(_ input: [UInt8], threads: Int = 2) throws -> [UInt8] {
  try throughFiles(input) { try ParallelDecompressor(threads: threads).run(from: $0, to: $1) }
}

/// Pushes `input` through a `Decompressor` in pieces of `step` bytes.
func decompress(_ input: [UInt8], step: Int = .max) throws -> [UInt8] {
  var decompressor = try Decompressor()
  var output: [UInt8] = []
  var rest = input.span
  while !rest.isEmpty {
    let length = min(step, rest.count)
    try decompressor.decompress(rest.extracting(first: length)) { output += [UInt8](copying: $0) }
    rest = rest.extracting(droppingFirst: length)
  }
  try decompressor.finish()
  return output
}

/// The frames of `input`, scanned in pieces of `step` bytes.
func frames(of input: [UInt8], step: Int = .max) throws -> [Frame] {
  var scanner = FrameScanner()
  var frames: [Frame] = []
  var start = 0
  while start < input.count {
    let piece = input.span.extracting(start..<min(input.count, start + min(step, input.count)))
    start += try scanner.scan(piece)
    if scanner.isAtFrameEnd, let frame = scanner.frame { frames.append(frame) }
  }
  try scanner.finish()
  return frames
}

/// A skippable frame.
func skippable(_ magic: UInt32, _ content: [UInt8]) -> [UInt8] {
  littleEndian(magic) + littleEndian(UInt32(content.count)) + content
}

func littleEndian(_ value: UInt32) -> [UInt8] {
  [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: value >> $0) }
}
