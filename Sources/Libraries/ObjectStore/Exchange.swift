internal import Bytes
internal import CCurl
internal import Posix

/// One request and its answer as it comes in; a class, because C's callbacks point to it.
final class Exchange {
  private let source: PartBuffer?
  /// How much of the source has gone.
  private var given = 0
  private let target: PartBuffer?

  /// True where the body goes to the caller's buffer.
  var hasTarget: Bool { target != nil }

  private let limit: Int
  private let isCancelled: () -> Bool
  /// When `isCancelled` was asked last, on the clock that never jumps.
  private var asked: Int64 = 0
  private var status = 0
  /// True behind the empty line that ends a head; libcurl takes a head that breaks off for a whole.
  private(set) var isHeadWhole = false
  private var headers: [(name: String, value: String)] = []
  private var body = ByteBuffer()
  /// What happened on our side, where the library can only say that we ended the request.
  private var trouble: String?

  init(
    source: PartBuffer?, target: PartBuffer?, limit: Int, isCancelled: @escaping () -> Bool
  ) {
    self.source = source
    self.target = target
    self.limit = limit
    self.isCancelled = isCancelled
  }

  var response: HTTPResponse {
    let bytes = [UInt8](copying: body.span)
    return HTTPResponse(status: status, headers: headers, body: bytes)
  }

  /// Hands out the next bytes of the source: 0 at its end, nil where it cannot be read.
  func give(into bytes: UnsafeMutablePointer<UInt8>, capacity: Int) -> Int? {
    do throws(SystemError) {
      let count = unsafe try source?.copy(from: given, into: bytes, capacity: capacity) ?? 0
      given += count
      return count
    } catch {
      trouble = error.message
      return nil
    }
  }

  /// The request is sent once more, over another connection.
  func start(at offset: Int) { given = offset }

  /// Takes a line of the head: a status line starts it anew, as after `100 Continue`.
  func take(header line: String) {
    let line = line.utf8.prefix { $0 != 0x0D && $0 != 0x0A }
    let text = String(Substring(line))
    if text.hasPrefix("HTTP/") {
      let words = text.split(separator: " ")
      status = words.count > 1 ? Int(words[1]) ?? 0 : 0
      headers = []
      isHeadWhole = false
    } else if text.isEmpty {
      isHeadWhole = true
    } else if let colon = text.firstIndex(of: ":") {
      let value = text[text.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
      headers.append((text[..<colon].lowercased(), String(value)))
    }
  }

  /// Takes a piece of the body; false when that is more than there may be.
  func take(body piece: Span<UInt8>) -> Bool {
    if let target, isWanted(from: target.wantedOffset) {
      return take(piece, into: target)
    }
    guard body.count + piece.count <= limit else {
      trouble = Self.tooLong
      return false
    }
    body.append(piece)
    return true
  }

  private func take(_ piece: Span<UInt8>, into target: PartBuffer) -> Bool {
    guard target.count + piece.count <= target.capacity else {
      trouble = Self.tooLong
      return false
    }
    do throws(SystemError) {
      try target.append(piece)
      return true
    } catch {
      trouble = error.message
      return false
    }
  }

  private static var tooLong: String { "more came than was asked for" }

  /// True if the body begins with the byte that was asked for.
  ///
  /// A store that has no ranges answers with the whole object; some answer 200 to a range.
  private func isWanted(from offset: Int) -> Bool {
    guard status == 200 || status == 206 else { return false }
    guard let range = headers.last(where: { $0.name == "content-range" }) else {
      return status == 200 && offset == 0
    }
    return range.value.hasPrefix("bytes \(offset)-")
  }

  /// True if the request should end; libcurl asks at every turn, which is too often to look.
  func isOver() -> Bool {
    let now = Clock.monotonic()
    guard now - asked > 100_000_000 else { return false }
    asked = now
    return isCancelled()
  }

  /// What libcurl's code means to us.
  func error(_ code: CURLcode) -> TransportError {
    let text = unsafe String(cString: ccurl_easy_strerror(code))
    let kind: TransportError.Kind =
      switch code {
      case CURLE_ABORTED_BY_CALLBACK where trouble != nil: .setup
      case CURLE_ABORTED_BY_CALLBACK: StopSignal.received != nil ? .interrupted : .cancelled
      case CURLE_OPERATION_TIMEDOUT: .timeout
      case CURLE_COULDNT_CONNECT, CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY:
        .unreachable
      case CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE,
        CURLE_SSL_CONNECT_ERROR, CURLE_WEIRD_SERVER_REPLY, CURLE_HTTP2, CURLE_SEND_FAIL_REWIND:
        .broken
      default: .setup
      }
    return TransportError(kind: kind, text: trouble ?? text)
  }
}
