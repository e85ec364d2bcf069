internal import Bytes
internal import Digests
public import JSON

/// What an object should be: what a record says of it, or else what the store says.
public struct Expectation: Sendable {
  public var objectBytes: Int?
  /// Without quotes.
  public var etag: String?
  /// Digests in hexadecimal digits.
  public var sha256: String?
  public var crc32c: String?
  public var md5: String?
  var partBytes: Int?

  public init() {}

  /// What a receipt says.
  public init(_ record: Record) {
    objectBytes = record.integer("object_bytes")
    etag = record.string("etag")
    sha256 = record.string("sha256")
    crc32c = record.string("crc32c")
    md5 = record.string("md5")
    partBytes = record.integer("part_bytes")
  }

  /// What the store says, where nothing else does.
  func completed(by object: S3Object) -> Expectation {
    var all = self
    all.objectBytes = objectBytes ?? object.bytes
    all.etag = etag ?? object.etag
    all.sha256 = sha256 ?? object.sha256
    all.crc32c = crc32c ?? object.crc32c
    all.md5 = md5 ?? object.md5
    all.partBytes = partBytes ?? object.partBytes
    return all
  }
}

/// Compares what goes by with what it should be.
struct Verifier: ~Copyable {
  /// The digest that decides: the strongest one whose value is known.
  private enum Kind { case sha256, crc32c, md5, parts, none }

  private let expected: Expectation
  private let kind: Kind
  private var sha256 = SHA256()
  private var crc32c = CRC32C()
  private var md5 = MD5()
  private var partETags: [String] = []
  private var partLeft = 0
  private(set) var byteCount = 0

  init(_ expected: Expectation) {
    self.expected = expected
    if expected.sha256 != nil {
      kind = .sha256
    } else if expected.crc32c != nil {
      kind = .crc32c
    } else if expected.md5 != nil {
      kind = .md5
    } else if let partBytes = expected.partBytes, expected.etag?.contains("-") == true {
      kind = .parts
      partLeft = PartPlan(partBytes: partBytes).size(ofPart: 1)
    } else {
      kind = .none
    }
  }

  /// True if nothing but the size can be compared.
  var isBlind: Bool { kind == .none }

  mutating func update(_ bytes: Span<UInt8>) {
    byteCount += bytes.count
    switch kind {
    case .sha256: sha256.update(bytes)
    case .crc32c: crc32c.update(bytes)
    case .md5: md5.update(bytes)
    case .parts: updateParts(bytes)
    case .none: break
    }
  }

  private mutating func updateParts(_ bytes: Span<UInt8>) {
    var rest = bytes
    while !rest.isEmpty {
      let length = min(rest.count, partLeft)
      md5.update(rest.extracting(first: length))
      rest = rest.extracting(droppingFirst: length)
      partLeft -= length
      if partLeft == 0 { endPart() }
    }
  }

  private mutating func endPart() {
    partETags.append(Hex.encode(md5.finish()))
    md5 = MD5()
    let plan = PartPlan(partBytes: expected.partBytes ?? PartPlan.defaultPartBytes)
    partLeft = plan.size(ofPart: partETags.count + 1)
  }

  /// What differs, in words, and the SHA-256, if that was computed; nil when nothing does.
  mutating func finish() -> (difference: String?, sha256: String?) {
    if let bytes = expected.objectBytes, bytes != byteCount {
      return ("it should have \(bytes) bytes, but has \(byteCount)", nil)
    }
    switch kind {
    case .sha256:
      let found = Hex.encode(sha256.finish())
      return (Self.compare("SHA-256", expected.sha256, found), found)
    case .crc32c:
      return (Self.compare("CRC-32C", expected.crc32c, Hex.encode(crc32c.value)), nil)
    case .md5: return (Self.compare("MD5", expected.md5, Hex.encode(md5.finish())), nil)
    case .parts:
      let last = Hex.encode(md5.finish())
      let all = byteCount > 0 && isInPart ? partETags + [last] : partETags
      return (Self.compare("ETag", expected.etag, S3Object.etag(ofParts: all) ?? ""), nil)
    case .none: return (nil, nil)
    }
  }

  private var isInPart: Bool {
    let plan = PartPlan(partBytes: expected.partBytes ?? PartPlan.defaultPartBytes)
    return partLeft < plan.size(ofPart: partETags.count + 1)
  }

  private static func compare(_ what: String, _ expected: String?, _ found: String) -> String? {
    expected == found ? nil : "its \(what) should be \(expected ?? ""), but is \(found)"
  }
}
