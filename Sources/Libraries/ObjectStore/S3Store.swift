internal import Filter
internal import Posix

/// How a store is spoken to; what the command line may choose.
public struct S3Options: Sendable {
  /// How often a request is tried again.
  public var retries = 8
  /// How long a request may go without a byte moving.
  public var stallSeconds = 30
  public var addressing = Addressing.auto
  public var checksum = Checksum.auto

  public init() {}

  /// Where the bucket's name stands: in the path, or in the host's name.
  public enum Addressing: String, CaseIterable, Sendable { case auto, path, virtual }

  /// What the store checks the bytes by.
  public enum Checksum: String, CaseIterable, Sendable {
    /// `sha256` over http, `crc32c` over https.
    case auto
    /// The SHA-256 that is part of the signature.
    case sha256
    case crc32c
    /// The header of old, for stores that know no other.
    case md5
  }
}

/// The store that the environment names; shared by all connections to it.
public final class S3Store: Sendable {
  private struct State {
    var region: String
    /// Microseconds that the store's clock is ahead of ours.
    var clockOffset: Int64 = 0
  }

  let options: S3Options
  let settings: HTTPSettings
  let credentials: CredentialSource
  private let endpoint: Endpoint?
  private let state: Monitor<State>

  /// Loads libcurl and reads the environment; nothing is asked of the network yet.
  public init(_ options: S3Options) throws {
    do throws(TransportError) { try HTTPConnection.loadLibrary() } catch {
      throw Failure(.configuration, "could not load libcurl", detail: error.text)
    }
    let profile = try Profile.current()
    self.options = options
    settings = HTTPSettings(
      stallSeconds: options.stallSeconds,
      certificates: environment("AWS_CA_BUNDLE").flatMap { $0.isEmpty ? nil : $0 })
    endpoint = try Endpoint.fromEnvironment(profile)
    let region =
      ["AWS_REGION", "AWS_DEFAULT_REGION"].lazy.compactMap(Profile.variable).first
      ?? profile["region"] ?? "us-east-1"
    credentials = CredentialSource(settings, profile: profile, region: region)
    state = Monitor(State(region: region))
  }

  var region: String { state.read { $0.region } }
  func adopt(region: String) { state.update { $0.region = region } }

  /// The moment that the store would call now.
  var now: Int64 { Clock.now() + state.read { $0.clockOffset } }

  /// Takes the store's time, the `date` of an answer, for the right one.
  func adopt(date: String) -> Bool {
    guard let theirs = HTTPDate.microseconds(of: date) else { return false }
    state.update { $0.clockOffset = theirs - Clock.now() }
    return true
  }

  /// True if requests of this store travel encrypted.
  var isEncrypted: Bool { endpoint?.scheme != "http" }

  /// The checksum to send, with `auto` resolved.
  var checksum: S3Options.Checksum {
    if options.checksum != .auto { return options.checksum }
    return isEncrypted ? .crc32c : .sha256
  }

  /// Where a bucket is spoken to: scheme and host, and what its paths begin with.
  func address(bucket: String) -> (origin: String, host: String, path: String) {
    let endpoint =
      endpoint ?? Endpoint(scheme: "https", host: "s3.\(region).amazonaws.com", path: "")
    let isVirtual: Bool =
      switch options.addressing {
      case .path: false
      case .virtual: true
      // A certificate's wildcard stands for one label.
      case .auto: self.endpoint == nil && !bucket.utf8.contains(UInt8(ascii: "."))
      }
    if bucket.isEmpty { return (endpoint.origin(), endpoint.host, endpoint.path) }
    if isVirtual {
      let host = "\(bucket).\(endpoint.host)"
      return ("\(endpoint.scheme)://\(host)", host, endpoint.path)
    }
    return (endpoint.origin(), endpoint.host, "\(endpoint.path)/\(URLText.encode(bucket))")
  }

  /// The host that messages name.
  public var name: String { endpoint?.origin() ?? "https://s3.\(region).amazonaws.com" }
}

/// Another server than AWS's own.
struct Endpoint: Equatable, Sendable {
  let scheme: String
  /// With the port, unless it is the scheme's own.
  let host: String
  /// Without a slash at its end.
  let path: String

  func origin() -> String { "\(scheme)://\(host)" }

  static func fromEnvironment(_ profile: Profile) throws(Failure) -> Endpoint? {
    let variables = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]
    guard
      let text = variables.lazy.compactMap(Profile.variable).first ?? profile["endpoint_url"]
    else { return nil }
    guard let endpoint = Endpoint(parsing: text) else {
      throw Failure(
        .configuration,
        "the endpoint \"\(URLText.withoutUser(text))\" is not http://HOST[:PORT] or https://…")
    }
    return endpoint
  }

  init(scheme: String, host: String, path: String) {
    (self.scheme, self.host, self.path) = (scheme, host, path)
  }

  init?(parsing text: String) {
    for (scheme, port) in [("http", ":80"), ("https", ":443")]
    where text.hasPrefix("\(scheme)://") {
      let rest = text.dropFirst(scheme.count + 3)
      var host = rest.prefix { $0 != "/" }
      var path = rest.dropFirst(host.count)
      while path.hasSuffix("/") { path = path.dropLast() }
      if host.hasSuffix(port) { host = host.dropLast(port.count) }
      guard !host.isEmpty, !host.contains("@"), !text.contains(where: { "?# ".contains($0) })
      else { return nil }
      self.init(scheme: scheme, host: host.lowercased(), path: String(path))
      return
    }
    return nil
  }
}
