internal import Filter
internal import Posix
internal import Postgres

/// Where to begin.
extension ChangeReceiver {
  /// A stream that runs, behind what position, and how many milliseconds the server waits for a sign
  /// of life; 0: for ever.
  typealias Beginning = (stream: LogicalStream, position: ReceiverPosition, senderTimeout: Int)

  /// Connects, sees whether everything fits together, and starts the stream.
  mutating func begin() throws -> Beginning {
    let connection = try ReplicationConnection(
      toDatabase: options.connection, applicationName: "cdc-recv")
    let system = try connection.identifySystem()
    let level = try connection.setting("wal_level")
    guard level == "logical" else { throw Failure.isNotLogical(level) }
    let check = SlotCheck(
      slot: options.slot, systemIdentifier: system.identifier, database: connection.database,
      facts: try connection.slotFacts(options.slot))
    let start = try check.begin(from: position)
    try Self.checkPublications(options.publications, connection)
    let request = try request(connection)
    let timeout = SettingValue.milliseconds(try connection.setting("wal_sender_timeout")) ?? 0
    let known = ReceiverPosition(
      systemIdentifier: system.identifier, slot: options.slot, confirmed: start)
    if let path = options.statePath, known != position { try known.write(to: path) }
    position = known
    let stream = LogicalStream(connection)
    let confirms = options.acknowledgements != nil
    do { try stream.start(request, from: start, confirmed: confirms ? start : .invalid) } catch let
      error as PostgresError
    { throw error.aboutSlot }
    return (stream, known, timeout)
  }

  /// Throws a `Failure` (78) unless the database has all of them.
  static func checkPublications(
    _ names: [String], _ connection: borrowing ReplicationConnection
  ) throws {
    guard let missing = try connection.missingPublications(names).first else { return }
    throw Failure(
      .configuration, "publication \"\(missing)\" does not exist",
      detail: "the database is \"\(connection.database)\"",
      hint: "Make it with CREATE PUBLICATION, before the slot: a slot knows no publication that is "
        + "younger than what it sends.")
  }

  /// Throws a `Failure` (78) for what the server does not have.
  private func request(
    _ connection: borrowing ReplicationConnection
  ) throws -> LogicalStream.Request {
    let latest = connection.latestProtocol
    let version = options.protocolVersion ?? latest
    try Self.check(version <= latest, "protocol \(version) of pgoutput", latest: latest)
    var request = LogicalStream.Request()
    (request.slot, request.publications) = (options.slot, options.publications)
    request.protocolVersion = version
    let streaming = options.streaming ?? Self.streaming(version, options)
    try Self.check(
      streaming == .off || version >= (streaming == .on ? 2 : 4),
      "streaming \"\(streaming.rawValue)\"", latest: version)
    request.streaming = streaming == .off ? nil : streaming.rawValue
    try Self.check(!options.slotOptions.isTwoPhase || version >= 3, "--two-phase", latest: version)
    request.isTwoPhase = options.slotOptions.isTwoPhase
    try Self.check(!options.includesMessages || latest >= 2, "--messages", latest: latest)
    request.includesMessages = options.includesMessages
    try Self.check(options.origin == nil || latest >= 4, "--origin", latest: latest)
    request.origin = options.origin?.rawValue
    return request
  }

  /// As much as the protocol has; but of a transaction that comes in parts nobody knows whether it
  /// will commit before an end position, and its messages do not say of which subtransaction they are:
  /// those of one that is rolled back could not be told from the others.
  private static func streaming(
    _ version: Int, _ options: ChangeReceiverOptions
  ) -> ChangeReceiverOptions.Streaming {
    if version < 2 || options.endPosition != nil || options.includesMessages { return .off }
    return version < 4 ? .on : .parallel
  }

  private static func check(_ isThere: Bool, _ what: String, latest: Int) throws(Failure) {
    guard !isThere else { return }
    throw Failure(
      .configuration, "there is no \(what) with protocol \(latest) of pgoutput",
      detail: "PostgreSQL 14 has protocol 2, 15 has 3, and 16 has 4")
  }
}
