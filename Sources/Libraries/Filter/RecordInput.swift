public import JSON
public import Posix

extension Record {
  /// Parses the value of an option `--record JSON`.
  public init(option text: String) throws(UsageError) {
    do throws(JSONError) { try self.init(parsing: text) } catch {
      throw UsageError("not a record: \(error)")
    }
  }

  /// Reads a stream that holds one record and nothing else.
  ///
  /// Throws a `Failure` (65) when there is none, or more.
  public init(onlyOneFrom input: Descriptor) throws {
    var reader = RecordReader(from: input)
    guard let record = try reader.next() else {
      throw Failure(.badInput, "expected a record on standard input, and found none")
    }
    guard try reader.next() == nil else {
      throw Failure(
        .badInput, "expected one record on standard input, and found more",
        hint: "Use xargs to run the command once for each record.")
    }
    self = record
  }
}
