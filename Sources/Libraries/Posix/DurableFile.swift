internal import CPosix
internal import Glibc

/// A file that appears under its name whole and durable, or not at all.
///
/// It is written as `.NAME.PID.partial` beside its place, a long name cut off; `publish` makes it durable, renames it,
/// and makes the rename durable. Dropped without that, it is removed.
public struct DurableFile: ~Copyable {
  private let raw: Int32
  private let partial: String
  public let path: String

  public init(_ path: String) throws(SystemError) {
    let folder = Directory.parent(of: path)
    try Directory.make(folder)
    let partial = "\(folder)/\(Self.stem(of: path))\(ProcessIdentity.own).partial"
    raw = try checked(
      unsafe cposix_open(partial, O_WRONLY | O_CREAT | O_TRUNC, 0o666),
      "could not create \"\(partial)\"")
    self.partial = partial
    self.path = path
  }

  /// Removes what killed processes left behind when they were writing `path`.
  public static func removeAbandoned(of path: String) throws(SystemError) {
    let folder = Directory.parent(of: path)
    let prefix = stem(of: path)
    // Bytes are compared: to Swift, letters that are written in two ways are the same.
    for name in try Directory.names(in: folder) where name.utf8.starts(with: prefix.utf8) {
      let rest = Substring(name.utf8.dropFirst(prefix.utf8.count))
      guard rest.hasSuffix(".partial"), let pid = Int32(rest.dropLast(8)), pid > 0,
        !ProcessIdentity.isAlive(pid)
      else { continue }
      try Directory.remove(file: "\(folder)/\(name)")
    }
  }

  /// What its temporary names begin with; no name may have more than 255 bytes.
  private static func stem(of path: String) -> String {
    var name = Directory.name(of: path)
    while name.utf8.count > 230 { name.unicodeScalars.removeLast() }
    return ".\(name)."
  }

  /// True for names such as files have that are not whole yet.
  public static func isPartial(_ name: String) -> Bool {
    let parts = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count >= 4, parts[0].isEmpty, let pid = parts.dropLast().last else { return false }
    return parts[parts.count - 1].elementsEqual("partial".utf8) && !pid.isEmpty
      && pid.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
  }

  public var descriptor: Descriptor { Descriptor(rawValue: raw) }

  /// Cuts it, or fills it up with zeros.
  ///
  /// The corresponding C function is `ftruncate`.
  public func resize(to bytes: Int) throws(SystemError) {
    _ = try checked(cposix_ftruncate(raw, bytes), "could not resize \"\(partial)\"")
  }

  /// Makes it durable and gives it its name.
  ///
  /// With `replacing` false an existing file stays as it is, and the error `isExisting`.
  public consuming func publish(replacing: Bool = true) throws(SystemError) {
    _ = try checked(cposix_fsync(raw), "could not fsync \"\(partial)\"")
    let result =
      replacing
      ? unsafe cposix_rename(partial, path) : unsafe cposix_rename_new(partial, path)
    _ = try checked(result, "could not rename to \"\(path)\"")
    try Directory.sync(Directory.parent(of: path))
  }

  deinit {
    _ = cposix_close(raw)
    _ = unsafe cposix_unlink(partial)  // nothing is there any more once it was renamed
  }
}
