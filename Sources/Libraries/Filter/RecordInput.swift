internal import Bytes
public import JSON
public import Posix

extension Record {
  /// Parses the value of an option `--record JSON`, or `--record @FILE` for what one argument cannot hold.
  ///
  /// Throws `UsageError`, or what reading the file threw.
  public init(option text: String) throws {
    if text.hasPrefix("@") {
      let path = String(text.dropFirst())
      let file = try File(reading: path)
      try self.init(onlyOneFrom: file.descriptor, name: "\"\(path)\"")
      return
    }
    do throws(JSONError) { try self.init(parsing: text) } catch {
      throw UsageError("not a record: \(error)")
    }
  }

  /// Reads a stream that holds one record and nothing else.
  ///
  /// Throws a `Failure` (65) when there is none, or more.
  /// `name` is what messages call it.
  public init(onlyOneFrom input: Descriptor, name: String = "standard input") throws {
    var reader = RecordReader(from: input, name: name)
    guard let record = try reader.next() else {
      throw Failure(.badInput, "expected a record in \(name), and found none")
    }
    guard try reader.next() == nil else {
      throw Failure(
        .badInput, "expected one record in \(name), and found more",
        hint: "Use xargs to run the command once for each record.")
    }
    self = record
  }

  /// A member of a certain kind, as `optional("where", \.string)`; nil where there is none, or null.
  ///
  /// Throws a `Failure` (65) where it is something else: what was meant must not be passed over.
  public func optional<T>(
    _ name: String, _ kind: (JSONValue) -> T?
  ) throws(Failure) -> T? {
    guard let text = json(name), text != Array("null".utf8) else { return nil }
    guard let value = self[name].flatMap(kind) else {
      throw Failure(
        .badInput,
        "\"\(name)\" of the record is not what it should be: \(String(utf8: text.span).prefix(100))"
      )
    }
    return value
  }
}
