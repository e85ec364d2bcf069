internal import Filter
internal import JSON
internal import Posix
internal import Postgres

/// Up to where all is confirmed, as it is kept in a file.
///
///     {"type":"position","system_identifier":"7","slot":"s","confirmed_lsn":"0/1A2B400"}
///
/// It is written before the server is told: so a slot that is further has lost something.
struct ReceiverPosition: Equatable, Sendable {
  let systemIdentifier: String
  let slot: String
  var confirmed: LSN

  init(systemIdentifier: String, slot: String, confirmed: LSN) {
    (self.systemIdentifier, self.slot) = (systemIdentifier, slot)
    self.confirmed = confirmed
  }

  /// Reads the file; nil where there is none.
  ///
  /// Throws a `Failure` (65) for one that holds something else.
  init?(from path: String) throws {
    guard try FileFacts.of(path) != nil else { return nil }
    let file = try File(reading: path)
    var reader = RecordReader(from: file.descriptor, name: "\"\(path)\"")
    guard let record = try reader.next(), let position = Self(record) else {
      throw Failure(
        .badInput, "\"\(path)\" holds no position of a receiver",
        hint: "Name the file that cdc-recv has written, or one that is not there yet.")
    }
    self = position
  }

  init?(_ record: Record) {
    guard record.type == "position", let system = record.string("system_identifier"),
      let slot = record.string("slot"),
      let confirmed = record.string("confirmed_lsn").flatMap({ LSN($0) })
    else { return nil }
    self.init(systemIdentifier: system, slot: slot, confirmed: confirmed)
  }

  var record: Record {
    var record = Record(type: "position")
    record.set("system_identifier", systemIdentifier)
    record.set("slot", slot)
    record.set("confirmed_lsn", confirmed.description)
    return record
  }

  /// Writes it, durably, in the place of what was there.
  func write(to path: String) throws(SystemError) {
    let file = try DurableFile(path)
    try file.descriptor.writeAll("\(record.text)\n".utf8.span)
    try file.publish()
  }
}
