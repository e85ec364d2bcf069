internal import Bytes

/// Percent-encoding as S3 signs it, which is stricter than what browsers do.
enum URLText {
  /// Everything but letters, digits and `-._~` as upper-case `%XX`; slashes stay in a path.
  static func encode(_ text: String, keepingSlashes: Bool = false) -> String {
    var encoded: [UInt8] = []
    encoded.reserveCapacity(text.utf8.count + 16)
    for byte in text.utf8 {
      if isUnreserved(byte) || (keepingSlashes && byte == UInt8(ascii: "/")) {
        encoded.append(byte)
      } else {
        encoded.append(UInt8(ascii: "%"))
        encoded.append(upperDigit(byte >> 4))
        encoded.append(upperDigit(byte & 15))
      }
    }
    return String(utf8: encoded.span)
  }

  /// Without what stands before an `@`, which may be a secret.
  static func withoutUser(_ url: String) -> String {
    let scheme = url.hasPrefix("http") || url.hasPrefix("s3") ? url.prefix { $0 != "/" } + "//" : ""
    guard url.hasPrefix(scheme) else { return url }
    let rest = url.dropFirst(scheme.count)
    let host = rest.prefix { $0 != "/" }
    guard let at = host.lastIndex(of: "@") else { return url }
    return "\(scheme)…\(rest[at...])"
  }

  /// Undoes `encode`, and `+` for a blank; what is not an encoding stays as it is.
  static func decode(_ text: String) -> String {
    let bytes = Array(text.utf8)
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var at = 0
    while at < bytes.count {
      if bytes[at] == UInt8(ascii: "%"), at + 2 < bytes.count,
        let byte = Hex.byte(bytes[at + 1], bytes[at + 2])
      {
        decoded.append(byte)
        at += 3
      } else {
        decoded.append(bytes[at] == UInt8(ascii: "+") ? UInt8(ascii: " ") : bytes[at])
        at += 1
      }
    }
    return String(utf8: decoded.span)
  }

  /// `name=value` pairs, encoded and sorted by name, then value.
  static func query(_ items: [(name: String, value: String)]) -> String {
    items.map { (encode($0.name), encode($0.value)) }
      .sorted { precedes($0.0, $1.0) || ($0.0 == $1.0 && precedes($0.1, $1.1)) }
      .map { "\($0.0)=\($0.1)" }
      .joined(separator: "&")
  }

  /// The order of bytes, which is not the order of `String`.
  static func precedes(_ a: String, _ b: String) -> Bool {
    a.utf8.lexicographicallyPrecedes(b.utf8)
  }

  private static func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
      UInt8(ascii: "_"), UInt8(ascii: "~"):
      true
    default: false
    }
  }

  private static func upperDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + (value - 10)
  }
}
