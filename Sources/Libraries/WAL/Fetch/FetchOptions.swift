public import ObjectStore

/// How a WAL file is fetched; what the command line may choose.
public struct FetchOptions: Sendable {
  /// The archive: `s3://BUCKET/PREFIX` or `file:///DIR`.
  public var archive = ""
  /// Where plain files may lie, as a receiver leaves them; asked first, in this order.
  public var directories: [String] = []
  /// In decimal; nil to look into the control file of the data directory.
  public var systemIdentifier: String?
  /// A filter that each object goes through before it is decompressed.
  public var decrypt: String?
  /// How long it is tried again what may succeed later.
  public var retryMilliseconds = 60_000
  /// Whether the tail of a segment that was never completed is delivered.
  public var usesPartial = false
  /// Whether a file may be called absent where nothing else is there either.
  public var allowsEmptyArchive = false
  /// How many segments are fetched ahead; 0 for none.
  public var prefetch = 0
  /// Where segments fetched ahead wait; nil for a place below the temporary directory.
  public var spool: String?
  /// True in the process that fetches ahead.
  public var isPrefetcher = false
  public var concurrency = 4
  public var rangeBytes = 4 << 20
  public var store = S3Options()
  /// Called with what happened, for people.
  public var isVerbose = false

  public init() {
    // A failure here is a failure of one attempt of ours.
    store.retries = 1
  }
}
