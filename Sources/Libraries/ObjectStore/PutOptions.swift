public import Filter

/// What the command line says of an object to publish.
public struct PutOptions: Sendable {
  /// The size of the first parts; nil for the size that suits where they lie.
  public var partBytes: Int?
  /// Parts on their way at once; nil for the number that suits where they lie.
  public var concurrency: Int?
  /// Parts on their way lie in memory, not in files.
  public var isInMemory = false
  /// Nothing that is there is replaced.
  public var ifNoneMatch = false
  /// Nothing is uploaded when the same bytes are there.
  public var skipIdentical = false
  /// A folder to hold the whole object before it goes.
  public var spool: String?
  public var isDryRun = false
  public var contentType = "application/octet-stream"
  public var storageClass: String?
  /// `AES256`, `aws:kms` or `aws:kms:KEY`.
  public var encryption: String?
  public private(set) var metadata: [(name: String, value: String)] = []
  public private(set) var tags: [(name: String, value: String)] = []

  public init() {}

  /// Adds `NAME=VALUE` to the object's metadata.
  public mutating func addMetadata(_ text: String) throws(UsageError) {
    let (name, value) = try Self.pair(text)
    let isName = name.utf8.allSatisfy { byte in
      byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".")
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
    guard isName, !name.lowercased().hasPrefix("sluice-") else {
      throw UsageError("\"\(name)\" is not a name for metadata")
    }
    try Self.checkHeader(value)
    guard !metadata.contains(where: { $0.name == name.lowercased() }) else {
      throw UsageError("metadata \"\(name.lowercased())\" is there twice")
    }
    metadata.append((name.lowercased(), value))
  }

  /// Adds `NAME=VALUE` to the object's tags.
  public mutating func addTag(_ text: String) throws(UsageError) {
    tags.append(try Self.pair(text))
  }

  /// Refuses what cannot stand in a header of HTTP.
  public static func checkHeader(_ value: String) throws(UsageError) {
    guard value.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
      throw UsageError("\"\(value)\" has characters that no header can carry")
    }
  }

  private static func pair(
    _ text: String
  ) throws(UsageError) -> (name: String, value: String) {
    guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
      throw UsageError("\"\(text)\" is not NAME=VALUE")
    }
    return (String(text[..<equals]), String(text[text.index(after: equals)...]))
  }

  /// The headers that say how the object is kept.
  var headers: [(name: String, value: String)] {
    var headers = [(name: "content-type", value: contentType)]
    for (name, value) in metadata { headers.append(("x-amz-meta-\(name)", value)) }
    if !tags.isEmpty { headers.append(("x-amz-tagging", URLText.query(tags))) }
    if let storageClass { headers.append(("x-amz-storage-class", storageClass)) }
    if let encryption {
      let isKeyed = encryption.hasPrefix("aws:kms:")
      headers.append(("x-amz-server-side-encryption", isKeyed ? "aws:kms" : encryption))
      if isKeyed {
        headers.append(
          ("x-amz-server-side-encryption-aws-kms-key-id", String(encryption.dropFirst(8))))
      }
    }
    return headers
  }
}
