internal import Bytes
internal import Posix

/// A request that is ready to go: nothing is added to it but what HTTP itself needs.
struct HTTPRequest {
  var method: String
  /// The path in it is sent as it is.
  var url: String
  var headers: [(name: String, value: String)]
  /// How long it may go without a byte moving; nil for the connection's own limit.
  var stallSeconds: Int?
}

/// What came back.
struct HTTPResponse {
  let status: Int
  /// Names in lower case.
  let headers: [(name: String, value: String)]
  /// Empty where the body went to a buffer of the caller's.
  let body: [UInt8]
  /// How often the request was sent until this came.
  var attempts = 1

  subscript(name: String) -> String? { headers.last { $0.name == name }?.value }

  var isSuccess: Bool { (200..<300).contains(status) }
}

/// No whole answer came.
struct TransportError: Error, Equatable {
  enum Kind: Equatable { case unreachable, timeout, broken, interrupted, cancelled, setup }
  let kind: Kind
  let text: String
}

/// The bytes of one range or part: a buffer with an identity, because threads hand it on.
///
/// Only one thread has it at a time; the queue that hands it on is the fence between them.
final class PartBuffer: @unchecked Sendable {
  var bytes: ByteBuffer
  let capacity: Int
  /// Which byte of an object an answer must begin with to be taken in here.
  var wantedOffset = 0

  init(capacity: Int) {
    self.capacity = capacity
    bytes = ByteBuffer(capacity: capacity)
  }

  /// Lends what it holds.
  func withSpan<T>(_ body: (Span<UInt8>) throws -> T) rethrows -> T { try lend(bytes, body) }

  private func lend<T>(
    _ bytes: borrowing ByteBuffer, _ body: (Span<UInt8>) throws -> T
  ) rethrows -> T { try body(bytes.span) }
}
