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
