internal import Bytes
public import Posix

/// Compresses a stream into independent frames, several at a time.
///
/// The output depends on the input, the level and the frame size, never on the number of threads
/// or on how the input came in.
public struct ParallelCompressor: Sendable {
  public static var levels: ClosedRange<Int> { 1...19 }
  public static var frameSizes: ClosedRange<Int> { 1...1 << 30 }

  /// Small frames are worked on in batches of about this size, in bytes.
  private static var batchBytes: Int { 256 << 10 }

  private let level: Int
  private let frameBytes: Int
  private let threads: Int
  /// The input of one load: whole frames.
  private let loadBytes: Int

  public init(level: Int, frameBytes: Int, threads: Int) {
    precondition(Self.levels.contains(level) && Self.frameSizes.contains(frameBytes) && threads > 0)
    self.level = level
    self.frameBytes = frameBytes
    self.threads = threads
    loadBytes = max(1, Self.batchBytes / frameBytes) * frameBytes
  }

  /// Compresses all of `input`; tells `report` after each piece how far it came.
  public func run(
    from input: Descriptor, to output: Descriptor, report: (Traffic) -> Void = { _ in }
  ) throws -> Traffic {
    // One load is being read and one written while the workers are busy.
    let conveyor = Conveyor(count: threads + 2) { CompressionLoad(capacity: loadBytes) }
    var traffic = Traffic()
    var table = SeekTable()
    try table.append(Archive.markerEntry)
    try output.writeAll(Archive.marker.span)
    traffic.outBytes += Archive.marker.count
    try conveyor.run(
      workers: threads,
      read: { try read(input, conveyor) },
      work: { try work(conveyor) },
      write: { load in
        if let failure = load.failure { throw failure }
        for entry in load.entries { try table.append(entry) }
        try output.writeAll(load.output.span)
        traffic.inBytes += load.inBytes
        traffic.outBytes += load.output.count
        report(traffic)
      })
    try output.writeAll(table.frame.span)
    traffic.outBytes += table.frame.count
    return traffic
  }

  private func read(_ input: Descriptor, _ conveyor: Conveyor<CompressionLoad>) throws {
    let reader = InterruptibleReader(input: input) { conveyor.isCancelled }
    var isFirst = true
    while true {
      let place = try conveyor.nextToFill()
      let count = try place.load.fill(reader, loadBytes)
      // Of no input at all an empty frame is made.
      if count > 0 || isFirst { conveyor.send() }
      if count < loadBytes { return }
      isFirst = false
    }
  }

  private func work(_ conveyor: Conveyor<CompressionLoad>) throws {
    let context = try CompressionContext(level: level)
    conveyor.forEachLoad { $0.compress(context, frameBytes) }
  }
}

/// A few frames' worth of input, and what became of it.
private struct CompressionLoad: ~Copyable {
  private var input: ByteBuffer
  private(set) var output = ByteBuffer()
  private(set) var entries: [SeekTable.Entry] = []
  private(set) var failure: ZstdError?

  init(capacity: Int) { input = ByteBuffer(capacity: capacity) }

  var inBytes: Int { input.count }

  /// Reads until it holds `length` bytes, or fewer where the input ends; returns how many.
  mutating func fill(_ reader: InterruptibleReader, _ length: Int) throws(SystemError) -> Int {
    input.removeAll()
    while input.count < length,
      try reader.read(into: &input, atMost: length - input.count) > 0
    {}
    return input.count
  }

  mutating func compress(_ context: borrowing CompressionContext, _ frameBytes: Int) {
    output.removeAll()
    entries.removeAll(keepingCapacity: true)
    var start = 0
    repeat {
      let length = min(frameBytes, input.count - start)
      do throws(ZstdError) {
        entries.append(try context.compress(input, start..<start + length, into: &output))
      } catch {
        failure = error
        return
      }
      start += length
    } while start < input.count
  }
}
