extension String {
  /// True if both are the same byte for byte.
  ///
  /// `==` takes two ways to compose a character for the same; servers and stores do not.
  public func hasSameBytes(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }

  /// What lies between its slashes, empty parts too.
  ///
  /// `split` and `hasPrefix` take a slash with a combining mark behind it for another character.
  public var pathSegments: [String] {
    utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
      .map { String(Substring($0)) }
  }

  /// True if its last byte is a slash.
  public var endsWithSlash: Bool { utf8.last == UInt8(ascii: "/") }
}
