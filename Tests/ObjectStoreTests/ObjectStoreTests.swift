import Bytes
import Digests
import Filter
import Testing

@testable import ObjectStore

struct DigestTests {
  @Test(arguments: [0, 1, 55, 56, 63, 64, 65, 119, 120, 127, 128, 1000, 4096, 4097])
  func theTwinAgreesWithLibcrypto(length: Int) {
    let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 7) }
    for isAligned in [true, false] {
      var twin = TwinSHA256(isAligned: isAligned)
      twin.update(bytes.span)
      #expect(twin.finishPart() == SHA256.of(bytes.span))
      #expect(twin.finishWhole() == SHA256.of(bytes.span))
    }
  }

  @Test(arguments: [1, 7, 63, 64, 65, 200])
  func piecesMakeNoDifference(step: Int) {
    let bytes = (0..<1280).map { UInt8(truncatingIfNeeded: $0 &* 13) }
    var twin = TwinSHA256(isAligned: true)
    for part in 0..<2 {
      let start = part * 640
      for at in stride(from: start, to: start + 640, by: step) {
        twin.update(bytes.span.extracting(at..<min(at + step, start + 640)))
      }
      #expect(twin.finishPart() == SHA256.of(bytes.span.extracting(start..<start + 640)))
    }
    #expect(twin.finishWhole() == SHA256.of(bytes.span))
  }

  @Test func knownValues() {
    #expect(
      SHA256.hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(Hex.encode(MD5.of("abc".utf8.span)) == "900150983cd24fb0d6963f7d28e17f72")
  }
}

struct URLTextTests {
  @Test(arguments: [
    ("sp ace", "sp%20ace"), ("pl+us", "pl%2Bus"), ("ü", "%C3%BC"), ("q'(!)*", "q%27%28%21%29%2A"),
    ("pct%2Fx", "pct%252Fx"), ("~-._", "~-._"), ("a/b", "a/b"), ("\u{1}", "%01"),
  ])
  func keysAreEncodedStrictly(key: String, encoded: String) {
    #expect(URLText.encode(key, keepingSlashes: true) == encoded)
    #expect(URLText.decode(encoded) == key)
  }

  @Test func queriesAreSortedByEncodedName() {
    #expect(
      URLText.query([("uploadId", "x/y"), ("partNumber", "1"), ("a", ""), ("A", "b")])
        == "A=b&a=&partNumber=1&uploadId=x%2Fy")
  }

  @Test(arguments: ["%", "%1", "%zz", "a%"])
  func whatIsNoEncodingStays(text: String) { #expect(URLText.decode(text) == text) }
}

struct PartPlanTests {
  @Test(arguments: [5 << 20, 8 << 20, 20 << 20, 64 << 20, 1 << 30, 5 << 30])
  func fiveTebibytesFit(partBytes: Int) {
    let sizes = PartPlan(partBytes: partBytes).sizes(ofObject: PartPlan.maxObjectBytes)
    #expect(sizes.count <= PartPlan.maxParts)
    #expect(sizes.reduce(0, +) == PartPlan.maxObjectBytes)
    #expect(sizes.allSatisfy { $0 <= 5 << 30 })
  }

  @Test func partsDoNotGrowBelowEightGibibytes() {
    let sizes = PartPlan().sizes(ofObject: 8 << 30)
    #expect(Set(sizes.dropLast()) == [PartPlan.defaultPartBytes])
  }

  @Test func buffersShrinkInNumberAsPartsGrow() {
    let plan = PartPlan(partBytes: 8 << 20)
    #expect(plan.buffers(forPart: 1, budget: 64 << 20) == 8)
    #expect(plan.buffers(forPart: 1025, budget: 64 << 20) == 4)
    #expect(plan.buffers(forPart: 9999, budget: 64 << 20) == 2)
  }

  @Test func anEmptyObjectIsOnePart() { #expect(PartPlan().sizes(ofObject: 0) == [0]) }
}

struct S3ObjectTests {
  private static func object(_ headers: [(name: String, value: String)]) -> S3Object {
    S3Object(HTTPResponse(status: 200, headers: headers, body: []))
  }

  private static var md5: String { String(repeating: "0a", count: 16) }

  /// An ETag is a digest of the content only where the store says nothing else.
  @Test(arguments: [
    ("x-amz-server-side-encryption", "aws:kms"), ("x-amz-server-side-encryption", "aws:kms:dsse"),
    ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
  ])
  func theETagOfWhatIsEncryptedByAKeyIsNoDigest(name: String, value: String) {
    #expect(Self.object([("etag", "\"\(Self.md5)\"")]).md5 == Self.md5)
    #expect(Self.object([("etag", "\"\(Self.md5)\""), (name, value)]).md5 == nil)
  }

  @Test(arguments: ["0a-2", "", "0a", "zz0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"])
  func otherETagsAreNoDigest(etag: String) {
    #expect(Self.object([("etag", etag)]).md5 == nil)
  }

  /// A checksum of the parts' checksums is none of the content.
  @Test func aCompositeChecksumIsNotThatOfTheContent() {
    let checksum = (name: "x-amz-checksum-crc32c", value: "AAAAAQ==")
    #expect(Self.object([checksum]).crc32c == "00000001")
    #expect(Self.object([checksum, ("x-amz-checksum-type", "COMPOSITE")]).crc32c == nil)
  }
}

struct LocationTests {
  @Test(arguments: [
    "../x", "a/../../x", "..", ".", "a/./b", "a//b", "/etc/passwd", "/", "a/", "a/..", "",
    "a\u{0}b", "../\u{301}x", ".../../\u{301}x", "a/\u{301}/../b", "/\u{301}x", "a/.x.17.partial",
  ])
  func noKeyEscapesTheFolder(key: String) {
    #expect(throws: UsageError.self) { try Location(key, below: "file:///store/") }
  }

  @Test(arguments: [
    "a", "a/b", "..a", "a..", "sp ace", "%2e%2e/x", "...", "日本/ü", "\u{301}x", "a/\u{301}b",
    ".partial", ".x.partial",
  ])
  func oddKeysStayBelow(key: String) throws {
    #expect(try Location(key, below: "file:///store/") == .file(path: "/store/" + key))
    #expect(try Location(parsing: "s3://b/" + key).url.hasSameBytes(as: "s3://b/" + key))
  }

  @Test(arguments: [
    "s3://", "s3:///k", "s3://b", "s3://b/", "s3://b?/k", "s3://../k", "http://x/y",
    "file://host/x",
    "file:///", "file:///a/", "file:///a/../b", "",
  ])
  func whatNamesNoObjectIsRefused(text: String) {
    #expect(throws: UsageError.self) { try Location(parsing: text) }
  }

  @Test func aKeyOfS3IsTakenAsItIs() throws {
    let location = try Location("a//../b %+", below: "s3://bucket/p/")
    #expect(location == .s3(bucket: "bucket", key: "p/a//../b %+"))
    #expect(location.url == "s3://bucket/p/a//../b %+")
  }

  @Test func aKeyHasAtMost1024Bytes() throws {
    _ = try Location(parsing: "s3://b/" + String(repeating: "x", count: 1024))
    #expect(throws: UsageError.self) {
      try Location(parsing: "s3://b/" + String(repeating: "x", count: 1025))
    }
  }
}

struct XMLTests {
  private static let text =
    "<?xml version=\"1.0\"?>\n<!-- c --><a xmlns=\"u\" x='>'><b>1 &lt;&amp;&#x41;&#66;</b>"
    + "<c/><s:d><![CDATA[<x>]]></s:d></a>\n"

  @Test func elementsTextAndReferences() throws {
    let root = try XMLElement(parsing: Self.text.utf8.span)
    #expect(root.name == "a")
    #expect(root["b"] == "1 <&AB")
    #expect(root["c"] == "")
    #expect(root["d"] == "<x>")
    #expect(root["e"] == nil)
  }

  @Test(arguments: 0..<XMLTests.text.utf8.count - 1)
  func everyPrefixIsRefused(length: Int) {
    #expect(throws: XMLError.self) {
      try XMLElement(parsing: Self.text.utf8.span.extracting(first: length))
    }
  }

  @Test func damageIsNoTrap() {
    let bytes = Array(Self.text.utf8)
    for at in bytes.indices {
      for value: UInt8 in [0, 0x26, 0x3C, 0x3E, 0x2F, 0xFF] {
        var damaged = bytes
        damaged[at] = value
        _ = try? XMLElement(parsing: damaged.span)
      }
    }
  }

  @Test func deepNestingIsRefused() {
    let text = String(repeating: "<a>", count: 100_000)
    #expect(throws: XMLError.self) { try XMLElement(parsing: text.utf8.span) }
  }
}

struct ProfileTests {
  @Test func sectionsOfBothFiles() {
    let config = """
      # comment
      [default]
      region = eu-central-1
      s3 =
        max_concurrent_requests = 20
      [profile prod]
      role_arn=arn:aws:iam::1:role/x
      [other]
      region = ignored
      """
    let parsed = Profile.parse(config, isConfig: true)
    #expect(parsed["default"]?["region"] == "eu-central-1")
    #expect(parsed["prod"] == ["role_arn": "arn:aws:iam::1:role/x"])
    #expect(parsed["other"] == nil)
    #expect(parsed["default"]?["max_concurrent_requests"] == nil)
    let keys = "[default]\r\naws_access_key_id = A\r\naws_secret_access_key = b=/+c\r\n"
    #expect(Profile.parse(keys, isConfig: false)["default"]?["aws_secret_access_key"] == "b=/+c")
  }

  @Test func credentialsExpire() throws {
    let json =
      #"{"AccessKeyId":"A","SecretAccessKey":"s","Token":"t","Expiration":"1970-01-01T01:00:00Z"}"#
    let found = try Credentials(json: Array(json.utf8), names: .service, of: "x")
    #expect(found.key == SigningKey(accessKey: "A", secretKey: "s", sessionToken: "t"))
    #expect(found.expires == 3_600_000_000)
    #expect(!found.isExpiring(at: 0))
    #expect(found.isExpiring(at: 3_599_000_000))
  }

  @Test func theTokenServiceAnswersInXML() throws {
    let xml = """
      <AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId>
      <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
      <Expiration>2030-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>
      </AssumeRoleResponse>
      """
    #expect(try Credentials(xml: Array(xml.utf8)).key.sessionToken == "t")
  }
}

struct EndpointTests {
  @Test(arguments: [
    ("http://h:9000", "http", "h:9000", ""), ("https://H:443/", "https", "h", ""),
    ("http://h:80/p/q/", "http", "h", "/p/q"),
  ])
  func areTakenApart(text: String, scheme: String, host: String, path: String) {
    #expect(Endpoint(parsing: text) == Endpoint(scheme: scheme, host: host, path: path))
  }

  @Test(arguments: ["", "h:9000", "ftp://h", "http://", "http://u:p@h/", "http://h/?q"])
  func othersAreRefused(text: String) { #expect(Endpoint(parsing: text) == nil) }
}

struct ErrorTests {
  private func error(_ status: Int, _ code: String) -> S3Error {
    let body = "<Error><Code>\(code)</Code><Message>m</Message></Error>"
    return S3Error("do it", HTTPResponse(status: status, headers: [], body: Array(body.utf8)))
  }

  @Test(arguments: [
    (403, "SignatureDoesNotMatch", 77), (403, "AccessDenied", 77), (404, "NoSuchBucket", 78),
    (404, "NoSuchKey", 1), (503, "SlowDown", 75), (500, "InternalError", 75),
    (200, "InternalError", 75), (412, "PreconditionFailed", 1), (400, "InvalidStorageClass", 65),
    (501, "NotImplemented", 78), (400, "BadDigest", 74),
  ])
  func endAsTheConventionsSay(status: Int, code: String, exit: Int) {
    #expect(Int(error(status, code).exitCode.rawValue) == exit)
    #expect(error(status, code).message == "could not do it: \(status) \(code)")
  }

  @Test(arguments: [
    (503, "SlowDown", true), (500, "", true), (502, "", true), (504, "", true), (429, "", true),
    (400, "RequestTimeout", true), (200, "InternalError", true), (403, "AccessDenied", false),
    (404, "NoSuchKey", false), (400, "InvalidPart", false), (412, "", false),
  ])
  func onlySomeAreTriedAgain(status: Int, code: String, isTransient: Bool) {
    #expect(error(status, code).isTransient == isTransient)
  }
}

struct MultipartETagTests {
  @Test func isTheDigestOfTheDigests() {
    let parts = ["900150983cd24fb0d6963f7d28e17f72", "d41d8cd98f00b204e9800998ecf8427e"]
    let bytes = parts.flatMap { Hex.decode($0) ?? [] }
    #expect(S3Object.etag(ofParts: parts) == "\(Hex.encode(MD5.of(bytes.span)))-2")
    #expect(S3Object.etag(ofParts: ["opaque"]) == nil)
  }
}

struct DateTests {
  @Test func headersAndXML() {
    #expect(HTTPDate.microseconds(of: "Fri, 24 May 2013 00:00:00 GMT") == 1_369_353_600_000_000)
    #expect(HTTPDate.microseconds(of: "yesterday") == nil)
    #expect(HTTPDate.timestamp(ofXML: "2013-05-24T00:00:00.123Z") == "2013-05-24T00:00:00.123000Z")
    #expect(HTTPDate.timestamp(ofXML: "2013-05-24T00:00:00Z") == "2013-05-24T00:00:00.000000Z")
  }
}
