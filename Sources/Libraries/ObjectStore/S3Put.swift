internal import Bytes
internal import Digests
internal import Filter
internal import Posix

/// Publishes one stream as an object of S3.
struct S3Put: ~Copyable {
  /// What is known of an object before its first byte goes.
  struct Known {
    let objectBytes: Int
    let sha256: String
    let stages: [Upstream.Stage]
  }

  let bucket: String
  let key: String
  let options: PutOptions
  let staging: PartStaging
  let upstream: Upstream?
  let log: JobLog?
  let connection: S3Connection

  var location: Location { .s3(bucket: bucket, key: key) }
  var plan: PartPlan { PartPlan(partBytes: staging.partBytes) }

  /// Reads `input` to its end and publishes it.
  func run(from input: Descriptor) throws -> Receipt {
    guard let folder = options.spool else {
      return try put(reading(input, log), nil)
    }
    let spool = try File(scratchIn: folder)
    let known = try hold(input, in: spool.descriptor)
    if options.skipIdentical, let object = try connection.head(bucket, key),
      try isIdentical(object, known, spool.descriptor)
    {
      if !options.isDryRun { try removeLeftovers() }
      return describe(object, .identical, sha256: known.sha256, stages: known.stages)
    }
    let again = try Self.reopen(spool.descriptor)
    return try put(reading(again.descriptor, nil), known)
  }

  private func reading(_ source: Descriptor, _ log: JobLog?) -> PutInput {
    PutInput(source, log: log, partBytes: staging.partBytes)
  }

  /// The same file once more, from its start; it has no name any more to open it by.
  static func reopen(_ file: Descriptor) throws(SystemError) -> File {
    try File(reading: "/proc/self/fd/\(file.rawValue)")
  }

  /// Holds the whole input in `spool`.
  private func hold(_ source: Descriptor, in spool: Descriptor) throws -> Known {
    var input = PutInput(source, log: log)
    while !input.isAtEnd {
      _ = try input.read(upTo: Int.max) { (piece) throws(SystemError) in try spool.writeAll(piece) }
    }
    let stages = try upstream?.finished(received: input.byteCount) ?? []
    return Known(
      objectBytes: input.byteCount, sha256: Hex.encode(input.finish()), stages: stages)
  }

  private func put(_ input: consuming PutInput, _ known: Known?) throws -> Receipt {
    let queue = UploadQueue(folder: staging.folder)
    let first = try nextPart(1, &input, queue)
    // Of an input that fills one part exactly the end is seen only behind it.
    guard try input.hasMore() else {
      let stages = try known?.stages ?? upstream?.finished(received: input.byteCount) ?? []
      return try putWhole(first, stages)
    }
    return try putParts(first, &input, queue, known)
  }

  /// Reads the next part; an empty one at the end of the input.
  func nextPart(
    _ number: Int, _ input: inout PutInput, _ queue: UploadQueue
  ) throws -> UploadQueue.Part {
    guard number <= PartPlan.maxParts else {
      throw Failure(
        .badInput, "the object is too large for \(PartPlan.maxParts) parts",
        hint: "Give a larger --part-size.")
    }
    let size = plan.size(ofPart: number)
    let buffer = try queue.takeBuffer(
      size: size, limit: plan.buffers(forPart: number, budget: staging.budgetBytes))
    buffer.removeAll()
    let digest = try input.read(upTo: size) { (piece) throws(SystemError) in
      try buffer.append(piece)
    }
    return UploadQueue.Part(number: number, buffer: buffer, digest: digest)
  }

  /// Publishes what fits in one part by one request.
  private func putWhole(
    _ part: UploadQueue.Part, _ stages: [Upstream.Stage]
  ) throws -> Receipt {
    let md5 = try part.buffer.md5()
    var receipt = Receipt(location, .uploaded)
    receipt.objectBytes = part.buffer.count
    (receipt.parts, receipt.partBytes) = (1, staging.partBytes)
    receipt.sha256 = Hex.encode(part.digest.sha256)
    receipt.md5 = Hex.encode(md5)
    receipt.crc32c = Hex.encode(part.digest.crc32c.value)
    receipt.stages = stages
    if options.isDryRun || options.skipIdentical {
      let object = try connection.head(bucket, key)
      if options.skipIdentical, let object, try isIdentical(object, receipt) {
        if !options.isDryRun { try removeLeftovers() }
        receipt.tell(of: object)
        return receipt
      }
      if options.isDryRun {
        if options.ifNoneMatch, let object { return describe(object, .exists) }
        receipt.outcome = .dryRun
        return receipt
      }
    }
    try removeLeftovers()
    return try send(part, receipt, md5)
  }

  private func send(
    _ part: UploadQueue.Part, _ known: Receipt, _ md5: [UInt8]
  ) throws -> Receipt {
    var receipt = known
    var request = S3Request(
      method: "PUT", bucket: bucket, key: key, headers: options.headers,
      action: "upload \"\(location.url)\"")
    request.headers += metadata(sha256: receipt.sha256, receipt.stages)
    request.headers.append(("content-md5", Base64.encode(md5)))
    if options.ifNoneMatch { request.headers.append(("if-none-match", "*")) }
    if connection.store.checksum == .crc32c {
      request.headers.append(("x-amz-checksum-crc32c", Base64.encode(part.digest.crc32c.bytes)))
    }
    request.payloadHash = connection.store.payloadHash(part.digest)
    do {
      let response = try connection.send(request, source: part.buffer)
      receipt.etag = response["etag"].map(S3Object.unquoted)
    } catch let error as S3Error where options.ifNoneMatch && error.isPreconditionFailed {
      guard let object = try connection.head(bucket, key) else { throw error }
      // What is in the way may be what an attempt put there whose answer was lost.
      guard error.attempts > 1, try isIdentical(object, receipt) else {
        return describe(object, .exists)
      }
      receipt.etag = object.etag
    }
    return receipt
  }

  /// What is known of the object, as metadata of the object.
  func metadata(
    sha256: String?, _ stages: [Upstream.Stage]
  ) -> [(name: String, value: String)] {
    var headers: [(name: String, value: String)] = []
    func add(_ name: String, _ value: String?) {
      if let value { headers.append(("x-amz-meta-sluice-\(name)", value)) }
    }
    add("rows", stages.first?.rows.map { "\($0)" })
    add("raw-bytes", stages.first.map { "\($0.outBytes)" })
    add("raw-sha256", stages.first?.outSHA256)
    add("sha256", sha256)
    add("part-bytes", "\(staging.partBytes)")
    return headers
  }

  /// Aborts what earlier runs for this key could not finish or clean up.
  func removeLeftovers() throws {
    do {
      for upload in try MultipartUpload.unfinished(bucket, key, on: connection) {
        upload.abort(in: connection.store)
      }
    } catch let error as S3Error where (400..<500).contains(error.status) || error.status == 501 {
      // Who may write may not always list. A missing bucket shows itself in what follows.
      return
    }
  }
}
