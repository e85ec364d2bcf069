internal import Bytes
internal import Digests
internal import Filter
public import Posix

/// Deletes objects, as many as can be by one request.
public struct ObjectRemoval {
  /// What one request of S3 may name.
  public static var batchSize: Int { 1000 }

  public enum Outcome: Sendable {
    case deleted
    /// Nothing was there; S3 itself does not tell that from `deleted`.
    case missing
    case failed(S3Error)
    case refused(SystemError)

    public var word: String {
      switch self {
      case .deleted: "deleted"
      case .missing: "missing"
      case .failed, .refused: "failed"
      }
    }

    /// What to say of a failure.
    public var error: (any Diagnosable)? {
      switch self {
      case .deleted, .missing: nil
      case .failed(let error): error
      case .refused(let error): error
      }
    }
  }

  private let options: S3Options
  /// Made when the first object of S3 is to go.
  private var store: S3Store?

  public init(_ options: S3Options = S3Options()) { self.options = options }

  /// Deletes at most `batchSize` objects; the outcomes are in the same order.
  public mutating func remove(_ locations: [Location]) throws -> [Outcome] {
    var outcomes = [Outcome](repeating: .missing, count: locations.count)
    var buckets: [(name: String, keys: [(index: Int, key: String)])] = []
    for (index, location) in locations.enumerated() {
      switch location {
      case .file(let path): outcomes[index] = Self.remove(file: path)
      case .s3(let bucket, let key):
        if let at = buckets.firstIndex(where: { $0.name == bucket }) {
          buckets[at].keys.append((index, key))
        } else {
          buckets.append((bucket, [(index, key)]))
        }
      }
    }
    for bucket in buckets { try remove(bucket.keys, bucket.name, &outcomes) }
    return outcomes
  }

  private static func remove(file path: String) -> Outcome {
    do throws(SystemError) {
      guard try FileFacts.of(path) != nil else { return .missing }
      try Directory.remove(file: path)
      try Directory.sync(Directory.parent(of: path))
      return .deleted
    } catch {
      return .refused(error)
    }
  }

  private mutating func remove(
    _ keys: [(index: Int, key: String)], _ bucket: String, _ outcomes: inout [Outcome]
  ) throws {
    let store = try store ?? S3Store(options)
    self.store = store
    let connection = try S3Connection(store)
    // XML has no way to write most control characters.
    let plain = keys.filter { $0.key.utf8.allSatisfy { $0 >= 0x20 } }
    let odd = keys.filter { !$0.key.utf8.allSatisfy { $0 >= 0x20 } }
    do {
      if !plain.isEmpty {
        let failures = try Self.removeTogether(plain.map(\.key), bucket, on: connection)
        for (index, key) in plain {
          outcomes[index] = failures[Array(key.utf8)].map { .failed($0) } ?? .deleted
        }
      }
    } catch let error as S3Error {
      for (index, _) in plain { outcomes[index] = .failed(error) }
    }
    for (index, key) in odd { outcomes[index] = try Self.removeAlone(key, bucket, on: connection) }
  }

  /// Returns what went wrong, by the bytes of the key.
  private static func removeTogether(
    _ keys: [String], _ bucket: String, on connection: borrowing S3Connection
  ) throws -> [[UInt8]: S3Error] {
    let objects = keys.map { "<Object><Key>\(escaped($0))</Key></Object>" }
    let body = "<Delete>\(objects.joined())</Delete>"
    let request = S3Request(
      method: "POST", bucket: bucket, query: [("delete", "")],
      headers: [
        ("content-type", "application/xml"),
        ("content-md5", Base64.encode(MD5.of(body.utf8.span))),
      ], action: "delete from \"s3://\(bucket)/\"")
    let response = try connection.send(request, body: body.utf8.span)
    var failures: [[UInt8]: S3Error] = [:]
    for error in try XMLElement(parsing: response.body.span).all("Error") {
      let key = error["Key"] ?? ""
      failures[Array(key.utf8)] = S3Error(
        "delete \"s3://\(bucket)/\(key)\"", code: error["Code"] ?? "", text: error["Message"])
    }
    return failures
  }

  private static func removeAlone(
    _ key: String, _ bucket: String, on connection: borrowing S3Connection
  ) throws -> Outcome {
    do {
      _ = try connection.send(
        S3Request(
          method: "DELETE", bucket: bucket, key: key,
          action: "delete \"s3://\(bucket)/\(key)\""))
      return .deleted
    } catch let error as S3Error {
      return error.isMissing ? .missing : .failed(error)
    }
  }

  private static func escaped(_ text: String) -> String {
    var escaped = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": escaped += "&amp;"
      case "<": escaped += "&lt;"
      case ">": escaped += "&gt;"
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }
}
