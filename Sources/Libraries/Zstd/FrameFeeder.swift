internal import Bytes
internal import Posix

/// Cuts a stream into loads, on the reading thread.
struct FrameFeeder: ~Copyable {
  private static var chunkBytes: Int { 256 << 10 }

  private let conveyor: Conveyor<FrameLoad>
  private var scanner = FrameScanner()
  private var place: Conveyor<FrameLoad>.Place?
  /// The frame at hand is large, and a part of it was already sent.
  private var isStreaming = false

  init(_ conveyor: Conveyor<FrameLoad>) { self.conveyor = conveyor }

  /// Reads to the end; what was whole before a failure is sent all the same.
  mutating func run(_ input: Descriptor) throws {
    defer { sendLoad() }
    let reader = InterruptibleReader(input: input) { [conveyor] in conveyor.isCancelled }
    var chunk = ByteBuffer(capacity: Self.chunkBytes)
    while try reader.read(into: &chunk, atMost: Self.chunkBytes) > 0 {
      try add(chunk.span)
      chunk.removeAll()
    }
    try scanner.finish()
  }

  private mutating func add(_ bytes: Span<UInt8>) throws {
    var rest = bytes
    while !rest.isEmpty {
      let place = try place ?? nextPlace()
      let count = try scanner.scan(rest)
      let isAtEnd = scanner.isAtFrameEnd
      place.load.add(rest.extracting(first: count), of: scanner.frame, isLast: isAtEnd)
      isStreaming = place.load.isStreaming && !isAtEnd
      if place.load.isFull { sendLoad() }
      rest = rest.extracting(droppingFirst: count)
    }
  }

  private mutating func nextPlace() throws(SystemError) -> Conveyor<FrameLoad>.Place {
    let next = try conveyor.nextToFill()
    next.load.reset(streaming: isStreaming)
    place = next
    return next
  }

  private mutating func sendLoad() {
    guard let place else { return }
    place.load.close(at: scanner.offset)
    self.place = nil
    conveyor.send()
  }
}
