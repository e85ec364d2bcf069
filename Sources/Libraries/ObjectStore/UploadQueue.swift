internal import Bytes
internal import Posix

/// What passes between the thread that reads and those that upload.
///
/// A class, because the threads share it. Buffers go round: filled, sent, filled again.
final class UploadQueue: Sendable {
  struct Part {
    let number: Int
    let buffer: PartBuffer
    let digest: PartDigest
  }

  /// A part that the store has.
  struct Arrived {
    /// Without quotes.
    let etag: String
    let crc32c: CRC32C
  }

  private struct State {
    var free: [PartBuffer] = []
    /// Buffers that exist, wherever they are.
    var buffers = 0
    var ready: [Part] = []
    /// By part number, from 1.
    var arrived: [Int: Arrived] = [:]
    var isClosed = false
    var failure: (any Error)?
  }

  private let state = Monitor(State())

  /// A folder for the files that parts lie in; nil for memory.
  private let folder: String?

  init(folder: String?) { self.folder = folder }

  /// A buffer that holds `size` bytes, once one of at most `limit` is free.
  func takeBuffer(size: Int, limit: Int) throws -> PartBuffer {
    let folder = self.folder
    let result: Result<PartBuffer, any Error> = state.wait { state in
      if let failure = state.failure { return .failure(failure) }
      if StopSignal.received != nil { return .failure(SystemError.interrupted) }
      while let buffer = state.free.popLast() {
        // One that is too small goes, and one of the right size comes in its place.
        if buffer.capacity >= size, state.buffers <= limit { return .success(buffer) }
        state.buffers -= 1
      }
      guard state.buffers < limit else { return nil }
      do throws(SystemError) {
        let buffer = try folder.map { (folder) throws(SystemError) in
          try PartBuffer(capacity: size, in: folder)
        }
        state.buffers += 1
        return .success(buffer ?? PartBuffer(capacity: size))
      } catch {
        // Where there is no room for one more, those that there are must do.
        return state.buffers > 0 ? nil : .failure(error)
      }
    }
    return try result.get()
  }

  /// Lets go of the buffers that nobody uses.
  func removeFreeBuffers() {
    state.update { state in
      state.buffers -= state.free.count
      state.free = []
    }
  }

  func give(back buffer: PartBuffer) { state.update { $0.free.append(buffer) } }

  func add(_ part: Part) { state.update { $0.ready.append(part) } }

  /// No part comes any more.
  func close() { state.update { $0.isClosed = true } }

  /// The first failure ends all threads.
  func fail(_ error: any Error) {
    state.update { state in
      if state.failure == nil { state.failure = error }
    }
  }

  var hasFailed: Bool { state.read { $0.failure != nil } }

  /// The next part to send; nil when there is none any more.
  func next() -> Part? {
    state.wait { (state) -> Part?? in
      if state.failure != nil || StopSignal.received != nil { return .some(nil) }
      if !state.ready.isEmpty { return state.ready.removeFirst() }
      return state.isClosed ? .some(nil) : .none
    }
  }

  func finished(_ part: Part, etag: String) {
    state.update { state in
      state.arrived[part.number] = Arrived(etag: etag, crc32c: part.digest.crc32c)
      state.free.append(part.buffer)
    }
  }

  /// Waits until `count` parts have arrived and returns them, in order.
  func waitForAll(_ count: Int) throws -> [Arrived] {
    let result: Result<[Arrived], any Error> = state.wait { state in
      if let failure = state.failure { return .failure(failure) }
      if StopSignal.received != nil { return .failure(SystemError.interrupted) }
      guard state.arrived.count == count else { return nil }
      return .success((1...count).compactMap { state.arrived[$0] })
    }
    return try result.get()
  }
}
