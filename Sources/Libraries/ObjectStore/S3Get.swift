internal import Bytes
internal import Filter
internal import Posix

/// Reads one object of S3 by ranges, several at a time, and delivers them in order.
struct S3Get: ~Copyable {
  let bucket: String
  let key: String
  let concurrency: Int
  let rangeBytes: Int
  let connection: S3Connection

  /// Returns nil when the store says that there is no such object.
  func run(
    _ expected: Expectation, _ get: ObjectGet, to take: @escaping (Span<UInt8>) throws -> Void
  ) throws -> ObjectGet.Delivery? {
    guard let object = try connection.head(bucket, key) else {
      try connection.requireBucket(bucket)
      return nil
    }
    let all = expected.completed(by: object)
    try check(object, all)
    var sink = get.sink(take, all)
    if object.bytes > 0 { try deliver(object, all.partBytes, to: &sink) }
    return try sink.finish(get.location)
  }

  /// Refuses, before the first byte, what cannot be the object that the record tells of.
  private func check(_ object: S3Object, _ expected: Expectation) throws(Failure) {
    func refuse(_ detail: String) -> Failure {
      Failure(
        .badInput, "\"s3://\(bucket)/\(key)\" is not what it should be", detail: detail)
    }
    if let bytes = expected.objectBytes, bytes != object.bytes {
      throw refuse("it should have \(bytes) bytes, but has \(object.bytes)")
    }
    if let etag = expected.etag, etag != object.etag {
      throw refuse("its ETag should be \(etag), but is \(object.etag)")
    }
  }

  /// Ranges that are parts of the object, or equal pieces of them: no range makes a store read two parts.
  private func rangeBytes(_ partBytes: Int?) -> Int {
    guard let partBytes, partBytes > rangeBytes / 2 else { return rangeBytes }
    let pieces = (partBytes + rangeBytes - 1) / rangeBytes
    return (partBytes + pieces - 1) / pieces
  }

  private func deliver(
    _ object: S3Object, _ partBytes: Int?, to sink: inout DeliverySink
  ) throws {
    let rangeBytes = rangeBytes(partBytes)
    let count = (object.bytes + rangeBytes - 1) / rangeBytes
    let queue = RangeQueue(
      count: count, window: max(2, concurrency), bufferBytes: min(rangeBytes, object.bytes))
    let fetch = RangeFetch(bucket: bucket, key: key, object: object, rangeBytes: rangeBytes)
    if count == 1 { return try deliverAtOnce(fetch, object.bytes, to: &sink) }
    let store = connection.store
    var threads = ThreadGroup()
    do {
      for _ in 0..<min(concurrency, count) {
        try threads.start { Self.fetch(fetch, queue, store) }
      }
      for index in 0..<count {
        let buffer = try queue.take(index)
        try buffer.forEachPiece { try sink.write($0) }
        queue.give(back: buffer)
      }
      threads.join()
    } catch {
      queue.fail(error)
      threads.join()
      throw error
    }
  }

  /// Over the connection that is already there.
  private func deliverAtOnce(
    _ fetch: RangeFetch, _ bytes: Int, to sink: inout DeliverySink
  ) throws {
    let buffer = PartBuffer(capacity: bytes)
    try fetch.fill(buffer, 0, on: connection)
    try buffer.forEachPiece { try sink.write($0) }
  }

  /// What each of the fetching threads does.
  private static func fetch(_ fetch: RangeFetch, _ queue: RangeQueue, _ store: S3Store) {
    do {
      let connection = try S3Connection(
        store, isCancelled: { StopSignal.received != nil || queue.hasFailed })
      while let (index, buffer) = queue.next() {
        try fetch.fill(buffer, index, on: connection)
        queue.finished(index, buffer)
      }
    } catch {
      queue.fail(error)
    }
  }
}

/// How the ranges of one object are fetched.
struct RangeFetch: Sendable {
  /// Progress after which a broken range has all its attempts again.
  private static var progressBytes: Int { 64 << 10 }

  let bucket: String
  let key: String
  let object: S3Object
  let rangeBytes: Int

  /// Fills `buffer` with range `index`; goes on where a connection broke.
  func fill(
    _ buffer: PartBuffer, _ index: Int, on connection: borrowing S3Connection
  ) throws {
    let start = index * rangeBytes
    let length = min(rangeBytes, object.bytes - start)
    let attempts = connection.store.options.retries
    var backoff = Backoff(attempts: attempts)
    buffer.removeAll()
    while true {
      let before = buffer.count
      do {
        try fetch(start + before, upTo: start + length, buffer, on: connection)
        if buffer.count == length { return }
        throw S3Error(action, TransportError(kind: .broken, text: "the answer is too short"))
      } catch let error as S3Error {
        if error.isPreconditionFailed || error.isMissing {
          throw Failure(.badInput, "could not \(action): it changed while it was read")
        }
        guard error.isTransient else { throw error }
        if buffer.count - before >= Self.progressBytes {
          backoff = Backoff(attempts: attempts)
        }
        if try !backoff.wait() { throw error }
      }
    }
  }

  private var action: String { "read \"s3://\(bucket)/\(key)\"" }

  private func fetch(
    _ from: Int, upTo end: Int, _ buffer: PartBuffer, on connection: borrowing S3Connection
  ) throws {
    buffer.wantedOffset = from
    let request = S3Request(
      method: "GET", bucket: bucket, key: key,
      headers: [("range", "bytes=\(from)-\(end - 1)"), ("if-match", "\"\(object.etag)\"")],
      action: action)
    _ = try connection.send(request, target: buffer, retrying: false)
  }
}
