public import Filter
public import Posix

/// Publishes one stream: whole under its name, or not at all.
public struct ObjectPut {
  private let location: Location
  private let options: PutOptions
  private let store: S3Options
  private let upstream: Upstream?
  private let log: JobLog?

  /// With `upstream`, nothing is published unless those stages finished.
  public init(
    _ location: Location, _ options: PutOptions, store: S3Options = S3Options(),
    upstream: Upstream? = nil, log: JobLog? = nil
  ) {
    self.location = location
    self.options = options
    self.store = store
    self.upstream = upstream
    self.log = log
  }

  /// Reads `input` to its end and publishes it.
  public func run(from input: Descriptor) throws -> Receipt {
    switch location {
    case .file(let path):
      return try FilePut(path: path, options: options, upstream: upstream, log: log)
        .run(from: input)
    case .s3(let bucket, let key):
      return try S3Put(
        bucket: bucket, key: key, options: options, staging: PartStaging(options),
        upstream: upstream, log: log,
        connection: try S3Connection(try S3Store(store))
      ).run(from: input)
    }
  }
}
