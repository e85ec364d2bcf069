public import Filter

extension S3Options {
  /// The options that every tool has that speaks to a store.
  public static func flags<Options>(
    _ path: WritableKeyPath<Options, S3Options>
  ) -> [Flag<Options>] {
    [
      .option("retries", "N", "how often a request is tried again (8)") {
        (options, text) throws(UsageError) in
        options[keyPath: path].retries = try OptionValue.count(text, in: 0...100)
      },
      .option("timeout", "DURATION", "how long a request may stand still (30s)") {
        (options, text) throws(UsageError) in
        let milliseconds = try OptionValue.duration(text)
        guard milliseconds >= 1000 else { throw UsageError("\"\(text)\" is less than 1s") }
        options[keyPath: path].stallSeconds = min(86_400, milliseconds / 1000)
      },
      .option("addressing", "STYLE", "where the bucket stands: auto, path, virtual") {
        (options, text) throws(UsageError) in
        options[keyPath: path].addressing = try OptionValue.word(text, Addressing.self)
      },
    ]
  }

  /// The option of the tools that write.
  public static func checksumFlag<Options>(
    _ path: WritableKeyPath<Options, S3Options>
  ) -> Flag<Options> {
    .option("checksum", "KIND", "what the store checks: auto, sha256, crc32c, md5") {
      (options, text) throws(UsageError) in
      options[keyPath: path].checksum = try OptionValue.word(text, Checksum.self)
    }
  }
}
