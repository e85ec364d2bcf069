internal import Bytes
internal import CCrypto

/// A digest in the making.
@safe
struct RunningDigest: ~Copyable {
  private let context: UnsafeMutableRawPointer
  private let length: Int

  /// Takes over `context`, which nobody else may use any more.
  init(_ context: UnsafeMutableRawPointer?, length: Int) {
    guard let context = unsafe context else { preconditionFailure("no memory for a digest") }
    unsafe self.context = context
    self.length = length
  }

  mutating func update(_ bytes: Span<UInt8>) {
    let result = unsafe bytes.withUnsafeBufferPointer {
      unsafe ccrypto_update(context, $0.baseAddress, $0.count)
    }
    precondition(result == 1, "a digest of libcrypto failed")
  }

  mutating func finish() -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: length)
    let result = unsafe ccrypto_finish(context, &bytes)
    precondition(result == 1, "a digest of libcrypto failed")
    return bytes
  }

  deinit { unsafe ccrypto_free(context) }
}

/// SHA-256 over bytes that come piece by piece.
public struct SHA256: ~Copyable {
  private var digest: RunningDigest

  public init() {
    digest = unsafe RunningDigest(ccrypto_sha256_new(), length: Int(CCRYPTO_SHA256_BYTES))
  }

  public mutating func update(_ bytes: Span<UInt8>) { digest.update(bytes) }

  /// The 32 bytes; nothing can be added after that.
  public mutating func finish() -> [UInt8] { digest.finish() }

  /// The digest of `bytes`.
  public static func of(_ bytes: Span<UInt8>) -> [UInt8] {
    var digest = SHA256()
    digest.update(bytes)
    return digest.finish()
  }

  /// The digest of `text` in hexadecimal digits.
  public static func hex(_ text: String) -> String { Hex.encode(of(text.utf8.span)) }

  /// The keyed digest (RFC 2104) of `text`.
  public static func authenticate(_ text: String, key: [UInt8]) -> [UInt8] {
    var out = [UInt8](repeating: 0, count: Int(CCRYPTO_SHA256_BYTES))
    let bytes = Array(text.utf8)
    let result = unsafe ccrypto_hmac_sha256(key, key.count, bytes, bytes.count, &out)
    precondition(result == 1, "a digest of libcrypto failed")
    return out
  }
}

/// MD5, which is what S3's ETags are made of.
public struct MD5: ~Copyable {
  private var digest: RunningDigest

  public init() {
    digest = unsafe RunningDigest(ccrypto_md5_new(), length: Int(CCRYPTO_MD5_BYTES))
  }

  public mutating func update(_ bytes: Span<UInt8>) { digest.update(bytes) }

  /// The 16 bytes; nothing can be added after that.
  public mutating func finish() -> [UInt8] { digest.finish() }

  /// The digest of `bytes`.
  public static func of(_ bytes: Span<UInt8>) -> [UInt8] {
    var digest = MD5()
    digest.update(bytes)
    return digest.finish()
  }
}
