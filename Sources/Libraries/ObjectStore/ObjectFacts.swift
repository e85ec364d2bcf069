internal import Posix

/// What a store says of an object without handing it out.
public struct ObjectFacts: Sendable {
  public let bytes: Int
  /// Without quotes; nil for files.
  public let etag: String?
  /// Digests in hexadecimal digits; nil where the store keeps none.
  public let sha256: String?
  public let crc32c: String?
}

/// Looks at many objects over one connection to each store.
public struct ObjectLook: ~Copyable {
  private let options: S3Options
  private var connection: S3Connection?
  /// Buckets that are known to be there.
  private var buckets: Set<String> = []

  public init(store: S3Options = S3Options()) {
    options = store
    connection = nil
  }

  /// What there is at `location`; nil for nothing.
  public mutating func facts(of location: Location) throws -> ObjectFacts? {
    switch location {
    case .file(let path):
      guard let file = try FileFacts.of(path), file.isRegular else { return nil }
      return ObjectFacts(bytes: Int(file.size), etag: nil, sha256: nil, crc32c: nil)
    case .s3(let bucket, let key):
      if connection == nil { connection = try S3Connection(try S3Store(options)) }
      guard let object = try connection?.head(bucket, key) else {
        if !buckets.contains(bucket) { try connection?.requireBucket(bucket) }
        buckets.insert(bucket)
        return nil
      }
      return ObjectFacts(
        bytes: object.bytes, etag: object.etag, sha256: object.sha256, crc32c: object.crc32c)
    }
  }
}
