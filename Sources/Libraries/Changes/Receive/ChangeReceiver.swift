internal import Bytes
public import Filter
internal import JSON
internal import Posix
internal import Postgres

/// Receives a publication's changes and writes them to standard output as they came.
///
/// What is confirmed to the server was acknowledged, or is nothing that anybody waits for.
public struct ChangeReceiver {
  let options: ChangeReceiverOptions
  let message: Message
  let frames: OutgoingFrames
  let acknowledgements: AcknowledgementSource?
  /// Made when the first connection has found out where to begin.
  var tracker: Monitor<DeliveryTracker>?
  /// What was confirmed last, and of what; nil before the first connection.
  var position: ReceiverPosition?

  /// Throws when a file cannot be used; `message` is where warnings go.
  public init(_ options: ChangeReceiverOptions, _ message: Message) throws {
    self.options = options
    self.message = message
    acknowledgements = try options.acknowledgements.map { try AcknowledgementSource($0) }
    if let path = options.statePath {
      try DurableFile.removeAbandoned(of: path)
      position = try ReceiverPosition(from: path)
    }
    if let directory = options.spoolDirectory {
      frames = OutgoingFrames(spool: try SpoolFile(in: directory, bytes: options.spoolBytes))
    } else {
      frames = OutgoingFrames(spool: nil)
    }
  }

  /// Receives until the end position, a stop signal, or an error that time will not mend.
  public mutating func run() throws {
    try frames.start()
    do { try receive() } catch let error as SystemError where error.isInterrupt {
      // A stop signal is the ordinary end of a receiver, as it is of pg_recvlogical.
      try frames.close(waiting: Self.farewellMilliseconds)
    } catch {
      // What was received is the reader's, whatever follows.
      _ = try? frames.close(waiting: Self.farewellMilliseconds)
      throw error
    }
  }

  /// What a receiver remembers from one connection to the next.
  struct Attempt {
    /// Milliseconds to wait before the next connection.
    var pause: Int64 = 100
    /// True once a stream has run: what stands in its way then may go away.
    var hasRun = false
  }

  private mutating func receive() throws {
    var attempt = Attempt()
    while true {
      do { return try receive(&attempt) } catch {
        // What is wrong from the start is said at once, not tried again for ever.
        guard options.loops, attempt.hasRun, Self.isTransient(error) else { throw error }
        message.warning((error as? any Diagnosable)?.message ?? "\(error)")
      }
      try Clock.sleep(milliseconds: attempt.pause)
      attempt.pause = min(attempt.pause * 2, 5000)
    }
  }

  /// True for what the server, or the way to it, may recover from without anybody's help.
  private static func isTransient(_ error: any Error) -> Bool {
    guard !(error is SystemError || error is LagError), let error = error as? any Diagnosable
    else { return false }
    return error.exitCode == .unavailable || error.exitCode == .temporary
  }
}

/// More is not confirmed than may be.
struct LagError: Diagnosable {
  let bytes: Int
  let limit: Int
  var exitCode: ExitCode { .temporary }
  var message: String { "\(bytes) bytes of WAL are received and not confirmed" }
  var detail: String? { "the limit is \(limit)" }
  var hint: String? { "See why acknowledgements do not come; the server keeps the WAL meanwhile." }
}
