internal import Bytes
internal import Digests
internal import Filter

/// What a request is signed with.
struct SigningKey: Equatable, Sendable {
  let accessKey: String
  let secretKey: String
  /// Nil for keys that do not expire.
  let sessionToken: String?
}

/// Signs requests as AWS's Signature Version 4 has it; pure, without clock or network.
struct SigV4 {
  let key: SigningKey
  let region: String
  let service: String

  typealias Header = (name: String, value: String)

  /// The value of the `authorization` header.
  ///
  /// `path` is already encoded, `query` is the canonical one, `headers` are those to sign, with
  /// names in lower case; `time` is `20130524T000000Z`.
  func authorization(
    method: String, path: String, query: String, headers: [Header], payloadHash: String,
    time: String
  ) -> String {
    let sorted = headers.sorted { URLText.precedes($0.name, $1.name) }
    let names = sorted.map(\.name).joined(separator: ";")
    let canonical =
      "\(method)\n\(path)\n\(query)\n"
      + sorted.map { "\($0.name):\(Self.trimmed($0.value))\n" }.joined()
      + "\n\(names)\n\(payloadHash)"
    let scope = "\(time.prefix(8))/\(region)/\(service)/aws4_request"
    let toSign = "AWS4-HMAC-SHA256\n\(time)\n\(scope)\n\(SHA256.hex(canonical))"
    let signature = Hex.encode(
      SHA256.authenticate(toSign, key: derivedKey(date: String(time.prefix(8)))))
    return "AWS4-HMAC-SHA256 Credential=\(key.accessKey)/\(scope), "
      + "SignedHeaders=\(names), Signature=\(signature)"
  }

  private func derivedKey(date: String) -> [UInt8] {
    var derived = Array("AWS4\(key.secretKey)".utf8)
    for part in [date, region, service, "aws4_request"] {
      derived = SHA256.authenticate(part, key: derived)
    }
    return derived
  }

  /// Blanks around a value go, runs of them inside become one.
  private static func trimmed(_ value: String) -> String {
    value.utf8.split(whereSeparator: { $0 == 0x20 || $0 == 0x09 })
      .map { String(Substring($0)) }.joined(separator: " ")
  }

  /// `20130524T000000Z` for a moment in microseconds since 1970.
  static func time(microseconds: Int64) -> String {
    let text = Timestamp.text(microseconds: microseconds)
    return String(text.prefix(19).filter { $0 != "-" && $0 != ":" }) + "Z"
  }
}
