internal import Bytes
internal import Digests
internal import Filter
internal import Posix

/// A request to a bucket or an object, before it is signed.
struct S3Request {
  var method: String
  /// Empty for a request to the store itself.
  var bucket: String
  /// Empty for a request to the bucket.
  var key = ""
  var query: [(name: String, value: String)] = []
  /// Names in lower case.
  var headers: [(name: String, value: String)] = []
  /// What messages say could not be done.
  var action: String
  /// The digest of the body in hexadecimal digits, where the caller has it already.
  var payloadHash: String? = nil
  var stallSeconds: Int? = nil
}

/// One connection to a store: signs, sends, and tries again what may be tried again.
///
/// It belongs to one thread.
struct S3Connection: ~Copyable {
  let store: S3Store
  private let http: HTTPConnection
  private let isCancelled: () -> Bool

  /// `isCancelled` is asked now and then; by default a stop signal cancels.
  init(
    _ store: S3Store, isCancelled: @escaping () -> Bool = { StopSignal.received != nil }
  ) throws {
    self.store = store
    self.isCancelled = isCancelled
    do throws(TransportError) { http = try HTTPConnection(store.settings) } catch {
      throw Failure(.bug, "could not set up libcurl", detail: error.text)
    }
  }

  /// Sends `request` until it succeeds or cannot; throws an `S3Error` or a `SystemError`.
  ///
  /// What is in `source`, if given, is its body; its digest must be in the request. The body of a success goes to
  /// `target`, if given. With `retrying` false it is tried once.
  func send(
    _ request: S3Request, body: Span<UInt8> = Span(), source: PartBuffer? = nil,
    target: PartBuffer? = nil, retrying: Bool = true
  ) throws -> HTTPResponse {
    var backoff = Backoff(attempts: retrying ? store.options.retries : 0)
    var attempts = 0
    var corrections = 0
    while true {
      attempts += 1
      var (response, failure) = try attempt(request, body, source, target)
      response?.attempts = attempts
      failure?.attempts = attempts
      switch (response, failure) {
      case (let response?, nil): return response
      case (let response?, let failure?) where corrections < 2 && correct(after: failure, response):
        corrections += 1
      case (_, let failure?):
        guard failure.isTransient, try backoff.wait() else { throw failure }
      case (nil, nil): preconditionFailure("neither an answer nor a failure")
      }
    }
  }

  private func attempt(
    _ request: S3Request, _ body: Span<UInt8>, _ source: PartBuffer?, _ target: PartBuffer?
  ) throws -> (HTTPResponse?, S3Error?) {
    let signed = try sign(request, body)
    do throws(TransportError) {
      let response = try http.perform(
        signed, body: body, source: source, target: target, isCancelled: isCancelled)
      if !response.isSuccess || Self.hidesError(response) {
        return (response, S3Error(request.action, response))
      }
      return (response, nil)
    } catch {
      if error.kind == .interrupted { throw SystemError.interrupted }
      return (nil, S3Error(request.action, error))
    }
  }

  /// A store that has begun to answer 200 can tell of a failure only in the body.
  private static func hidesError(_ response: HTTPResponse) -> Bool {
    guard !response.body.isEmpty, let root = try? XMLElement(parsing: response.body.span) else {
      return false
    }
    return root.name == "Error"
  }

  /// Sets right what the store's answer says is wrong with us; false when that is nothing.
  private func correct(after failure: S3Error, _ response: HTTPResponse) -> Bool {
    if failure.isClockSkew { return store.adopt(date: response["date"] ?? "") }
    if failure.isExpiredToken {
      store.credentials.forget()
      return true
    }
    guard let region = failure.region, region != store.region,
      [301, 400].contains(failure.status)
    else { return false }
    store.adopt(region: region)
    return true
  }

  private func sign(_ request: S3Request, _ body: Span<UInt8>) throws -> HTTPRequest {
    let key = try store.credentials.current()
    let address = store.address(bucket: request.bucket)
    let path = address.path + "/" + URLText.encode(request.key, keepingSlashes: true)
    let query = URLText.query(request.query)
    let time = SigV4.time(microseconds: store.now)
    let hash = request.payloadHash ?? Hex.encode(SHA256.of(body))
    var headers = request.headers
    headers.append(("x-amz-content-sha256", hash))
    headers.append(("x-amz-date", time))
    if let token = key.sessionToken { headers.append(("x-amz-security-token", token)) }
    let signer = SigV4(key: key, region: store.region, service: "s3")
    let authorization = signer.authorization(
      method: request.method, path: path, query: query,
      headers: headers.filter { Self.isSigned($0.name) } + [("host", address.host)],
      payloadHash: hash, time: time)
    headers.append(("authorization", authorization))
    return HTTPRequest(
      method: request.method,
      url: address.origin + path + (query.isEmpty ? "" : "?" + query), headers: headers,
      stallSeconds: request.stallSeconds)
  }

  private static func isSigned(_ name: String) -> Bool {
    name.hasPrefix("x-amz-") || name == "content-type" || name == "content-md5"
  }
}
