internal import Bytes
public import Filter
public import Posix

/// Reads one object to a stream and compares it with what it should be.
public struct ObjectGet: Sendable {
  /// What was delivered.
  public struct Delivery: Sendable {
    public let bytes: Int
    /// Nil where something else was compared.
    public let sha256: String?
    /// False when only the size could be compared.
    public let isVerified: Bool
  }

  /// Three of them and the rest of the process fit in 64 MiB.
  public static var defaultRangeBytes: Int { 15 << 20 }

  let location: Location
  let expected: Expectation
  let concurrency: Int
  let rangeBytes: Int
  private let options: S3Options
  private let shared: S3Store?
  private let log: JobLog?

  /// With `shared` the store is not set up anew, with its credentials, for each object.
  public init(
    _ location: Location, expected: Expectation = Expectation(), concurrency: Int = 3,
    rangeBytes: Int = ObjectGet.defaultRangeBytes, store: S3Options = S3Options(),
    shared: S3Store? = nil, log: JobLog? = nil
  ) {
    self.location = location
    self.expected = expected
    self.concurrency = concurrency
    self.rangeBytes = rangeBytes
    options = store
    self.shared = shared
    self.log = log
  }

  /// Writes the object to `output`; throws when it is not what it should be.
  public func run(to output: Descriptor) throws -> Delivery {
    output.growPipe(to: 1 << 20)
    return try run { try output.writeAll($0) }
  }

  /// Hands the object to `take`, piece by piece; throws when it is not what it should be.
  public func run(_ take: @escaping (Span<UInt8>) throws -> Void) throws -> Delivery {
    if let delivery = try runIfThere(take) { return delivery }
    let what = if case .file = location { "file" } else { "object" }
    throw Failure(.negative, "could not read \"\(location.url)\": there is no such \(what)")
  }

  /// As `run`, but nil when the store answered that there is no such object.
  public func runIfThere(
    _ take: @escaping (Span<UInt8>) throws -> Void
  ) throws -> Delivery? {
    switch location {
    case .file(let path): return try deliver(file: path, to: take)
    case .s3(let bucket, let key):
      let get = S3Get(
        bucket: bucket, key: key, concurrency: concurrency, rangeBytes: rangeBytes,
        connection: try S3Connection(try shared ?? S3Store(options)))
      return try get.run(expected, self, to: take)
    }
  }

  private func deliver(
    file path: String, to take: @escaping (Span<UInt8>) throws -> Void
  ) throws -> Delivery? {
    guard let facts = try FileFacts.of(path) else { return nil }
    guard facts.isRegular else { throw Failure(.badInput, "\"file://\(path)\" is no file") }
    let file = try File(reading: path)
    var sink = DeliverySink(take, expected, log)
    var buffer = [UInt8](repeating: 0, count: 256 << 10)
    while true {
      let count = try file.descriptor.read(into: &buffer)
      if count == 0 { break }
      try sink.write(buffer.span.extracting(first: count))
    }
    return try sink.finish(location)
  }

  func sink(
    _ take: @escaping (Span<UInt8>) throws -> Void, _ expected: Expectation
  ) -> DeliverySink {
    DeliverySink(take, expected, log)
  }
}

/// Where an object goes: to who takes it, and to the comparison.
struct DeliverySink: ~Copyable {
  /// Small enough that what was digested is still near when it is written.
  private static var pieceBytes: Int { 256 << 10 }

  private let take: (Span<UInt8>) throws -> Void
  private var verifier: Verifier
  private var progress: Progress?

  init(
    _ take: @escaping (Span<UInt8>) throws -> Void, _ expected: Expectation, _ log: JobLog?
  ) {
    self.take = take
    verifier = Verifier(expected)
    progress = log.map { Progress($0) }
  }

  mutating func write(_ bytes: Span<UInt8>) throws {
    var rest = bytes
    while !rest.isEmpty {
      let piece = rest.extracting(first: min(rest.count, Self.pieceBytes))
      verifier.update(piece)
      try take(piece)
      rest = rest.extracting(droppingFirst: piece.count)
    }
    progress?.report(inBytes: verifier.byteCount, outBytes: verifier.byteCount)
  }

  mutating func finish(_ location: Location) throws(Failure) -> ObjectGet.Delivery {
    let (difference, sha256) = verifier.finish()
    if let difference {
      throw Failure(
        .badInput, "\"\(location.url)\" is not what it should be", detail: difference)
    }
    return ObjectGet.Delivery(
      bytes: verifier.byteCount, sha256: sha256, isVerified: !verifier.isBlind)
  }
}
