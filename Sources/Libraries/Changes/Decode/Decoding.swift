internal import Bytes
public import Filter
public import Posix

/// What the command line says of decoding.
public struct DecodeOptions: Sendable {
  public var format = EventFormat.events
  /// What Debezium's events say of the source.
  public var source = SourceNames()
  /// Every number becomes a string, for readers that would round it.
  public var quoteNumbers = false
  /// What transactions whose end has not come may take of memory, all together.
  public var memoryBytes = 64 << 20
  /// Where the rest of them lies, in files without a name.
  public var folder = temporaryFolder ?? "/var/tmp"

  public init() {}

  /// Nil where the events are written as they are.
  var converter: EventConverter? {
    switch format {
    case .events: nil
    case .wal2json:
      EventConverter(Wal2JSONWriter(quoteNumbers: quoteNumbers), values: .text)
    case .debezium:
      EventConverter(DebeziumWriter(source, quoteNumbers: quoteNumbers), values: .text)
    }
  }

  var values: RelationFormat.Values {
    format == .events ? quoteNumbers ? .quotedNumbers : .json : .text
  }
}

/// Turns the messages of a replication stream into change events.
public enum Decoding {
  /// Reads `input` to its end.
  ///
  /// Throws a `Failure` (65) that names the byte where the input makes no sense; the events before it are written.
  public static func run(
    _ options: DecodeOptions, from input: Descriptor, to output: Descriptor, log: JobLog?
  ) throws {
    var frames = FrameReader(from: input)
    var decoder = ChangeDecoder(options, to: output)
    do {
      while try frames.next(whenIdle: { try decoder.events.rest() }) {
        do { try decoder.take(frames.payload) } catch let error as DecodeError {
          throw FrameError(
            offset: frames.payloadOffset + error.offset, problem: "expected \(error.expected)")
        }
      }
    } catch let error as FrameError {
      try decoder.events.flush()
      throw Failure(
        .badInput, "malformed replication stream on standard input",
        detail: "byte \(error.offset): \(error.problem)")
    }
    try decoder.events.flush()
    log?.done(inBytes: frames.byteCount, outBytes: decoder.events.byteCount)
  }
}
