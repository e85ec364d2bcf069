/// Where an archive keeps what: `SYSTEM/TIMELINE/NAME.zst`, below the archive's root.
public struct ArchiveLayout: Sendable {
  /// The system identifier, in decimal, as `pg_controldata` prints it.
  public let systemIdentifier: String

  public init(systemIdentifier: String) { self.systemIdentifier = systemIdentifier }

  /// The key of a file, without the archive's root.
  public func key(of name: WALFileName) -> String {
    "\(systemIdentifier)/\(WALFileName.hex(name.timeline))/\(name.text).zst"
  }

  /// What a key below the archive's root, or any path that ends like one, stands for.
  ///
  /// Nil for whatever else lies there.
  public static func parse(_ key: String) -> (layout: ArchiveLayout, name: WALFileName)? {
    let parts = key.split(separator: "/")
    guard parts.count >= 3, let file = parts.last, file.hasSuffix(".zst"),
      let name = WALFileName(file.dropLast(4)),
      parts[parts.count - 2] == WALFileName.hex(name.timeline)
    else { return nil }
    let system = parts[parts.count - 3]
    guard !system.isEmpty, system.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
      return nil
    }
    return (ArchiveLayout(systemIdentifier: String(system)), name)
  }
}
