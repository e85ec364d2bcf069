internal import Bytes

/// Some whole frames for a worker, and behind them perhaps a piece of a large one for the writer.
struct FrameLoad: ~Copyable {
  /// A frame that states more content than this is streamed, in bytes.
  static var maxFrameBytes: Int { 16 << 20 }
  /// A load that has this much, before or after decompression, is full, in bytes.
  static var fullBytes: Int { 1 << 20 }

  private(set) var input = ByteBuffer()
  private(set) var output = ByteBuffer()
  private(set) var failure: ZstdError?
  /// How much of the stream had been read when the load was sent.
  private(set) var endOffset = 0

  private var frames: [Frame] = []
  private var contentBytes = 0
  /// The frame at hand, whose bytes begin at `tailStart`.
  private var tail: Frame?
  private var tailStart = 0
  private var tailIsStreamed = false
  private var tailEnds = false

  /// Makes it empty; `streaming` says that it goes on with the large frame of the load before.
  mutating func reset(streaming: Bool) {
    input.removeAll()
    output.removeAll()
    failure = nil
    frames.removeAll(keepingCapacity: true)
    contentBytes = 0
    tail = nil
    tailStart = 0
    tailIsStreamed = streaming
    tailEnds = false
  }

  /// Adds bytes of one frame; `frame` is nil as long as its header is not whole.
  mutating func add(_ bytes: Span<UInt8>, of frame: Frame?, isLast: Bool) {
    input.append(bytes)
    guard let frame else { return }
    if frame.kind == .skippable { return input.truncate(to: tailStart) }
    tail = frame
    if Self.isLarge(frame) { tailIsStreamed = true }
    guard isLast else { return }
    tailEnds = true
    guard !tailIsStreamed else { return }
    frames.append(frame)
    contentBytes += frame.contentBytes ?? 0
    tailStart = input.count
    tail = nil
    tailEnds = false
  }

  private static func isLarge(_ frame: Frame) -> Bool {
    guard let content = frame.contentBytes else { return true }
    // No sane compressor makes a frame much longer than what is in it.
    return content > maxFrameBytes || frame.compressedBytes > content + content / 8 + (64 << 10)
  }

  /// True if it has a piece of a large frame.
  var isStreaming: Bool { tailIsStreamed }

  /// True when nothing more should be added.
  var isFull: Bool {
    if tailIsStreamed { return tailEnds || input.count >= Self.fullBytes }
    // A frame whose header is not yet whole stays with its first bytes.
    guard tail == nil, input.count == tailStart else { return false }
    return input.count >= Self.fullBytes || contentBytes >= Self.fullBytes
  }

  /// Forgets a frame that never ended, unless it is one to stream, and takes note where it ended.
  mutating func close(at offset: Int) {
    endOffset = offset
    if !tailIsStreamed { input.truncate(to: tailStart) }
  }

  /// Decompresses the whole frames; the first one that is damaged ends it.
  mutating func decompress(_ context: borrowing DecompressionContext) {
    var start = 0
    for frame in frames {
      do throws(ZstdError) {
        try context.decompress(frame, input, from: start, into: &output)
      } catch {
        failure = error
        return
      }
      start += frame.compressedBytes
    }
  }

  /// Decompresses the piece of a large frame, if there is one.
  func streamPiece(
    _ context: inout DecompressionContext, _ emit: (Span<UInt8>) throws -> Void
  ) throws {
    guard tailIsStreamed else { return }
    let hasEnded = try context.stream(tail, input.span(from: tailStart), emit)
    if tailEnds, !hasEnded, let tail {
      throw ZstdError("could not decompress \(tail): it did not end where its blocks do")
    }
  }
}
