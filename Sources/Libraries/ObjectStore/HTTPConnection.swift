internal import Bytes
internal import CCurl
internal import Posix

/// What holds for all requests of a connection.
struct HTTPSettings: Sendable {
  var stallSeconds = 30
  var connectSeconds = 10
  /// A file of certificates to trust instead of the system's.
  var certificates: String?
  /// False for the metadata services of a machine, which no proxy can reach.
  var usesProxy = true
}

/// One request after another over a connection that is kept open.
///
/// It belongs to one thread.
@safe
struct HTTPConnection: ~Copyable {
  private let handle: UnsafeMutableRawPointer
  private let settings: HTTPSettings

  init(_ settings: HTTPSettings) throws(TransportError) {
    guard let handle = unsafe ccurl_easy_init() else {
      throw TransportError(kind: .setup, text: "no memory")
    }
    unsafe self.handle = handle
    self.settings = settings
  }

  deinit { unsafe ccurl_easy_cleanup(handle) }

  /// Loads libcurl; once, before the first connection and before other threads are started.
  static func loadLibrary() throws(TransportError) {
    if let problem = unsafe ccurl_load() {
      throw TransportError(kind: .setup, text: unsafe String(cString: problem))
    }
  }

  /// Sends `request` with `body`, or with what is in `source`, and waits for the whole answer.
  ///
  /// The body of a success goes to `target`, if given, behind what is there. `isCancelled` is asked
  /// now and then; true ends the request.
  /// The corresponding C function is `curl_easy_perform`.
  func perform(
    _ request: HTTPRequest, body: Span<UInt8>, source: PartBuffer? = nil,
    target: PartBuffer? = nil, limit: Int = 4 << 20,
    isCancelled: @escaping () -> Bool = { StopSignal.received != nil }
  ) throws(TransportError) -> HTTPResponse {
    let exchange = Exchange(
      source: source, target: target, limit: limit, isCancelled: isCancelled)
    unsafe ccurl_easy_reset(handle)
    let list = unsafe headerList(request)
    defer { unsafe ccurl_slist_free_all(list) }
    let code = unsafe body.withUnsafeBufferPointer { bytes in
      configure(request, exchange)
      unsafe ccurl_set_pointer(handle, CURLOPT_HTTPHEADER, list)
      unsafe configureBody(request.method, bytes, source)
      return unsafe ccurl_easy_perform(handle)
    }
    guard code == CURLE_OK else { throw exchange.error(code) }
    guard exchange.isHeadWhole else {
      throw TransportError(kind: .broken, text: "the answer's head breaks off")
    }
    return exchange.response
  }

  private func headerList(_ request: HTTPRequest) -> UnsafeMutablePointer<curl_slist>? {
    // Names without a value are those that libcurl would add by itself.
    var list: UnsafeMutablePointer<curl_slist>? = nil
    for name in ["Expect:", "Accept:", "Transfer-Encoding:"] {
      unsafe list = ccurl_slist_append(list, name)
    }
    if !request.headers.contains(where: { $0.name == "content-type" }) {
      unsafe list = ccurl_slist_append(list, "Content-Type:")
    }
    for header in request.headers {
      // A header with an empty value is spelled with a semicolon.
      let line = header.value.isEmpty ? "\(header.name);" : "\(header.name): \(header.value)"
      unsafe list = ccurl_slist_append(list, line)
    }
    return unsafe list
  }

  private func configure(_ request: HTTPRequest, _ exchange: Exchange) {
    let context = unsafe Unmanaged.passUnretained(exchange).toOpaque()
    let stall = request.stallSeconds ?? settings.stallSeconds
    set(CURLOPT_URL, request.url)
    set(CURLOPT_PROTOCOLS_STR, "http,https")
    set(CURLOPT_USERAGENT, "sluice")
    set(CURLOPT_PATH_AS_IS, 1)
    set(CURLOPT_NOSIGNAL, 1)
    set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
    set(CURLOPT_CONNECTTIMEOUT, settings.connectSeconds)
    set(CURLOPT_LOW_SPEED_LIMIT, 1)
    set(CURLOPT_LOW_SPEED_TIME, stall)
    set(CURLOPT_UPLOAD_BUFFERSIZE, 128 << 10)
    // Only for what is large.
    if exchange.hasTarget { set(CURLOPT_BUFFERSIZE, 256 << 10) }
    if let file = settings.certificates { set(CURLOPT_CAINFO, file) }
    if !settings.usesProxy { set(CURLOPT_NOPROXY, "*") }
    unsafe ccurl_set_sink(handle, CURLOPT_WRITEFUNCTION, takeBody)
    unsafe ccurl_set_pointer(handle, CURLOPT_WRITEDATA, context)
    unsafe ccurl_set_sink(handle, CURLOPT_HEADERFUNCTION, takeHeader)
    unsafe ccurl_set_pointer(handle, CURLOPT_HEADERDATA, context)
    unsafe ccurl_set_sink(handle, CURLOPT_READFUNCTION, giveBody)
    unsafe ccurl_set_pointer(handle, CURLOPT_READDATA, context)
    unsafe ccurl_set_seek(handle, startBodyAt)
    unsafe ccurl_set_pointer(handle, CURLOPT_SEEKDATA, context)
    unsafe ccurl_set_progress(handle, askWhetherToGoOn)
    unsafe ccurl_set_pointer(handle, CURLOPT_XFERINFODATA, context)
    set(CURLOPT_NOPROGRESS, 0)
  }

  private func configureBody(
    _ method: String, _ body: UnsafeBufferPointer<UInt8>, _ source: PartBuffer?
  ) {
    switch method {
    case "HEAD": set(CURLOPT_NOBODY, 1)
    case "GET": set(CURLOPT_HTTPGET, 1)
    case "DELETE": set(CURLOPT_CUSTOMREQUEST, method)
    default:
      // Sent from where it lies; libcurl copies nothing but what it hands to the kernel next.
      set(CURLOPT_POST, 1)
      set(CURLOPT_CUSTOMREQUEST, method)
      let count = source?.count ?? body.count
      unsafe ccurl_set_offset(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(count))
      if source != nil, count > 0 { return }
      guard let start = body.baseAddress, body.count > 0 else {
        return set(CURLOPT_COPYPOSTFIELDS, "")
      }
      unsafe ccurl_set_pointer(handle, CURLOPT_POSTFIELDS, start)
    }
  }

  private func set(_ option: CURLoption, _ value: Int) {
    unsafe ccurl_set_long(handle, option, value)
  }

  private func set(_ option: CURLoption, _ value: String) {
    unsafe ccurl_set_string(handle, option, value)
  }
}

private func exchange(_ context: UnsafeMutableRawPointer?) -> Exchange? {
  guard let context = unsafe context else { return nil }
  return unsafe Unmanaged<Exchange>.fromOpaque(context).takeUnretainedValue()
}

private func giveBody(
  _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int,
  _ context: UnsafeMutableRawPointer?
) -> Int {
  guard let bytes = unsafe bytes, let exchange = unsafe exchange(context) else { return 0 }
  let target = unsafe UnsafeMutableRawPointer(bytes).assumingMemoryBound(to: UInt8.self)
  return unsafe exchange.give(into: target, capacity: size * count) ?? CCURL_READ_ABORT
}

private func startBodyAt(
  _ context: UnsafeMutableRawPointer?, _ offset: curl_off_t, _ origin: Int32
) -> Int32 {
  unsafe exchange(context)?.start(at: Int(offset))
  return 0
}

private func takeBody(
  _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int,
  _ context: UnsafeMutableRawPointer?
) -> Int {
  guard let bytes = unsafe bytes else { return 0 }
  let raw = unsafe UnsafeRawBufferPointer(start: bytes, count: size * count)
  let span = unsafe Span<UInt8>(_unsafeBytes: raw)
  return unsafe exchange(context)?.take(body: span) == true ? raw.count : 0
}

private func takeHeader(
  _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int,
  _ context: UnsafeMutableRawPointer?
) -> Int {
  guard let bytes = unsafe bytes else { return 0 }
  let raw = unsafe UnsafeRawBufferPointer(start: bytes, count: size * count)
  let span = unsafe Span<UInt8>(_unsafeBytes: raw)
  unsafe exchange(context)?.take(header: String(utf8: span))
  return raw.count
}

private func askWhetherToGoOn(
  _ context: UnsafeMutableRawPointer?, _: curl_off_t, _: curl_off_t, _: curl_off_t, _: curl_off_t
) -> Int32 {
  unsafe exchange(context)?.isOver() == true ? 1 : 0
}
