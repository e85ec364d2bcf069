internal import Bytes
internal import Digests
internal import Filter
internal import Posix

/// An upload in parts: begun, filled by several connections, then completed or aborted.
struct MultipartUpload {
  let bucket: String
  let key: String
  let id: String

  private static var settleStallSeconds: Int { 300 }
  private static var abortAttempts: Int { 5 }

  private var url: String { "s3://\(bucket)/\(key)" }

  /// Begins an upload.
  static func begin(
    _ bucket: String, _ key: String, headers: [(name: String, value: String)],
    on connection: borrowing S3Connection
  ) throws -> MultipartUpload {
    var request = S3Request(
      method: "POST", bucket: bucket, key: key, query: [("uploads", "")], headers: headers,
      action: "begin the upload of \"s3://\(bucket)/\(key)\"")
    if connection.store.checksum == .crc32c {
      request.headers.append(("x-amz-checksum-algorithm", "CRC32C"))
      request.headers.append(("x-amz-checksum-type", "FULL_OBJECT"))
    }
    let response = try connection.send(request)
    let body = try? XMLElement(parsing: response.body.span)
    guard let id = body?["UploadId"], !id.isEmpty else {
      throw Failure(.unavailable, "could not \(request.action)", detail: "the store gave no id")
    }
    let upload = MultipartUpload(bucket: bucket, key: key, id: id)
    // An attempt whose answer was lost may have begun another one.
    if response.attempts > 1 { removeAll(bucket, key, in: connection.store, except: id) }
    return upload
  }

  /// Aborts all unfinished uploads of a key but one, as well as that goes, even if we were asked
  /// to stop.
  static func removeAll(
    _ bucket: String, _ key: String, in store: S3Store, except: String? = nil,
    retrying: Bool = false, isCancelled: @escaping @Sendable () -> Bool = { false }
  ) {
    guard let connection = try? S3Connection(store, isCancelled: isCancelled),
      let found = try? unfinished(bucket, key, on: connection, retrying: retrying)
    else { return }
    for upload in found where upload.id != except { upload.abort(on: connection) }
  }

  /// Sends one part and returns its ETag.
  func send(_ part: UploadQueue.Part, on connection: borrowing S3Connection) throws -> String {
    var request = S3Request(
      method: "PUT", bucket: bucket, key: key,
      query: [("partNumber", "\(part.number)"), ("uploadId", id)],
      action: "upload part \(part.number) of \"\(url)\"")
    request.payloadHash = connection.store.payloadHash(part.digest)
    switch connection.store.checksum {
    case .crc32c:
      request.headers.append(
        ("x-amz-checksum-crc32c", Base64.encode(part.digest.crc32c.bytes)))
    case .md5:
      request.headers.append(("content-md5", Base64.encode(try part.buffer.md5())))
    case .sha256, .auto: break
    }
    let response = try connection.send(request, source: part.buffer)
    guard let etag = response["etag"], !etag.isEmpty else {
      throw Failure(.unavailable, "could not \(request.action)", detail: "the store gave no ETag")
    }
    return S3Object.unquoted(etag)
  }

  /// Makes the object of its parts and returns its ETag.
  ///
  /// An answer that is lost or unclear is settled by looking what is there. Throws an `S3Error` that
  /// `isPreconditionFailed` when something is there and `ifNoneMatch` is true.
  func complete(
    _ parts: [UploadQueue.Arrived], objectBytes: Int, ifNoneMatch: Bool,
    on connection: borrowing S3Connection
  ) throws -> String {
    var backoff = Backoff(attempts: connection.store.options.retries)
    let etags = parts.map(\.etag)
    let body = Self.list(parts, checksums: connection.store.checksum == .crc32c)
    var request = S3Request(
      method: "POST", bucket: bucket, key: key, query: [("uploadId", id)],
      headers: [("content-type", "application/xml")],
      action: "complete the upload of \"\(url)\"")
    request.stallSeconds = max(Self.settleStallSeconds, connection.store.options.stallSeconds)
    if ifNoneMatch { request.headers.append(("if-none-match", "*")) }
    var isUnclear = false
    while true {
      do {
        let response = try connection.send(request, body: body.utf8.span, retrying: false)
        return try etag(of: response, expected: etags, objectBytes, on: connection)
      } catch let error as S3Error {
        isUnclear = isUnclear || error.isAmbiguous
        if isUnclear || error.code == "NoSuchUpload",
          let etag = try settled(etags, objectBytes, on: connection)
        {
          return etag
        }
        guard error.isTransient, try backoff.wait() else { throw error }
      }
    }
  }

  private static func list(_ parts: [UploadQueue.Arrived], checksums: Bool) -> String {
    var body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
    for (index, part) in parts.enumerated() {
      body += "<Part><PartNumber>\(index + 1)</PartNumber><ETag>\"\(part.etag)\"</ETag>"
      if checksums {
        body += "<ChecksumCRC32C>\(Base64.encode(part.crc32c.bytes))</ChecksumCRC32C>"
      }
      body += "</Part>"
    }
    return body + "</CompleteMultipartUpload>"
  }

  /// Some stores answer with an empty ETag; then it is asked for.
  private func etag(
    of response: HTTPResponse, expected etags: [String], _ objectBytes: Int,
    on connection: borrowing S3Connection
  ) throws -> String {
    let body = try? XMLElement(parsing: response.body.span)
    if let etag = body?["ETag"].map(S3Object.unquoted), !etag.isEmpty { return etag }
    guard let object = try connection.head(bucket, key), object.bytes == objectBytes else {
      throw Failure(
        .unavailable, "could not complete the upload of \"\(url)\"",
        detail: "the store says it is done, but the object is not there")
    }
    return object.etag
  }

  /// The ETag of the object that is there, if it is made of these parts.
  private func settled(
    _ etags: [String], _ objectBytes: Int, on connection: borrowing S3Connection
  ) throws -> String? {
    guard let object = try connection.head(bucket, key), object.bytes == objectBytes else {
      return nil
    }
    let isSame = object.etag == S3Object.etag(ofParts: etags)
    // With keys of its own a store's ETags are no digests: then number and size must do.
    return isSame || (object.isEncryptedByKey && object.parts == etags.count) ? object.etag : nil
  }

  /// Takes the upload and its parts away, even if we were asked to stop.
  func abort(in store: S3Store) {
    if let connection = try? S3Connection(store, isCancelled: { false }) { abort(on: connection) }
  }

  private func abort(on connection: borrowing S3Connection) {
    let request = S3Request(
      method: "DELETE", bucket: bucket, key: key, query: [("uploadId", id)],
      action: "abort the upload of \"\(url)\"", stallSeconds: 10)
    for _ in 0..<Self.abortAttempts {
      do {
        _ = try connection.send(request, retrying: false)
        return
      } catch let error as S3Error where !error.isTransient {
        return
      } catch {
        continue
      }
    }
  }

  /// The unfinished uploads of exactly this key.
  static func unfinished(
    _ bucket: String, _ key: String, on connection: borrowing S3Connection, retrying: Bool = true
  ) throws -> [MultipartUpload] {
    var found: [MultipartUpload] = []
    var markers: [(name: String, value: String)] = []
    while true {
      let request = S3Request(
        method: "GET", bucket: bucket,
        query: [("uploads", ""), ("prefix", key), ("encoding-type", "url")] + markers,
        action: "list the unfinished uploads of \"s3://\(bucket)/\(key)\"")
      let response = try connection.send(request, retrying: retrying)
      guard let body = try? XMLElement(parsing: response.body.span) else { return found }
      let isEncoded = body["EncodingType"] == "url"
      for upload in body.all("Upload") {
        guard let id = upload["UploadId"], let name = upload["Key"],
          (isEncoded ? URLText.decode(name) : name).utf8.elementsEqual(key.utf8)
        else { continue }
        found.append(MultipartUpload(bucket: bucket, key: key, id: id))
      }
      guard body["IsTruncated"] == "true", let next = body["NextKeyMarker"], !next.isEmpty,
        (isEncoded ? URLText.decode(next) : next).utf8.elementsEqual(key.utf8)
      else { return found }
      markers = [
        ("key-marker", key), ("upload-id-marker", body["NextUploadIdMarker"] ?? ""),
      ]
    }
  }
}

extension S3Store {
  /// What is signed for a body: its digest, or that it is not signed.
  func payloadHash(_ digest: PartDigest) -> String {
    isEncrypted && checksum != .sha256 ? "UNSIGNED-PAYLOAD" : Hex.encode(digest.sha256)
  }
}
