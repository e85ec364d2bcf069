internal import Filter
internal import Posix
internal import Postgres

/// Receiving, once it is known from where.
extension ChangeReceiver {
  /// How long a sink may take, at the end position, to acknowledge what it was given.
  private static var acknowledgementMilliseconds: Int { 10_000 }
  /// How long each of reader, sink and server may take when we are to stop.
  static var farewellMilliseconds: Int { 2000 }

  /// Receives until the end position, or until a stop signal, the server or an error ends it.
  mutating func receive(_ attempt: inout Attempt) throws {
    let (stream, position, timeout) = try begin()
    let tracker =
      tracker
      ?? Monitor(
        DeliveryTracker(
          expectsAcknowledgements: acknowledgements != nil, confirmed: position.confirmed))
    self.tracker = tracker
    tracker.update { $0.cutOff() }
    attempt.hasRun = true
    let confirmer = PositionConfirmer(
      stream, tracker, acknowledgements, position: position, statePath: options.statePath,
      intervals: intervals(timeout))
    try confirmer.start()
    defer { self.position = confirmer.end() }
    var pump = ChangePump(stream, tracker, frames, options, message)
    let silence = SilenceLimit(milliseconds: timeout > 0 ? timeout : 60_000)
    do {
      try pump.run(confirmer, silence) { attempt.pause = 100 }
      try frames.close(waiting: nil)
    } catch let error as SystemError where error.isInterrupt {
      if try frames.close(waiting: Self.farewellMilliseconds) {
        try leave(stream, tracker, confirmer, waiting: Self.farewellMilliseconds)
      } else {
        try leave(stream, tracker, confirmer, waiting: nil)
      }
      throw error
    }
    try leave(stream, tracker, confirmer, waiting: Self.acknowledgementMilliseconds)
  }

  /// Ends the output, so that the sink comes to its end and acknowledges all, and tells the server.
  ///
  /// `waiting` is how long it may take; nil where the output is stuck.
  private func leave(
    _ stream: LogicalStream, _ tracker: Monitor<DeliveryTracker>, _ confirmer: PositionConfirmer,
    waiting milliseconds: Int?
  ) throws {
    if let milliseconds, acknowledgements != nil {
      try Descriptor.standardOutput.close()
      let wasStopped = StopSignal.received != nil
      let end = Clock.monotonic() + Int64(milliseconds) * 1_000_000
      let isSettled: Bool = tracker.wait { tracker in
        if tracker.isSettled { return true }
        let isStopped = !wasStopped && StopSignal.received != nil
        return isStopped || Clock.monotonic() > end ? false : nil
      }
      if !isSettled { message.warning("the sink has not acknowledged all that it was given") }
    }
    _ = confirmer.end()
    try confirmer.check()
    do {
      try confirmer.settle()
      guard try stream.stop(waiting: Self.farewellMilliseconds) else {
        return message.warning("the server has not said that it knows what is confirmed")
      }
    } catch let error as PostgresError {
      // It is gone, and will send again what it was not told of.
      message.warning(error.message)
    }
  }

  /// Milliseconds: between reports that nobody waits for, and often enough for a server that ends
  /// connections it hears nothing of; nil is never.
  private func intervals(_ senderTimeout: Int) -> (idle: Int?, server: Int?) {
    let wanted = options.statusMilliseconds > 0 ? options.statusMilliseconds : nil
    guard senderTimeout > 0 else { return (wanted, wanted) }
    return (wanted, min(wanted ?? .max, max(senderTimeout / 4, 100)))
  }
}
