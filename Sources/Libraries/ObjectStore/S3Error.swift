internal import Bytes
internal import Digests
public import Posix

/// What a store answered when it did not do what it was asked for, or that it did not answer.
public struct S3Error: Diagnosable {
  /// What could not be done, for example `upload "s3://b/k"`.
  public let action: String
  /// 0 when no whole answer came.
  public let status: Int
  /// S3's own word, for example `SlowDown`; made from the status where a body is missing.
  public let code: String
  let text: String?
  let transport: TransportError.Kind?
  /// How often it was tried.
  var attempts = 1
  /// The region the store would rather be asked in.
  var region: String? = nil

  init(_ action: String, _ response: HTTPResponse) {
    self.action = action
    status = response.status
    let body = try? XMLElement(parsing: response.body.span)
    code = body?["Code"] ?? Self.code(ofStatus: response.status)
    text = body?["Message"]
    transport = nil
    region = response["x-amz-bucket-region"] ?? body?["Region"]
  }

  init(_ action: String, _ error: TransportError) {
    (self.action, status, code) = (action, 0, "")
    text = error.text
    transport = error.kind
  }

  /// One of several things that a single answer of success says did not succeed.
  init(_ action: String, code: String, text: String?) {
    (self.action, self.code, self.text) = (action, code, text)
    status = code == "AccessDenied" ? 403 : 500
    transport = nil
  }

  private static func code(ofStatus status: Int) -> String {
    switch status {
    case 403: "AccessDenied"
    case 404: "NoSuchKey"
    case 412: "PreconditionFailed"
    case 503: "SlowDown"
    default: ""
    }
  }

  public var isMissing: Bool { status == 404 && code != "NoSuchBucket" }
  public var isPreconditionFailed: Bool { status == 412 || code == "ConditionalRequestConflict" }
  var isRefused: Bool { exitCode == .notPermitted }
  var isClockSkew: Bool { code == "RequestTimeTooSkewed" }
  var isExpiredToken: Bool { code == "ExpiredToken" || code == "TokenRefreshRequired" }
  /// True if the store may have done what it was asked for, although no answer says so.
  var isAmbiguous: Bool { status == 0 || status >= 500 || status == 200 }

  /// True if the same request may succeed when it is tried again.
  var isTransient: Bool {
    if let transport { return [.unreachable, .timeout, .broken].contains(transport) }
    switch status {
    case 429, 500, 502, 503, 504, 408: return true
    case 200: return !["AccessDenied", "InvalidPart", "NoSuchUpload"].contains(code)
    default:
      return [
        "RequestTimeout", "RequestTimeTooSkewed", "SlowDown", "InternalError", "BadDigest",
        "XAmzContentSHA256Mismatch",
        "OperationAborted", "IncompleteBody",
      ].contains(code)
    }
  }

  public var exitCode: ExitCode {
    switch transport {
    case .setup?: return .configuration
    case .some: return .unavailable
    case nil: break
    }
    switch code {
    case "NoSuchBucket", "NotImplemented", "AuthorizationHeaderMalformed", "PermanentRedirect",
      "InvalidBucketName":
      return .configuration
    case "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody": return .io
    // Somebody else publishes under the same key and took ours for what a killed process left.
    case "NoSuchUpload": return .temporary
    case "ExpiredToken", "RequestTimeTooSkewed": return .notPermitted
    default: break
    }
    switch status {
    case 401, 403: return .notPermitted
    case 404, 412: return .negative
    case 200, 408, 409, 429, 500...: return .temporary
    case 301, 307, 501: return .configuration
    default: return .badInput
    }
  }

  public var message: String {
    let answer = status == 0 ? text ?? "no answer" : "\(status) \(code)"
    return "could not \(action): \(answer)"
  }

  public var detail: String? { status == 0 ? nil : text }

  static var hintOfMissingBucket: String {
    "Make the bucket first, or check AWS_ENDPOINT_URL and AWS_REGION."
  }

  public var hint: String? {
    switch code {
    case "NoSuchBucket": Self.hintOfMissingBucket
    case "SignatureDoesNotMatch": "Check AWS_SECRET_ACCESS_KEY or the profile's secret."
    case "InvalidAccessKeyId": "Check AWS_ACCESS_KEY_ID or AWS_PROFILE."
    case "AuthorizationHeaderMalformed", "PermanentRedirect":
      region.map { "Set AWS_REGION to \"\($0)\"." }
    default: nil
    }
  }
}
