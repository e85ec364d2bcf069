internal import Bytes
internal import Digests
internal import Filter
internal import Posix

extension S3Put {
  /// Publishes what does not fit in one part, of which the first is read.
  func putParts(
    _ first: UploadQueue.Part, _ input: inout PutInput, _ queue: UploadQueue, _ known: Known?
  ) throws -> Receipt {
    // Whether it has the same bytes is known at the end only.
    if options.ifNoneMatch, !options.skipIdentical, let object = try connection.head(bucket, key) {
      return describe(object, .exists)
    }
    if options.isDryRun { return try readOnly(first, &input, queue, known) }
    let upload = try begin(known)
    do {
      let arrived = try send(first, &input, queue, upload)
      // What is there may have to be read back, which needs their memory.
      queue.removeFreeBuffers()
      let receipt = try receipt(of: &input, arrived.count, known)
      return try complete(upload, arrived, receipt)
    } catch {
      upload.abort(in: connection.store)
      throw error
    }
  }

  /// An upload whose beginning failed may have begun all the same; its ID is then unknown.
  private func begin(_ known: Known?) throws -> MultipartUpload {
    do {
      return try MultipartUpload.begin(
        bucket, key,
        headers: options.headers + metadata(sha256: known?.sha256, known?.stages ?? []),
        on: connection)
    } catch {
      MultipartUpload.removeAll(bucket, key, in: connection.store)
      throw error
    }
  }

  private func readOnly(
    _ first: UploadQueue.Part, _ input: inout PutInput, _ queue: UploadQueue, _ known: Known?
  ) throws -> Receipt {
    let object = try connection.head(bucket, key)
    var count = 1
    queue.give(back: first.buffer)
    while !input.isAtEnd {
      let part = try nextPart(count + 1, &input, queue)
      if part.buffer.count > 0 { count += 1 }
      queue.give(back: part.buffer)
    }
    var receipt = try receipt(of: &input, count, known)
    receipt.outcome = .dryRun
    queue.removeFreeBuffers()
    if options.ifNoneMatch, let object {
      guard try isIdentical(object, receipt) else { return describe(object, .exists) }
      receipt.tell(of: object)
    }
    return receipt
  }

  /// Reads to the end while threads upload; returns the parts once all have arrived.
  private func send(
    _ first: UploadQueue.Part, _ input: inout PutInput, _ queue: UploadQueue,
    _ upload: MultipartUpload
  ) throws -> [UploadQueue.Arrived] {
    var threads = ThreadGroup()
    do {
      // Meanwhile, because listing them takes as long as a good part of an upload.
      let (bucket, key, store) = (bucket, key, connection.store)
      try threads.start {
        MultipartUpload.removeAll(
          bucket, key, in: store, except: upload.id, retrying: true,
          isCancelled: { StopSignal.received != nil || queue.hasFailed })
      }
      var count = 0
      try add(first, &count, queue, upload, &threads)
      while !input.isAtEnd {
        let part = try nextPart(count + 1, &input, queue)
        try add(part, &count, queue, upload, &threads)
      }
      queue.close()
      let arrived = try queue.waitForAll(count)
      threads.join()
      return arrived
    } catch {
      queue.fail(error)
      threads.join()
      throw error
    }
  }

  private func add(
    _ part: UploadQueue.Part, _ count: inout Int, _ queue: UploadQueue,
    _ upload: MultipartUpload, _ threads: inout ThreadGroup
  ) throws {
    guard part.buffer.count > 0 else { return queue.give(back: part.buffer) }
    count += 1
    queue.add(part)
    guard count <= staging.concurrency else { return }
    let store = connection.store
    try threads.start { Self.upload(from: queue, upload, store) }
  }

  /// What each of the uploading threads does.
  private static func upload(from queue: UploadQueue, _ upload: MultipartUpload, _ store: S3Store) {
    do {
      let connection = try S3Connection(
        store, isCancelled: { StopSignal.received != nil || queue.hasFailed })
      while let part = queue.next() {
        queue.finished(part, etag: try upload.send(part, on: connection))
      }
    } catch {
      queue.fail(error)
    }
  }

  /// What was read, once the stages before have finished.
  private func receipt(
    of input: inout PutInput, _ parts: Int, _ known: Known?
  ) throws -> Receipt {
    var receipt = Receipt(location, .uploaded)
    receipt.objectBytes = input.byteCount
    (receipt.parts, receipt.partBytes) = (parts, staging.partBytes)
    receipt.crc32c = Hex.encode(input.crc32c.value)
    receipt.stages = try known?.stages ?? upstream?.finished(received: input.byteCount) ?? []
    receipt.sha256 = Hex.encode(input.finish())
    if let known, known.sha256 != receipt.sha256 {
      throw Failure(.io, "the spooled object was not read back as it was written")
    }
    return receipt
  }

  private func complete(
    _ upload: MultipartUpload, _ parts: [UploadQueue.Arrived], _ known: Receipt
  ) throws -> Receipt {
    var receipt = known
    if options.ifNoneMatch, options.skipIdentical, let object = try connection.head(bucket, key) {
      upload.abort(in: connection.store)
      guard try isIdentical(object, receipt, parts) else { return describe(object, .exists) }
      receipt.tell(of: object)
      return receipt
    }
    do {
      receipt.etag = try upload.complete(
        parts, objectBytes: receipt.objectBytes ?? 0, ifNoneMatch: options.ifNoneMatch,
        on: connection)
    } catch let error as S3Error where options.ifNoneMatch && error.isPreconditionFailed {
      upload.abort(in: connection.store)
      guard let object = try connection.head(bucket, key) else { throw error }
      return describe(object, .exists)
    }
    return receipt
  }

  // MARK: - What is there already

  /// True if the object has the bytes that `receipt` tells of.
  ///
  /// Where neither its metadata nor its ETag can say so, it is read back: it went in other parts, or encrypted.
  func isIdentical(
    _ object: S3Object, _ receipt: Receipt, _ parts: [UploadQueue.Arrived] = []
  ) throws -> Bool {
    guard object.bytes == receipt.objectBytes else { return false }
    if let sha256 = object.sha256 { return sha256 == receipt.sha256 }
    if let md5 = object.md5, let ours = receipt.md5 { return md5 == ours }
    if let etag = S3Object.etag(ofParts: parts.map(\.etag)), etag == object.etag { return true }
    let isOfSameParts = !parts.isEmpty && object.partBytes == receipt.partBytes
    if isOfSameParts, !object.isEncryptedByKey { return false }
    return try hasContent(receipt.sha256, object)
  }

  /// Reads the object back; one that may not be read, or not yet, is not known to have these bytes.
  private func hasContent(_ sha256: String?, _ object: S3Object) throws -> Bool {
    var expected = Expectation()
    (expected.etag, expected.sha256) = (object.etag, sha256)
    let get = ObjectGet(location, expected: expected, concurrency: 2, shared: connection.store)
    do { return try get.runIfThere { _ in } != nil } catch let error as Failure
      where error.exitCode == .badInput
    {
      return false
    } catch let error as S3Error where error.status == 403 {
      return false
    }
  }

  /// True if the object has the bytes that lie in `spool`.
  func isIdentical(_ object: S3Object, _ known: Known, _ spool: Descriptor) throws -> Bool {
    guard object.bytes == known.objectBytes else { return false }
    if let sha256 = object.sha256 { return sha256 == known.sha256 }
    let plan = PartPlan(partBytes: object.partBytes ?? staging.partBytes)
    let etags = try md5s(of: spool, plan.sizes(ofObject: known.objectBytes))
    if object.etag == (etags.count > 1 ? S3Object.etag(ofParts: etags) : etags[0]) { return true }
    let saysHow = object.partBytes != nil && !object.isEncryptedByKey
    return try !saysHow && hasContent(known.sha256, object)
  }

  private func md5s(of spool: Descriptor, _ sizes: [Int]) throws -> [String] {
    let file = try Self.reopen(spool)
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    var digests: [String] = []
    for size in sizes {
      var digest = MD5()
      var left = size
      while left > 0 {
        let wanted = min(left, buffer.count)
        let count = unsafe try buffer.withUnsafeMutableBufferPointer { raw in
          guard let base = raw.baseAddress else { return 0 }
          return unsafe try file.descriptor.read(into: base, capacity: wanted)
        }
        guard count > 0 else { throw Failure(.io, "the spooled object is cut off") }
        digest.update(buffer.span.extracting(first: count))
        left -= count
      }
      digests.append(Hex.encode(digest.finish()))
    }
    return digests
  }

  /// A receipt for the object that is there.
  func describe(
    _ object: S3Object, _ outcome: Receipt.Outcome, sha256: String? = nil,
    stages: [Upstream.Stage] = []
  ) -> Receipt {
    var receipt = Receipt(location, outcome)
    receipt.objectBytes = object.bytes
    receipt.etag = object.etag
    (receipt.parts, receipt.partBytes) = (object.parts, object.partBytes)
    receipt.sha256 = sha256 ?? object.sha256
    receipt.md5 = object.md5
    receipt.crc32c = object.crc32c
    receipt.stages = stages
    if let bytes = object.rawBytes, let sha256 = object.rawSHA256 { receipt.raw = (bytes, sha256) }
    return receipt
  }
}
