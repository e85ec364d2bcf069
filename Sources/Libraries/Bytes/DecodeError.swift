/// Where and why a byte string stopped making sense.
public struct DecodeError: Error, Equatable, CustomStringConvertible {
  /// What was expected, for example `the end of column 3`.
  public let expected: String
  /// The offset of the first byte that did not fit.
  public let offset: Int

  public init(expected: String, offset: Int) {
    self.expected = expected
    self.offset = offset
  }

  public var description: String { "expected \(expected) at byte \(offset)" }
}
