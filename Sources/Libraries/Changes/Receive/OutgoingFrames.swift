internal import Bytes
internal import Posix

/// Frames on their way to standard output, written by a thread of its own.
///
/// A reader that is slow must not keep the server from being answered. What it has not taken waits
/// in memory, then in a spool file, and then whoever has more to add waits.
/// A class, because two threads share it.
final class OutgoingFrames: Sendable {
  /// What waits in memory.
  private static var memoryBytes: Int { 4 << 20 }
  private static var blockBytes: Int { 256 << 10 }

  private struct State {
    var waiting: [[UInt8]] = []
    var waitingBytes = 0
    /// Where in the spool the next bytes go, and from where on they are not written out yet; both
    /// only grow.
    var (spooled, unspooled) = (0, 0)
    /// True as long as the spool has room that it does not need any more.
    var holdsRoom = false
    /// True while the thread has bytes that are not written yet.
    var isWriting = false
    var isClosed = false
    var failure: SystemError?

    var isEmpty: Bool { waiting.isEmpty && spooled == unspooled && !isWriting }
  }

  private let state = Monitor(State())
  private let spool: SpoolFile?

  /// `spool` nil: what does not fit into memory waits with the server.
  init(spool: SpoolFile?) { self.spool = spool }

  /// Starts the thread.
  func start() throws { _ = try Thread { self.run() } }

  /// Takes whole frames; throws once the reader is gone, or when a stop signal came while it waited.
  func add(_ frames: [UInt8]) throws {
    guard !frames.isEmpty else { return }
    enum Place {
      case memory, memoryAgain, spool
      case failure(SystemError)
    }
    let hasSpool = spool != nil
    let place: Place = state.wait { state in
      if let failure = state.failure { return .failure(failure) }
      let isSpooling = state.spooled > state.unspooled
      if !isSpooling, state.waitingBytes < Self.memoryBytes {
        state.waiting.append(frames)
        state.waitingBytes += frames.count
        defer { state.holdsRoom = false }
        return state.holdsRoom ? .memoryAgain : .memory
      }
      if hasSpool { return .spool }
      return StopSignal.received == nil ? nil : .failure(.interrupted)
    }
    switch place {
    case .memory: return
    case .memoryAgain: try spool?.empty()
    case .spool: try addToSpool(frames)
    case .failure(let error): throw error
    }
  }

  /// What waits in memory is written first, and nothing is added to that before the spool is empty.
  private func addToSpool(_ frames: [UInt8]) throws {
    var rest = frames.span
    while !rest.isEmpty {
      let (start, room) = try roomInSpool()
      let part = rest.extracting(first: min(rest.count, room))
      try spool?.write(part, at: start)
      state.update { state in
        state.spooled += part.count
        state.holdsRoom = true
      }
      rest = rest.extracting(droppingFirst: part.count)
    }
  }

  /// Where the next bytes go, and how many.
  private func roomInSpool() throws -> (start: Int, bytes: Int) {
    let capacity = spool?.bytes ?? 0
    let result: Result<(start: Int, bytes: Int), SystemError> = state.wait { state in
      if let failure = state.failure { return .failure(failure) }
      let room = capacity - (state.spooled - state.unspooled)
      if room > 0 { return .success((state.spooled, room)) }
      return StopSignal.received == nil ? nil : .failure(.interrupted)
    }
    return try result.get()
  }

  /// Throws when nothing is read any more, before there is something to write.
  func checkReader() throws { try Descriptor.standardOutput.checkReader() }

  /// Throws what writing failed with, if it did.
  func check() throws {
    if let failure = state.read({ $0.failure }) { throw failure }
  }

  /// Waits until all is written, or, where that is not nil, for `milliseconds`; true if it is.
  ///
  /// Throws when writing failed, or when a stop signal comes while it may wait for ever.
  @discardableResult
  func close(waiting milliseconds: Int?) throws -> Bool {
    let end = milliseconds.map { Clock.monotonic() + Int64($0) * 1_000_000 }
    state.update { $0.isClosed = true }
    let result: Result<Bool, SystemError> = state.wait { state in
      if let failure = state.failure { return .failure(failure) }
      if state.isEmpty { return .success(true) }
      if let end { return Clock.monotonic() > end ? .success(false) : nil }
      return StopSignal.received == nil ? nil : .failure(.interrupted)
    }
    return try result.get()
  }

  // MARK: - The writing thread

  private enum Work {
    case frames([[UInt8]])
    /// From where to where in the spool.
    case spooled(Range<Int>)
    case end
  }

  private func run() {
    do throws(SystemError) {
      while true {
        switch nextWork() {
        case .frames(let frames):
          for bytes in frames { try Descriptor.standardOutput.writeAll(bytes.span) }
          state.update { $0.isWriting = false }
        case .spooled(let range): try writeSpooled(range)
        case .end: return
        }
      }
    } catch {
      state.update { $0.failure = error }
    }
  }

  private func nextWork() -> Work {
    state.wait { state in
      guard state.waiting.isEmpty else {
        state.isWriting = true
        defer { (state.waiting, state.waitingBytes) = ([], 0) }
        return .frames(state.waiting)
      }
      if state.unspooled < state.spooled {
        return .spooled(state.unspooled..<min(state.spooled, state.unspooled + Self.blockBytes))
      }
      return state.isClosed ? .end : nil
    }
  }

  private func writeSpooled(_ range: Range<Int>) throws(SystemError) {
    guard let bytes = try spool?.read(range) else { return }
    try Descriptor.standardOutput.writeAll(bytes.span)
    state.update { $0.unspooled = range.upperBound }
  }
}
