internal import Bytes
public import JSON
public import Posix

/// Reads NDJSON, one record a call.
public struct RecordReader: ~Copyable {
  /// A longer line is refused, so that memory stays bounded.
  public static var maxLineBytes: Int { 16 << 20 }

  private var lines: LineReader
  private let name: String

  /// `name` is what messages call the input.
  public init(from input: Descriptor, name: String = "standard input") {
    lines = LineReader(from: input, maxLineBytes: Self.maxLineBytes)
    self.name = name
  }

  /// The next record; nil at the end of the input.
  ///
  /// Empty lines are passed over.
  /// Throws a `Failure` with exit code 65 that names the line, or a `SystemError`.
  public mutating func next() throws -> Record? {
    do {
      while try lines.next() {
        if !lines.line.isEmpty { return try parse() }
      }
      return nil
    } catch let error as LineError {
      throw Failure(.badInput, "malformed record in \(name)", detail: error.description)
    }
  }

  private func parse() throws(Failure) -> Record {
    do throws(JSONError) { return try Record(parsing: lines.line) } catch {
      throw Failure(
        .badInput, "malformed record in \(name)", detail: "line \(lines.number): \(error)")
    }
  }
}
