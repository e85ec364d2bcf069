internal import Bytes
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
    let (bytes, slash) = (text.utf8, UInt8(ascii: "/"))
    if bytes.starts(with: "s3://".utf8) {
      let rest = bytes.dropFirst(5)
      let bucket = rest.prefix { $0 != slash }
      guard Self.isBucketName(bucket) else {
        throw UsageError("\"\(URLText.withoutUser(text))\" does not name a bucket")
      }
      self = .s3(
        bucket: String(Substring(bucket)),
        prefix: String(Substring(rest.dropFirst(bucket.count + 1))))
    } else if bytes.starts(with: "file:///".utf8) {
      let path = String(Substring(bytes.dropFirst(7)))
      let segments = path.pathSegments
      try Self.check(path: segments.dropFirst())
      self = .file(
        folder: segments.dropLast().joined(separator: "/") + "/", prefix: segments.last ?? "")
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
        try Self.check(path: key.pathSegments[...])
      }
      let whole = prefix + key
      guard !whole.isEmpty, !whole.endsWithSlash else {
        throw UsageError("\"file://\(folder)\(whole)\" names no file")
      }
      // s3ls would not list it, and the next writer of that file might remove it.
      guard !DurableFile.isPartial(whole.pathSegments.last ?? "") else {
        throw UsageError("\"\(whole)\" is named as files are that are not whole yet")
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
  private static func check(path segments: ArraySlice<String>) throws(UsageError) {
    for (index, segment) in zip(segments.indices, segments) {
      let isLast = index == segments.endIndex - 1
      guard segment != "..", segment != ".", isLast || !segment.isEmpty,
        !segment.utf8.contains(0)
      else {
        throw UsageError(
          "\"\(segments.joined(separator: "/"))\" has a segment \"\(segment)\", "
            + "which could lead out of its folder")
      }
    }
  }

  private static func isBucketName(_ name: Substring.UTF8View) -> Bool {
    let allowed = name.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
        UInt8(ascii: "_"):
        true
      default: false
      }
    }
    return allowed && !name.isEmpty && ![".", ".."].contains(Substring(name))
  }
}
