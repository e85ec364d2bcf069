public import JSON

/// An object as a listing shows it.
public struct ListedObject: Sendable {
  public let url: String
  /// Within the bucket; for files, below the folder that was listed.
  public let key: String
  public let bytes: Int
  /// Without quotes; nil for files.
  public let etag: String?
  /// As records carry times.
  public let modifiedAt: String?

  public var record: Record {
    var record = Record(type: "object")
    record.set("url", url)
    record.set("key", key)
    record.set("object_bytes", bytes)
    record.set("etag", etag)
    record.set("modified_at", modifiedAt)
    return record
  }
}
