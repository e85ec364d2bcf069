internal import ObjectStore
internal import Posix

/// Where segments of one cluster are kept.
enum WALPlace: Hashable, Sendable {
  /// Plain files in a folder, as a receiver leaves them.
  case folder(String)
  /// Compressed objects, laid out as `ArchiveLayout` says behind a URL's beginning.
  case archive(root: String, systemIdentifier: String)

  /// The place of the object at a URL, and what it is; nil where it is nothing of an archive's.
  static func of(url: String) -> (place: WALPlace, system: String, name: WALFileName)? {
    guard let (layout, name) = ArchiveLayout.parse(url) else { return nil }
    let system = layout.systemIdentifier
    let root = String(url.dropLast(layout.key(of: name).count))
    return (.archive(root: root, systemIdentifier: system), system, name)
  }

  /// How messages name a file that is kept there.
  func description(of name: WALFileName) -> String {
    switch self {
    case .folder(let path): "\(path)/\(name.text)"
    case .archive(let root, let system):
      root + ArchiveLayout(systemIdentifier: system).key(of: name)
    }
  }
}
