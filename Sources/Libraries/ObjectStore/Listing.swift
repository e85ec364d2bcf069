internal import Bytes
internal import Filter
internal import Posix

/// The objects below a root, in the order of their keys' bytes.
///
/// Memory holds a page of a bucket at a time, or the names of one folder and of those above it.
public struct Listing {
  private let root: Root
  private let options: S3Options
  private let shared: S3Store?

  public init(_ root: Root, store: S3Options = S3Options(), shared: S3Store? = nil) {
    self.root = root
    options = store
    self.shared = shared
  }

  /// True if there is nothing below the root; found out with one request.
  public func isEmpty() throws -> Bool {
    switch root {
    case .s3(let bucket, let prefix):
      let connection = try S3Connection(try shared ?? S3Store(options))
      let request = Self.request(bucket, prefix, limit: 1)
      let page = try Self.parse(try connection.send(request).body, request.action)
      return page.all("Contents").isEmpty
    case .file:
      // Ends the visit; nobody else sees it.
      struct Found: Error {}
      do { try visit { _ in throw Found() } } catch is Found { return false }
      return true
    }
  }

  /// Calls `body` with each object.
  public func visit(_ body: (ListedObject) throws -> Void) throws {
    switch root {
    case .s3(let bucket, let prefix):
      let connection = try S3Connection(try shared ?? S3Store(options))
      try Self.list(bucket, prefix, on: connection, body)
    case .file(let folder, let prefix):
      guard try FileFacts.of(folder)?.isDirectory == true else {
        throw Failure(
          .configuration, "could not list \"\(root.url)\": there is no such folder")
      }
      try Self.list(folder: folder, below: "", prefix: prefix, body)
    }
  }

  private static func list(
    _ bucket: String, _ prefix: String, on connection: borrowing S3Connection,
    _ body: (ListedObject) throws -> Void
  ) throws {
    var token: String? = nil
    repeat {
      var request = request(bucket, prefix)
      if let token { request.query.append(("continuation-token", token)) }
      let response = try connection.send(request)
      let page = try parse(response.body, request.action)
      let isEncoded = page["EncodingType"] == "url"
      for element in page.all("Contents") {
        try StopSignal.check()
        try body(try object(element, bucket, isEncoded, request.action))
      }
      token = page["IsTruncated"] == "true" ? page["NextContinuationToken"] : nil
    } while token?.isEmpty == false
  }

  private static func request(_ bucket: String, _ prefix: String, limit: Int? = nil) -> S3Request {
    var query = [("list-type", "2"), ("prefix", prefix), ("encoding-type", "url")]
    if let limit { query.append(("max-keys", "\(limit)")) }
    return S3Request(
      method: "GET", bucket: bucket, query: query, action: "list \"s3://\(bucket)/\(prefix)\"")
  }

  private static func parse(_ body: [UInt8], _ action: String) throws(Failure) -> XMLElement {
    func malformed(_ detail: String) -> Failure {
      Failure(
        .unavailable, "could not \(action): the store's answer is malformed", detail: detail)
    }
    let page: XMLElement
    do throws(XMLError) { page = try XMLElement(parsing: body.span) } catch {
      throw malformed(error.description)
    }
    guard page.name == "ListBucketResult" else { throw malformed("it is a \(page.name)") }
    return page
  }

  private static func object(
    _ element: XMLElement, _ bucket: String, _ isEncoded: Bool, _ action: String
  ) throws(Failure) -> ListedObject {
    guard let name = element["Key"], let size = element["Size"].flatMap({ Int($0) }) else {
      throw Failure(
        .unavailable, "could not \(action): the store's answer is malformed",
        detail: "an object without key or size")
    }
    let key = isEncoded ? URLText.decode(name) : name
    return ListedObject(
      url: "s3://\(bucket)/\(key)", key: key, bytes: size,
      etag: element["ETag"].map(S3Object.unquoted),
      modifiedAt: element["LastModified"].flatMap(HTTPDate.timestamp(ofXML:)))
  }

  private static func list(
    folder: String, below: String, prefix: String, _ body: (ListedObject) throws -> Void
  ) throws {
    var entries: [(name: String, facts: FileFacts)] = []
    for name in try Directory.names(in: folder + below) {
      guard !DurableFile.isPartial(name), mayMatch(below + name, prefix),
        let facts = try FileFacts.of(folder + below + name)
      else { continue }
      // With its slash a folder stands where its files' keys stand.
      if facts.isDirectory { entries.append((name + "/", facts)) }
      if facts.isRegular { entries.append((name, facts)) }
    }
    for (name, facts) in entries.sorted(by: { URLText.precedes($0.name, $1.name) }) {
      try StopSignal.check()
      let key = below + name
      if facts.isDirectory {
        try list(folder: folder, below: key, prefix: prefix, body)
      } else if key.utf8.starts(with: prefix.utf8) {
        try body(
          ListedObject(
            url: "file://\(folder)\(key)", key: key, bytes: Int(facts.size), etag: nil,
            modifiedAt: Timestamp.text(microseconds: facts.modified / 1000)))
      }
    }
  }

  /// True if `path`, or something below it, can begin with `prefix`.
  private static func mayMatch(_ path: String, _ prefix: String) -> Bool {
    path.utf8.starts(with: prefix.utf8) || prefix.utf8.starts(with: path.utf8)
  }
}
