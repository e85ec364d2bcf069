import Filter
import JSON
import Posix
import Zstd

/// `zst`: zstd in independent frames, there and back.
@main enum Zst: Tool {
  enum Mode {
    case compress
    case decompress
    case test
    case list
  }

  struct Options {
    var mode = Mode.compress
    var level = 3
    var threads = min(4, Clock.processors)
    var frameBytes = 8 << 20
  }

  static let name = "zst"
  static let summary = "compresses standard input to standard output, or decompresses it"
  static let exitCodes: [ExitCode] = [.badInput, .temporary]
  static var defaults: Options { Options() }

  static var flags: [Flag<Options>] {
    [
      .toggle("decompress", short: "d", "decompress any zstd stream") { $0.mode = .decompress },
      .toggle("test", short: "t", "decompress and write nothing: is it whole and undamaged") {
        $0.mode = .test
      },
      .toggle("list", short: "l", "write one record for each frame, without decompressing") {
        $0.mode = .list
      },
      .number("level", "N", "compress at level 1 (fast) to 19 (small); default 3") {
        (options, text) throws(UsageError) in
        options.level = try OptionValue.count(text, in: ParallelCompressor.levels)
      },
      .option("threads", short: "T", "N", "use N threads; 0 is all processors, default up to 4") {
        (options, text) throws(UsageError) in
        let count = try OptionValue.count(text, in: 0...256)
        options.threads = count == 0 ? Clock.processors : count
      },
      .option("frame-size", "SIZE", "begin a new frame every SIZE bytes; default 8MiB") {
        (options, text) throws(UsageError) in
        options.frameBytes = try OptionValue.size(text, in: ParallelCompressor.frameSizes)
      },
    ]
  }

  static func run(_ options: Options, _ operands: [String]) throws -> ExitStatus {
    if let operand = operands.first {
      throw UsageError("unexpected argument \"\(operand)\"; input is read from standard input")
    }
    let log = JobLog(tool: name)
    log.start()
    Descriptor.standardInput.growPipe(to: 1 << 20)
    Descriptor.standardOutput.growPipe(to: 1 << 20)
    let traffic = try transform(options, Progress(log))
    log.done(inBytes: traffic.inBytes, outBytes: traffic.outBytes)
    try Descriptor.standardOutput.close()
    return .success
  }

  private static func transform(_ options: Options, _ progress: Progress) throws -> Traffic {
    var progress = progress
    func report(_ traffic: Traffic) {
      progress.report(inBytes: traffic.inBytes, outBytes: traffic.outBytes)
    }
    let decompressor = ParallelDecompressor(threads: options.threads)
    switch options.mode {
    case .compress:
      let compressor = ParallelCompressor(
        level: options.level, frameBytes: options.frameBytes, threads: options.threads)
      return try compressor.run(from: .standardInput, to: .standardOutput, report: report)
    case .decompress:
      return try decompressor.run(from: .standardInput, to: .standardOutput, report: report)
    case .test:
      return try decompressor.run(from: .standardInput, to: nil, report: report)
    case .list:
      return try list(report)
    }
  }

  private static func list(_ report: (Traffic) -> Void) throws -> Traffic {
    var scanner = FrameScanner()
    var writer = RecordWriter()
    var chunk = [UInt8](repeating: 0, count: 256 << 10)
    while case let count = try Descriptor.standardInput.read(into: &chunk), count > 0 {
      var rest = chunk.span.extracting(first: count)
      while !rest.isEmpty {
        rest = rest.extracting(droppingFirst: try scanner.scan(rest))
        if scanner.isAtFrameEnd, let frame = scanner.frame { try writer.write(record(of: frame)) }
      }
      report(Traffic(inBytes: scanner.offset, outBytes: writer.byteCount))
    }
    try writer.flush()
    try scanner.finish()
    return Traffic(inBytes: scanner.offset, outBytes: writer.byteCount)
  }

  private static func record(of frame: Frame) -> Record {
    var record = Record(type: "frame")
    record.set("number", frame.number)
    record.set("offset", frame.offset)
    record.set("kind", frame.kind.rawValue)
    record.set("compressed_bytes", frame.compressedBytes)
    record.set("bytes", frame.contentBytes)
    record.set("checksum", frame.hasChecksum)
    return record
  }
}
