public import Filter
internal import Posix

/// Where an object is: `s3://bucket/key` or `file:///path`.
///
/// What stands behind the scheme is taken as it is: `%` and `+` mean themselves.
public enum Location: Equatable, Sendable {
  case s3(bucket: String, key: String)
  case file(path: String)

  /// Parses the name of one object.
  public init(parsing text: String) throws(UsageError) {
    self = try Root(parsing: text).object("")
  }

  /// Parses the root of several objects and puts `key` below it.
  public init(_ key: String, below root: String) throws(UsageError) {
    self = try Root(parsing: root).object(key)
  }

  public var url: String {
    switch self {
    case .s3(let bucket, let key): "s3://\(bucket)/\(key)"
    case .file(let path): "file://\(path)"
    }
  }
}

/// Where objects lie: a bucket and what their keys begin with, or a folder.
public enum Root: Equatable, Sendable {
  case s3(bucket: String, prefix: String)
  /// `folder` ends with a slash; the names of the objects below it begin with `prefix`.
  case file(folder: String, prefix: String)

  public init(parsing text: String) throws(UsageError) {
    if text.hasPrefix("s3://") {
      let rest = text.dropFirst(5)
      let bucket = rest.prefix { $0 != "/" }
      guard Self.isBucketName(bucket) else {
        throw UsageError("\"\(URLText.withoutUser(text))\" does not name a bucket")
      }
      self = .s3(bucket: String(bucket), prefix: String(rest.dropFirst(bucket.count + 1)))
    } else if text.hasPrefix("file:///") {
      let path = String(text.dropFirst(7))
      try Self.check(path: path.split(separator: "/", omittingEmptySubsequences: false).dropFirst())
      let slash = path.lastIndex(of: "/") ?? path.startIndex
      self = .file(
        folder: String(path[...slash]), prefix: String(path[path.index(after: slash)...]))
    } else {
      throw UsageError("\"\(text)\" is neither s3://BUCKET/KEY nor file:///PATH")
    }
  }

  /// The object whose key is `key` below this root; an empty key names the root itself.
  public func object(_ key: String) throws(UsageError) -> Location {
    switch self {
    case .s3(let bucket, let prefix):
      let whole = prefix + key
      guard !whole.isEmpty else { throw UsageError("\"s3://\(bucket)/\" names no object") }
      guard whole.utf8.count <= 1024, !whole.utf8.contains(0) else {
        throw UsageError("the key \"\(whole)\" is longer than 1024 bytes")
      }
      return .s3(bucket: bucket, key: whole)
    case .file(let folder, let prefix):
      if !key.isEmpty {
        try Self.check(path: key.split(separator: "/", omittingEmptySubsequences: false)[...])
      }
      let whole = prefix + key
      guard !whole.isEmpty, !whole.hasSuffix("/") else {
        throw UsageError("\"file://\(folder)\(whole)\" names no file")
      }
      return .file(path: folder + whole)
    }
  }

  /// The root as text, as it was parsed.
  public var url: String {
    switch self {
    case .s3(let bucket, let prefix): "s3://\(bucket)/\(prefix)"
    case .file(let folder, let prefix): "file://\(folder)\(prefix)"
    }
  }

  /// Refuses what could lead out of a folder, or name one file in two ways.
  private static func check(path segments: ArraySlice<Substring>) throws(UsageError) {
    for (index, segment) in segments.enumerated() {
      let isLast = index == segments.count - 1
      guard segment != "..", segment != ".", isLast || !segment.isEmpty,
        !segment.utf8.contains(0)
      else {
        throw UsageError(
          "\"\(segments.joined(separator: "/"))\" has a segment \"\(segment)\", "
            + "which could lead out of its folder")
      }
    }
  }

  private static func isBucketName(_ name: Substring) -> Bool {
    let allowed = name.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
        UInt8(ascii: "_"):
        true
      default: false
      }
    }
    return allowed && !name.isEmpty && name != "." && name != ".."
  }
}
