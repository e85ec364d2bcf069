internal import Digests
public import Filter
public import JSON

/// What became of the bytes: the record that a manifest keeps.
public struct Receipt: Sendable {
  public enum Outcome: String, Sendable {
    case uploaded
    /// The same bytes were there already; nothing was uploaded.
    case identical
    /// Something was there, and it was not to be replaced.
    case exists
    case dryRun = "dry-run"
  }

  public let url: String
  public var objectBytes: Int?
  /// Without quotes; nil for files, which have none.
  public var etag: String?
  public var parts: Int?
  /// The size of the first parts; nil for files.
  public var partBytes: Int?
  /// Digests in hexadecimal digits; nil where unknown.
  public var sha256: String?
  public var md5: String?
  public var crc32c: String?
  public var outcome: Outcome
  /// What the stages before said of themselves, first stage first.
  public var stages: [Upstream.Stage] = []
  /// What such a stage said of an object that was there, as the object's metadata has it.
  var raw: (bytes: Int, sha256: String)?

  init(_ location: Location, _ outcome: Outcome) {
    url = location.url
    self.outcome = outcome
  }

  /// Has it tell of `object`, which was there with the same bytes, in parts of its own.
  mutating func tell(of object: S3Object) {
    (etag, parts, partBytes) = (object.etag, object.parts, object.partBytes)
    outcome = .identical
  }

  /// The receipt as a record: the members of `record`, then its own.
  public func record(addedTo record: Record?) -> Record {
    var record = record ?? Record(type: "object")
    record.retype("object")
    // What an earlier look at the store said is settled by this one.
    record.remove("verdict")
    record.remove("detail")
    record.remove("archived_rows")
    record.set("url", url)
    record.set("object_bytes", objectBytes)
    record.set("etag", etag)
    record.set("parts", parts)
    record.set("part_bytes", partBytes)
    record.set("sha256", sha256)
    record.set("md5", md5)
    record.set("crc32c", crc32c)
    record.set("outcome", outcome.rawValue)
    record.set("finished_at", Timestamp.now())
    if let first = stages.first {
      if let rows = first.rows { record.set("rows", rows) }
      record.set("raw_bytes", first.outBytes)
      if let digest = first.outSHA256 { record.set("raw_sha256", digest) }
    } else if let raw {
      record.set("raw_bytes", raw.bytes)
      record.set("raw_sha256", raw.sha256)
    }
    return record
  }
}
