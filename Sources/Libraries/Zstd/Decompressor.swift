/// Decompresses a zstd stream that is pushed in, on the calling thread.
///
/// Takes any zstd stream: concatenated frames, skippable frames, frames that do not state their
/// size. The stream has arrived whole only once `finish` has returned.
public struct Decompressor: ~Copyable {
  private var scanner = FrameScanner()
  private var context: DecompressionContext

  public init() throws(ZstdError) { context = try DecompressionContext() }

  /// The bytes taken in so far.
  public var offset: Int { scanner.offset }

  /// Takes in the next bytes and hands what came out of them to `emit`, piece by piece.
  ///
  /// Throws what `emit` throws, or a `ZstdError` that names the frame.
  public mutating func decompress(
    _ input: Span<UInt8>, _ emit: (Span<UInt8>) throws -> Void
  ) throws {
    var rest = input
    while !rest.isEmpty {
      let count = try scanner.scan(rest)
      let hasEnded = try context.stream(scanner.frame, rest.extracting(first: count), emit)
      if scanner.isAtFrameEnd, !hasEnded, let frame = scanner.frame, frame.kind == .zstd {
        throw ZstdError("could not decompress \(frame): it did not end where its blocks do")
      }
      rest = rest.extracting(droppingFirst: count)
    }
  }

  /// Says that the stream has ended; throws when it has done so too early.
  public consuming func finish() throws(ZstdError) { try scanner.finish() }
}
