internal import Bytes
internal import Digests
internal import Filter
internal import Posix

/// Publishes one stream as an object of S3.
struct S3Put: ~Copyable {
  let bucket: String
  let key: String
  let options: PutOptions
  let upstream: Upstream?
  let log: JobLog?
  let connection: S3Connection

  var location: Location { .s3(bucket: bucket, key: key) }
  var plan: PartPlan { PartPlan(partBytes: options.partBytes) }

  /// Reads `input` to its end and publishes it.
  func run(from input: Descriptor) throws -> Receipt {
    var input = PutInput(input, log: log)
    let first = PartBuffer(capacity: options.partBytes)
    let digest = try input.fill(first, size: options.partBytes)
    let stages = try upstream?.finished(received: input.byteCount) ?? []
    return try putWhole(first, digest, stages)
  }

  /// Publishes what fits in one part by one request.
  func putWhole(
    _ buffer: PartBuffer, _ digest: PartDigest, _ stages: [Upstream.Stage]
  ) throws -> Receipt {
    let md5 = MD5.of(buffer.bytes.span)
    var receipt = Receipt(location, .uploaded)
    receipt.objectBytes = buffer.bytes.count
    (receipt.parts, receipt.partBytes) = (1, options.partBytes)
    receipt.sha256 = Hex.encode(digest.sha256)
    receipt.md5 = Hex.encode(md5)
    receipt.crc32c = Hex.encode(digest.crc32c.value)
    receipt.stages = stages
    var request = S3Request(
      method: "PUT", bucket: bucket, key: key, headers: options.headers,
      action: "upload \"\(location.url)\"")
    request.headers += metadata(of: receipt)
    request.headers.append(("content-md5", Base64.encode(md5)))
    if options.ifNoneMatch { request.headers.append(("if-none-match", "*")) }
    if connection.store.checksum == .crc32c {
      request.headers.append(("x-amz-checksum-crc32c", Base64.encode(digest.crc32c.bytes)))
    }
    request.payloadHash = payloadHash(digest)
    let response = try buffer.withSpan { try connection.send(request, body: $0) }
    receipt.etag = S3Object.unquoted(response["etag"] ?? "")
    return receipt
  }

  /// What is signed for the body: its digest, or that it is not signed.
  func payloadHash(_ digest: PartDigest) -> String {
    connection.store.isEncrypted && connection.store.checksum != .sha256
      ? "UNSIGNED-PAYLOAD" : Hex.encode(digest.sha256)
  }

  /// What is known of the object, as metadata of the object.
  func metadata(of receipt: Receipt) -> [(name: String, value: String)] {
    var headers: [(name: String, value: String)] = []
    func add(_ name: String, _ value: String?) {
      if let value { headers.append(("x-amz-meta-sluice-\(name)", value)) }
    }
    add("rows", receipt.stages.first?.rows.map { "\($0)" })
    add("raw-bytes", receipt.stages.first.map { "\($0.outBytes)" })
    add("raw-sha256", receipt.stages.first?.outSHA256)
    add("sha256", receipt.sha256)
    add("part-bytes", "\(options.partBytes)")
    return headers
  }
}
