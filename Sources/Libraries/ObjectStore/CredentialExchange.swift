internal import Bytes
internal import Digests
internal import Filter
internal import Posix

/// Asks services for keys that last a while.
struct CredentialExchange: Sendable {
  private static var sessionName: String { "sluice" }
  private static var tries: Int { 3 }

  private let settings: HTTPSettings
  private let region: String

  init(_ settings: HTTPSettings, region: String) {
    (self.settings, self.region) = (settings, region)
  }

  // MARK: - AWS's token service

  /// Takes a role by the token that a file holds.
  func assume(
    _ role: String, session: String?, withTokenIn file: String
  ) throws -> Credentials {
    guard let token = try Profile.contents(of: file) else {
      throw Failure(.notPermitted, "there is no token in \"\(file)\"")
    }
    let form = [
      (name: "WebIdentityToken", value: String(token.filter { !$0.isNewline })),
      (name: "Action", value: "AssumeRoleWithWebIdentity"),
    ]
    return try assume(role, session, form, key: nil)
  }

  /// Takes a role by other keys.
  func assume(
    _ role: String, session: String?, externalID: String?, with key: SigningKey
  ) throws -> Credentials {
    var form = [(name: "Action", value: "AssumeRole")]
    if let externalID { form.append(("ExternalId", externalID)) }
    return try assume(role, session, form, key: key)
  }

  private func assume(
    _ role: String, _ session: String?, _ form: [(name: String, value: String)],
    key: SigningKey?
  ) throws -> Credentials {
    let address =
      Profile.variable("AWS_ENDPOINT_URL_STS") ?? "https://sts.\(region).amazonaws.com"
    guard let endpoint = Endpoint(parsing: address) else {
      throw Failure(.configuration, "\"\(address)\" is no address of a token service")
    }
    let body = URLText.query(
      form + [
        ("Version", "2011-06-15"), ("RoleArn", role),
        ("RoleSessionName", session ?? Self.sessionName),
      ])
    var request = HTTPRequest(
      method: "POST", url: "\(endpoint.origin())\(endpoint.path)/",
      headers: [("content-type", "application/x-www-form-urlencoded; charset=utf-8")])
    if let key { sign(&request, body, endpoint, key) }
    let answer = try ask(request, body, settings, "take the role \"\(role)\"")
    return try Credentials(xml: answer.body)
  }

  private func sign(
    _ request: inout HTTPRequest, _ body: String, _ endpoint: Endpoint, _ key: SigningKey
  ) {
    let time = SigV4.time(microseconds: Clock.now())
    request.headers.append(("x-amz-date", time))
    if let token = key.sessionToken { request.headers.append(("x-amz-security-token", token)) }
    let text = SigV4(key: key, region: region, service: "sts").authorization(
      method: "POST", path: "\(endpoint.path)/", query: "",
      headers: request.headers + [("host", endpoint.host)], payloadHash: SHA256.hex(body),
      time: time)
    request.headers.append(("authorization", text))
  }

  // MARK: - Services beside the process

  /// What the service of a container says; nil where there is none.
  func fromContainer() throws -> Credentials? {
    let relative = Profile.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    guard
      let url = relative.map({ "http://169.254.170.2\($0)" })
        ?? Profile.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    else { return nil }
    var request = HTTPRequest(method: "GET", url: url, headers: [])
    if let file = Profile.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
      let token = try Profile.contents(of: file)
    {
      request.headers.append(("authorization", String(token.filter { !$0.isNewline })))
    } else if let token = Profile.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN") {
      request.headers.append(("authorization", token))
    }
    let answer = try ask(request, "", local, "ask the container's service for credentials")
    return try Credentials(json: answer.body, names: .service, of: "the container's service")
  }

  /// What the machine's metadata says; nil where there is none.
  func fromMachine() throws -> Credentials? {
    guard Profile.variable("AWS_EC2_METADATA_DISABLED")?.lowercased() != "true" else { return nil }
    let origin =
      Profile.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT").flatMap(Endpoint.init(parsing:))?
      .origin() ?? "http://169.254.169.254"
    let start = HTTPRequest(
      method: "PUT", url: "\(origin)/latest/api/token",
      headers: [("x-aws-ec2-metadata-token-ttl-seconds", "21600")])
    // Most machines are not in that cloud: then nothing answers, or something else does.
    guard let token = try? once(start, "", local), token.isSuccess else { return nil }
    let headers = [
      (name: "x-aws-ec2-metadata-token", value: String(decoding: token.body, as: UTF8.self))
    ]
    let folder = "\(origin)/latest/meta-data/iam/security-credentials/"
    let action = "ask the machine's metadata for credentials"
    let roles = try ask(
      HTTPRequest(method: "GET", url: folder, headers: headers), "", local, action)
    guard
      let role = String(decoding: roles.body, as: UTF8.self).split(whereSeparator: \.isNewline)
        .first
    else { return nil }
    let answer = try ask(
      HTTPRequest(method: "GET", url: folder + role, headers: headers), "", local, action)
    return try Credentials(json: answer.body, names: .service, of: "the machine's metadata")
  }

  /// Such a service answers at once, or is not there; no proxy leads to it.
  private var local: HTTPSettings {
    var local = settings
    (local.connectSeconds, local.stallSeconds, local.usesProxy) = (1, 5, false)
    return local
  }

  private func once(
    _ request: HTTPRequest, _ body: String, _ settings: HTTPSettings
  ) throws(TransportError) -> HTTPResponse {
    try HTTPConnection(settings).perform(request, body: body.utf8.span, limit: 1 << 20)
  }

  private func ask(
    _ request: HTTPRequest, _ body: String, _ settings: HTTPSettings, _ action: String
  ) throws -> HTTPResponse {
    var backoff = Backoff(attempts: Self.tries)
    while true {
      let failure: S3Error
      do throws(TransportError) {
        let response = try once(request, body, settings)
        if response.isSuccess { return response }
        failure = S3Error(action, response)
      } catch {
        failure = S3Error(action, error)
      }
      guard failure.isTransient, try backoff.wait() else { throw failure }
    }
  }
}
