internal import Bytes
internal import Filter
internal import JSON
internal import Posix
internal import Postgres

/// The file of a snapshot that can be resumed: records that are only ever appended.
struct SnapshotJournal: ~Copyable {
  private let file: File
  private(set) var progress: SnapshotProgress

  /// Opens the file and reads what is in it; one that is missing is made, with `header` as its first record.
  ///
  /// Throws a `Failure`: 65 for a file of something else, 78 for one of another snapshot.
  init(_ path: String, header: Record) throws {
    var progress = SnapshotProgress()
    var records = try FileFacts.of(path) == nil ? [] : Self.records(path)
    if records.isEmpty { records = [header] }
    for record in records where !progress.take(record) {
      throw Failure(
        .badInput, "\"\(path)\" is not the state of a snapshot", detail: record.text,
        hint: "Name the file that cdc-snapshot has written, or one that is not there yet.")
    }
    guard progress.header?.text == header.text else {
      throw Failure(
        .configuration, "\"\(path)\" is the state of another snapshot",
        detail: "\(progress.header?.text ?? ""), and not \(header.text)",
        hint: "Each snapshot needs a state file of its own.")
    }
    // Written anew, it has no line that a killed run has left half.
    try Self.write(records, path)
    file = try File(appending: path)
    self.progress = progress
  }

  /// A last line that was cut off is none.
  private static func records(_ path: String) throws -> [Record] {
    let file = try File(reading: path)
    var lines = LineReader(from: file.descriptor, maxLineBytes: RecordReader.maxLineBytes)
    var records: [Record] = []
    do {
      while try lines.next() { records.append(try Record(parsing: lines.line)) }
    } catch is LineError {
      return records
    } catch let error as JSONError {
      throw Failure(.badInput, "\"\(path)\", line \(lines.number): \(error)")
    }
    return records
  }

  private static func write(_ records: [Record], _ path: String) throws {
    var buffer = ByteBuffer()
    for record in records { record.append(to: &buffer) }
    let file = try DurableFile(path)
    try file.descriptor.writeAll(buffer.span)
    try file.publish()
  }

  /// Appends a record; what must not be forgotten whatever happens is `durable`.
  mutating func append(_ record: Record, durable: Bool = true) throws {
    precondition(progress.take(record), "a record that does not follow")
    var line = ByteBuffer()
    record.append(to: &line)
    try file.descriptor.writeAll(line.span)
    if durable { try file.sync() }
  }
}
