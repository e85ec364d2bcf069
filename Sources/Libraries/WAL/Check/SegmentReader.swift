internal import Bytes
internal import Filter
internal import ObjectStore
internal import Posix
internal import Zstd

/// Reads files of a folder or an archive, by blocks and with little memory.
struct SegmentReader: Sendable {
  /// A plain file is read by this many bytes: so few stay in the processor's cache.
  private static var readBytes: Int { 256 << 10 }
  /// Ranges of an object; two of them are held.
  private static var rangeBytes: Int { 2 << 20 }

  private let options: S3Options
  /// What the bytes of an object go through before they are decompressed.
  private let filter: ShellFilter?
  /// Set up when the first object of a bucket is read.
  private let store = Monitor<S3Store?>(nil)

  init(store: S3Options, decrypt: String?) {
    options = store
    filter = decrypt.map { ShellFilter($0) }
  }

  /// Hands the bytes of a file to `sink`, for as long as it wants them.
  ///
  /// Throws what `sink` throws; an error whose exit code is `.negative` when there is no such file,
  /// and `.badInput` when it cannot be decompressed.
  func read(_ name: WALFileName, at place: WALPlace, into sink: any BlockSink) throws {
    do {
      switch place {
      case .folder: try read(file: place.description(of: name), into: sink)
      case .archive: try read(object: place.description(of: name), into: sink)
      }
    } catch is Enough {}
  }

  private func read(file path: String, into sink: any BlockSink) throws {
    guard try FileFacts.of(path)?.isRegular == true else {
      throw Failure(.negative, "there is no file \"\(path)\"")
    }
    let file = try File(reading: path)
    var buffer = ByteBuffer(capacity: Self.readBytes)
    var count = 1
    while count > 0 {
      let target = unsafe buffer.reserve(Self.readBytes - buffer.count)
      count = unsafe try file.descriptor.read(
        into: target, capacity: Self.readBytes - buffer.count)
      unsafe buffer.advance(by: count)
      if buffer.count == Self.readBytes || count == 0 {
        if !buffer.isEmpty, try !sink.take(buffer.span) { return }
        buffer.removeAll()
      }
    }
  }

  private func read(object url: String, into sink: any BlockSink) throws {
    let location = try Location(parsing: url)
    let get = ObjectGet(
      location, concurrency: 1, rangeBytes: Self.rangeBytes, store: options,
      shared: try sharedStore(for: location))
    let blocks = Blocks(sink)
    guard try ArchivedObject(get: get, decrypt: filter).read({ try blocks.take($0) }) else {
      throw Failure(.negative, "there is no object \"\(url)\"")
    }
    try blocks.finish()
  }

  private func sharedStore(for location: Location) throws -> S3Store? {
    guard case .s3 = location else { return nil }
    return try store.update { store in
      let shared = try store ?? S3Store(options)
      store = shared
      return shared
    }
  }
}

/// Ends the reading of a file whose rest nobody wants.
private struct Enough: Error {}

/// The blocks of an object; a class, because closures share it.
private final class Blocks {
  private var cutter: BlockCutter

  init(_ sink: any BlockSink) { cutter = BlockCutter(sink) }

  func take(_ bytes: Span<UInt8>) throws { try cutter.take(bytes) }

  func finish() throws { try cutter.finish() }
}

/// Hands on whole blocks of what comes in pieces of any length.
private struct BlockCutter: ~Copyable {
  private let sink: any BlockSink
  private var buffer = ByteBuffer()

  init(_ sink: any BlockSink) { self.sink = sink }

  mutating func take(_ bytes: Span<UInt8>) throws {
    buffer.append(bytes)
    let whole = buffer.count - buffer.count % RecordWalk.blockBytes
    guard whole > 0 else { return }
    guard try sink.take(buffer.span.extracting(first: whole)) else { throw Enough() }
    buffer.removeFirst(whole)
  }

  func finish() throws {
    if !buffer.isEmpty { _ = try sink.take(buffer.span) }
  }
}
