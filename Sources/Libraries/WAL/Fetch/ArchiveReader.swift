internal import Filter
internal import ObjectStore
internal import Posix
internal import Zstd

/// Reads the files of one cluster's archive: from the store, through the user's filter, decompressed.
struct ArchiveReader: Sendable {
  let layout: ArchiveLayout
  private let root: String
  private let options: FetchOptions
  private let store: S3Store?

  /// Looks at the options and the environment; nothing is asked of the network yet.
  init(_ options: FetchOptions, systemIdentifier: String) throws {
    layout = ArchiveLayout(systemIdentifier: systemIdentifier)
    root = Self.folder(options.archive)
    self.options = options
    if case .s3 = try Root(parsing: root) {
      store = try S3Store(options.store)
    } else {
      store = nil
    }
  }

  /// A root with its slash, so that what stands behind it is below it.
  static func folder(_ root: String) -> String { root.hasSuffix("/") ? root : root + "/" }

  /// Where a file is, for messages.
  func url(of name: WALFileName) -> String { root + layout.key(of: name) }

  /// Hands the content of a file to `take`, piece by piece.
  ///
  /// Returns false when the store answered that it is not there, and throws when what is there
  /// is damaged or nobody answers.
  func read(_ name: WALFileName, _ take: @escaping (Span<UInt8>) throws -> Void) throws -> Bool {
    let get = ObjectGet(
      try Location(layout.key(of: name), below: root), concurrency: options.concurrency,
      rangeBytes: options.rangeBytes, store: options.store, shared: store)
    do {
      return try ArchivedObject(get: get, decrypt: options.decrypt.map { ShellFilter($0) }).read(
        take)
    } catch let error as ZstdError {
      throw Failure(
        error.exitCode, "\"\(url(of: name))\" is damaged", detail: error.message)
    }
  }

  /// Throws unless something of this cluster is there.
  ///
  /// Where nothing at all is found, a name may be mistyped, and that a file is not there says
  /// nothing. The answer is of the bucket, too, of which a HEAD cannot tell.
  func proveItIsTheArchive() throws {
    let folder = "\(root)\(layout.systemIdentifier)/"
    let isEmpty = try Listing(
      try Root(parsing: folder), store: options.store, shared: store
    ).isEmpty()
    if isEmpty, !options.allowsEmptyArchive {
      throw Failure(
        .configuration, "there is nothing of this cluster in the archive \"\(folder)\"",
        hint: "Check --from; --allow-empty-archive takes this for an archive that is still empty.")
    }
  }
}
