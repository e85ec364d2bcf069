internal import Bytes
public import Filter
internal import JSON
internal import Posix
internal import Postgres

/// Receives WAL into a directory, durably, and says so to the server and in records.
///
/// What is confirmed to the server is on our disk: written, fsynced, under a durable name. An fsync
/// that fails ends the process.
public struct Receiver: ~Copyable {
  let options: ReceiverOptions
  let message: Message
  let directory: WALDirectory
  let queue = RecordQueue()
  /// Fixed by the first connection.
  var records: ReceiverRecords?
  var size = SegmentSize.standard

  /// Throws when the directory cannot be used; `message` is where warnings go.
  public init(_ options: ReceiverOptions, _ message: Message) throws {
    self.options = options
    self.message = message
    directory = try WALDirectory(options.directory)
  }

  /// Receives until the end position, a stop signal, or an error that time will not mend.
  public mutating func run() throws {
    try queue.start()
    do { try receive() } catch let error as SystemError where error.isInterrupt {
      // A stop signal is the ordinary end of a receiver, as it is of pg_receivewal.
    } catch {
      // The last record may say what the matter is.
      try? queue.close(waitingSeconds: 2)
      throw error
    }
    try queue.close(waitingSeconds: 2)
  }

  private typealias Server = (stream: WALStream, records: ReceiverRecords)

  private mutating func receive() throws {
    // What is wrong from the start is said at once, not tried again for ever.
    var server: Server? = try connect()
    var attempt = Attempt()
    while true {
      do {
        let (stream, records) = try server ?? connect()
        server = nil
        return try receive(from: stream, records, &attempt)
      } catch Restart.now {
        continue
      } catch Restart.whenThereIsRoom {
        try waitForRoom()
        continue
      } catch {
        guard options.loops, Self.isTransient(error) else { throw error }
        message.warning((error as? any Diagnosable)?.message ?? "\(error)")
      }
      try Clock.sleep(milliseconds: attempt.pause)
      attempt.pause = min(attempt.pause * 2, 5000)
    }
  }

  /// True for what the server, or the way to it, may recover from without anybody's help.
  private static func isTransient(_ error: any Error) -> Bool {
    guard !(error is SystemError), let error = error as? any Diagnosable else { return false }
    return error.exitCode == .unavailable || error.exitCode == .temporary
  }

  /// Connects, and learns what does not change as long as the cluster lives.
  private mutating func connect() throws -> Server {
    let connection = try ReplicationConnection(
      options.connection, applicationName: options.standbyName ?? "walrecv",
      isNamed: options.standbyName != nil)
    let system = try connection.identifySystem()
    let text = try connection.setting("wal_segment_size")
    guard let bytes = SettingValue.bytes(text), let size = SegmentSize(bytes: bytes) else {
      throw Failure(.configuration, "the server's wal_segment_size is \"\(text)\"")
    }
    // Files are as private as the cluster's own.
    let isOpenToGroup = try connection.setting("data_directory_mode").hasSuffix("750")
    Directory.restrictNewFiles(by: isOpenToGroup ? 0o027 : 0o077)
    if let records, records.systemIdentifier != system.identifier {
      throw Failure(
        .configuration,
        "the server is the system \(system.identifier) now, and not \(records.systemIdentifier)",
        hint: "A cluster made anew needs a directory and a slot of its own.")
    }
    self.size = size
    let records = records ?? ReceiverRecords(systemIdentifier: system.identifier)
    self.records = records
    return (WALStream(connection), records)
  }

  /// Who reads the records may move segments away from now on.
  borrowing func emitExisting(_ content: WALDirectory.Content, _ records: ReceiverRecords) throws {
    for timeline in content.histories { try emitHistory(timeline, records) }
    for segment in content.complete {
      try queue.add(records.segment(segment, path: directory.path(of: segment.name)))
    }
  }

  borrowing func emitHistory(_ timeline: UInt32, _ records: ReceiverRecords) throws {
    let path = directory.path(of: WALFileName.history(timeline: timeline).text)
    let file = try File(reading: path)
    let bytes = try file.descriptor.read(count: 1 << 20, at: 0)
    let history = try Self.parse(bytes, of: timeline, from: path)
    try queue.add(records.timeline(history, path: path, bytes: bytes.count))
  }

  static func parse(
    _ bytes: [UInt8], of timeline: UInt32, from source: String
  ) throws -> TimelineHistory {
    do throws(DecodeError) { return try TimelineHistory(parsing: bytes.span, of: timeline) } catch {
      throw Failure(.badInput, "malformed timeline history from \(source)", detail: "\(error)")
    }
  }
}
