internal import Bytes
internal import Filter
internal import JSON
internal import Posix

/// Keys, and until when they are good.
struct Credentials: Equatable, Sendable {
  /// How the members of a JSON answer are called.
  struct Names {
    let token: String
    let expiration: String

    static var process: Names { Names(token: "SessionToken", expiration: "Expiration") }
    static var service: Names { Names(token: "Token", expiration: "Expiration") }
  }

  let key: SigningKey
  /// Microseconds since 1970; nil for ever.
  let expires: Int64?

  /// True in the last minutes of their life.
  func isExpiring(at now: Int64) -> Bool { expires.map { $0 - 120_000_000 < now } ?? false }

  static func fromEnvironment() -> Credentials? {
    guard let id = Profile.variable("AWS_ACCESS_KEY_ID"),
      let secret = Profile.variable("AWS_SECRET_ACCESS_KEY")
    else { return nil }
    let token = Profile.variable("AWS_SESSION_TOKEN")
    return Credentials(
      key: SigningKey(accessKey: id, secretKey: secret, sessionToken: token), expires: nil)
  }

  init(key: SigningKey, expires: Int64?) { (self.key, self.expires) = (key, expires) }

  /// Reads what `source` printed or answered; nothing of it is repeated in a message.
  init(json: [UInt8], names: Names, of source: String) throws(Failure) {
    guard let value = try? JSONValue(parsing: json.span), let id = value["AccessKeyId"]?.string,
      let secret = value["SecretAccessKey"]?.string
    else { throw Failure(.notPermitted, "\(source) gave no credentials") }
    key = SigningKey(
      accessKey: id, secretKey: secret, sessionToken: value[names.token]?.string)
    expires = value[names.expiration]?.string.flatMap(Self.moment)
  }

  /// Reads the answer of AWS's token service.
  init(xml: [UInt8]) throws(Failure) {
    guard let root = try? XMLElement(parsing: xml.span),
      let found = root.children.lazy.compactMap({ $0.all("Credentials").first }).first,
      let id = found["AccessKeyId"], let secret = found["SecretAccessKey"]
    else { throw Failure(.notPermitted, "the token service gave no credentials") }
    key = SigningKey(accessKey: id, secretKey: secret, sessionToken: found["SessionToken"])
    expires = found["Expiration"].flatMap(Self.moment)
  }

  /// Microseconds since 1970 of `2026-11-20T13:00:00Z`, or with `+00:00` at its end.
  private static func moment(_ text: String) -> Int64? {
    let utc = text.hasSuffix("+00:00") ? text.dropLast(6) + "Z" : Substring(text)
    return HTTPDate.timestamp(ofXML: String(utc)).flatMap(Timestamp.microseconds(of:))
  }
}
