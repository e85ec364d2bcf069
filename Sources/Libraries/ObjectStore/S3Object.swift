internal import Bytes
internal import Digests
internal import Posix

/// What a HEAD says of an object.
struct S3Object: Sendable {
  let bytes: Int
  let etag: String
  let partBytes: Int?
  /// From our own metadata.
  let sha256: String?
  /// From our own metadata: what the first stage wrote.
  let rawBytes: Int?
  let rawSHA256: String?
  /// Of the whole object, where the store keeps one.
  let crc32c: String?
  let isEncryptedByKey: Bool

  init(_ response: HTTPResponse) {
    bytes = Int(response["content-length"] ?? "") ?? 0
    etag = Self.unquoted(response["etag"] ?? "")
    partBytes = response["x-amz-meta-sluice-part-bytes"].flatMap { Int($0) }
    sha256 = response["x-amz-meta-sluice-sha256"]
    rawBytes = response["x-amz-meta-sluice-raw-bytes"].flatMap { Int($0) }
    rawSHA256 = response["x-amz-meta-sluice-raw-sha256"]
    let isComposite = response["x-amz-checksum-type"] == "COMPOSITE"
    crc32c = isComposite ? nil : Self.hex(ofBase64: response["x-amz-checksum-crc32c"])
    isEncryptedByKey =
      response["x-amz-server-side-encryption"]?.hasPrefix("aws:kms") == true
      || response["x-amz-server-side-encryption-customer-algorithm"] != nil
  }

  /// The number of parts that the ETag tells of; 1 for a plain one.
  var parts: Int {
    etag.firstIndex(of: "-").flatMap { Int(etag[etag.index(after: $0)...]) } ?? 1
  }

  /// The MD5 of the content, where the ETag is one.
  var md5: String? {
    etag.utf8.count == 32 && Hex.decode(etag) != nil && !isEncryptedByKey ? etag : nil
  }

  static func unquoted(_ etag: String) -> String { etag.filter { $0 != "\"" } }

  private static func hex(ofBase64 text: String?) -> String? {
    // A composite checksum has the number of parts behind it.
    text.flatMap { Base64.decode($0) }.map { Hex.encode($0) }
  }

  /// The ETag of an object of several parts: the MD5 of the parts' MD5s, and their number.
  static func etag(ofParts etags: [String]) -> String? {
    var digest = MD5()
    for etag in etags {
      guard let bytes = Hex.decode(etag), bytes.count == 16 else { return nil }
      digest.update(bytes.span)
    }
    return "\(Hex.encode(digest.finish()))-\(etags.count)"
  }
}

/// There is no bucket of that name.
struct MissingBucket: Diagnosable {
  let name: String
  var message: String { "there is no bucket \"\(name)\"" }
  var exitCode: ExitCode { .configuration }
  var hint: String? { S3Error.hintOfMissingBucket }
}

extension S3Connection {
  /// Throws a `MissingBucket` where there is no such bucket.
  ///
  /// The answer to a HEAD has no body that would tell a missing bucket from a missing object.
  func requireBucket(_ bucket: String) throws {
    let request = S3Request(method: "HEAD", bucket: bucket, action: "look at \"s3://\(bucket)/\"")
    do { _ = try send(request) } catch let error as S3Error where error.isMissing {
      throw MissingBucket(name: bucket)
    } catch let error as S3Error where error.status > 0 {
      // Who may read objects may not always look at their bucket.
    }
  }

  /// What there is under a key; nil for nothing.
  func head(_ bucket: String, _ key: String) throws -> S3Object? {
    let request = S3Request(
      method: "HEAD", bucket: bucket, key: key, headers: [("x-amz-checksum-mode", "ENABLED")],
      action: "look at \"s3://\(bucket)/\(key)\"")
    do {
      return S3Object(try send(request))
    } catch let error as S3Error where error.isMissing {
      return nil
    }
  }
}
