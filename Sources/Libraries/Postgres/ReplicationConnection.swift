internal import Bytes
public import Filter
internal import Posix

/// A connection to the server's process that sends WAL.
public struct ReplicationConnection: ~Copyable {
  let connection: Connection
  /// Every command is answered from memory: a server that says nothing for so long has stopped.
  private static var answerMilliseconds: Int32 { 60_000 }

  /// What `IDENTIFY_SYSTEM` says.
  public struct System: Sendable, Equatable {
    /// Unique to the cluster; in decimal, because it needs all of its 64 bits.
    public let identifier: String
    public let timeline: UInt32
    /// Up to where the server's WAL is on its disk.
    public let position: LSN
  }

  /// What `READ_REPLICATION_SLOT` says of a physical slot.
  public struct Slot: Sendable, Equatable {
    /// The first byte the server keeps for the slot; nil when it keeps none: the slot was never
    /// used, or the server gave it up.
    public let restart: LSN?
    public let timeline: UInt32?
  }

  /// `applicationName` is what `synchronous_standby_names` may list; `isNamed` makes it win over
  /// one in the connection string.
  public init(
    _ options: ConnectionOptions, applicationName: String, isNamed: Bool = false
  ) throws {
    var options = options
    // The name that pg_hba.conf and password files know these connections by.
    if options.dbname == nil { options.dbname = "dbname=replication" }
    connection = try Connection(
      replicationTo: options, applicationName: applicationName, isNamed: isNamed,
      answerMilliseconds: Self.answerMilliseconds)
  }

  /// Connects to a database, whose changes are to be decoded, or whose slots made and dropped.
  ///
  /// With `isPatient` an answer may take as long as it takes: a slot is not made before the
  /// transactions that run have ended.
  public init(
    toDatabase options: ConnectionOptions, applicationName: String, isPatient: Bool = false
  ) throws {
    connection = try Connection(
      replicationTo: options, toDatabase: true, applicationName: applicationName, isNamed: false,
      answerMilliseconds: isPatient ? -1 : Self.answerMilliseconds)
  }

  /// The version as a number: 150004 is 15.4.
  public var serverVersion: Int { connection.serverVersion }

  public borrowing func identifySystem() throws -> System {
    let rows = try rows("IDENTIFY_SYSTEM")
    guard let timeline = UInt32(rows.text(0, 1)), let position = LSN(rows.text(0, 2)) else {
      throw PostgresError(message: "the answer to IDENTIFY_SYSTEM makes no sense")
    }
    return System(identifier: rows.text(0, 0), timeline: timeline, position: position)
  }

  /// The value of a server setting, with its unit.
  public borrowing func setting(_ name: String) throws -> String {
    try rows("SHOW \(name)").text(0, 0)
  }

  /// Nil when there is no slot of that name.
  ///
  /// Needs PostgreSQL 15.
  public borrowing func slot(_ name: String) throws -> Slot? {
    let rows = try rows("READ_REPLICATION_SLOT \(Quoting.identifier(name))")
    guard rows.string(0, 0) != nil else { return nil }
    return Slot(
      restart: rows.string(0, 1).flatMap { LSN($0) },
      timeline: rows.string(0, 2).flatMap { UInt32($0) })
  }

  /// What a new slot is to be.
  public struct SlotOptions: Sendable {
    /// Goes with the connection.
    public var isTemporary = false
    /// Keeps WAL from now on, not only from its first use.
    public var reservesWAL = false
    /// To be carried over to standbys; the server decides whether such a slot may be.
    public var isFailover = false
    public init() {}
  }

  /// True for a name that a slot may have.
  public static func isSlotName(_ name: String) -> Bool {
    let isAllowed = { (byte: UInt8) in
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "_")
    }
    return (1...63).contains(name.utf8.count) && name.utf8.allSatisfy(isAllowed)
  }

  /// Takes an option's value that names a slot.
  public static func slotName(option text: String) throws(UsageError) -> String {
    guard isSlotName(text) else {
      throw UsageError("\"\(text)\" is not the name of a slot: a-z, 0-9 and _, 63 at most")
    }
    return text
  }

  /// Makes a physical slot.
  public borrowing func createSlot(_ name: String, _ options: SlotOptions) throws {
    var sql = "CREATE_REPLICATION_SLOT \(Quoting.identifier(name))"
    if options.isTemporary { sql += " TEMPORARY" }
    sql += " PHYSICAL"
    var words: [String] = []
    if options.reservesWAL { words.append("RESERVE_WAL") }
    if options.isFailover { words.append("FAILOVER") }
    if !words.isEmpty {
      let list = words.joined(separator: ", ")
      sql += serverVersion >= 150_000 ? " (\(list))" : " \(list)"
    }
    do { _ = try rows(sql) } catch let error as PostgresError
      where options.isFailover
      && (error.sqlState == "42601" || error.message.holds("failover"))
    {
      throw Failure(
        .configuration, "the server makes no physical slot that standbys carry over",
        detail: error.message, hint: "Leave --failover away.")
    }
  }

  public borrowing func dropSlot(_ name: String) throws {
    try connection.execute("DROP_REPLICATION_SLOT \(Quoting.identifier(name))")
  }

  /// The name and the bytes of a timeline's history file.
  public borrowing func timelineHistory(_ timeline: UInt32) throws -> (name: String, bytes: [UInt8])
  {
    let rows = try rows("TIMELINE_HISTORY \(timeline)")
    guard let field = rows.field(0, 1) else {
      throw PostgresError(message: "the answer to TIMELINE_HISTORY makes no sense")
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(field.count)
    for index in field.indices { bytes.append(field[index]) }
    return (rows.text(0, 0), bytes)
  }

  borrowing func rows(_ command: String) throws -> Rows {
    guard let rows = try connection.run(command), rows.count > 0 else {
      throw PostgresError(message: "no answer to \(command)")
    }
    return rows
  }
}
