internal import Bytes
public import Posix

/// Decompresses a stream, several frames at a time where they are of moderate size.
///
/// Takes any zstd stream. Frames that are large, or do not state their size, are decompressed one
/// after another by the calling thread, with the memory their window needs (128 MiB at most).
public struct ParallelDecompressor: Sendable {
  private let threads: Int

  public init(threads: Int) {
    precondition(threads > 0)
    self.threads = threads
  }

  /// Decompresses all of `input`; without an `output` it only finds out whether that is possible.
  ///
  /// Tells `report` after each piece how far it came.
  public func run(
    from input: Descriptor, to output: Descriptor?, report: (Traffic) -> Void = { _ in }
  ) throws -> Traffic {
    let conveyor = Conveyor(count: threads + 2) { FrameLoad() }
    var traffic = Traffic()
    var context = try DecompressionContext()
    func write(_ bytes: Span<UInt8>) throws {
      guard let output else { return }
      try output.writeAll(bytes)
      traffic.outBytes += bytes.count
    }
    try conveyor.run(
      workers: threads,
      read: {
        var feeder = FrameFeeder(conveyor)
        try feeder.run(input)
      },
      work: {
        let context = try DecompressionContext()
        conveyor.forEachLoad { $0.decompress(context) }
      },
      write: { load in
        try write(load.output.span)
        if let failure = load.failure { throw failure }
        try load.streamPiece(&context, write)
        traffic.inBytes = load.endOffset
        report(traffic)
      })
    return traffic
  }
}
