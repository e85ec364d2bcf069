internal import Bytes
internal import ObjectStore
internal import Posix
internal import Zstd

/// Reads timeline histories from an archive.
struct HistoryObject {
  /// No history is longer.
  static var maxBytes: Int { 1 << 20 }

  private let root: String
  private let layout: ArchiveLayout
  private let store: S3Options

  init(_ root: String, _ system: String, _ store: S3Options, _ decrypt: String?) {
    self.root = PruneSource.folder(root)
    self.store = store
    layout = ArchiveLayout(systemIdentifier: system)
  }

  func read(_ name: WALFileName) throws -> [UInt8] {
    let location = try Location(layout.key(of: name), below: root)
    let text = Text()
    var decoder = try Decompressor()
    _ = try ObjectGet(location, store: store).run { try text.take($0) }
    var bytes: [UInt8] = []
    try decoder.decompress(text.bytes.span) { piece in bytes += [UInt8](copying: piece) }
    try decoder.finish()
    return bytes
  }

  /// A class, because closures share it.
  private final class Text {
    var bytes: [UInt8] = []

    func take(_ input: Span<UInt8>) throws(Failure) {
      guard bytes.count + input.count <= HistoryObject.maxBytes else {
        throw Failure(
          .badInput, "a timeline's history is longer than \(HistoryObject.maxBytes) bytes")
      }
      bytes += [UInt8](copying: input)
    }
  }
}
