internal import CPosix
internal import Glibc

/// A command of the user's that bytes are sent through.
public struct ShellFilter: Sendable {
  private let command: String

  /// `command` is run by `sh`; it reads standard input and writes standard output.
  public init(_ command: String) { self.command = command }

  /// Sends what `feed` writes through the command and hands what comes out to `take`.
  ///
  /// `feed` runs on a thread of its own, so that neither end waits for the other. What it throws
  /// goes first; a command that ends with another status than 0 is a `Failure` (75), because it
  /// may have had to ask somebody for its key.
  public func run(
    feed: @escaping @Sendable (Descriptor) throws -> Void, take: (Span<UInt8>) throws -> Void
  ) throws {
    var child = try PipedChild(command)
    let input = child.releaseInput()
    let fed = Monitor<(any Error)?>(nil)
    let feeder: Thread
    do {
      feeder = try Thread {
        do { try feed(input) } catch { fed.update { $0 = error } }
        try? input.close()
      }
    } catch {
      try? input.close()
      throw error
    }
    var failure: (any Error)?
    do { try child.readAll(take) } catch {
      failure = error
      child.stop()
    }
    feeder.join()
    let status = try child.wait()
    if let error = fed.read({ $0 }), !Self.isBrokenPipe(error) { throw error }
    if let failure { throw failure }
    guard status == 0 else {
      throw Failure(.temporary, "the command \"\(command)\" ended with status \(status)")
    }
  }

  private static func isBrokenPipe(_ error: any Error) -> Bool {
    (error as? SystemError)?.isBrokenPipe == true
  }
}

/// The process of a filter and our ends of its pipes.
private struct PipedChild: ~Copyable {
  private let pid: Int32
  /// -1 once it was given away.
  private var input: Int32 = -1
  private var output: Int32 = -1
  private var hasEnded = false

  init(_ command: String) throws(SystemError) {
    let arguments: [String] = ["sh", "-c", command]
    var words = unsafe arguments.map { unsafe strdup($0) } + [nil]
    defer { for index in unsafe words.indices { unsafe free(words[index]) } }
    var (input, output): (Int32, Int32) = (-1, -1)
    pid = try checked(
      unsafe cposix_spawn_piped(&words, &input, &output), "could not run \"\(command)\"")
    (self.input, self.output) = (input, output)
  }

  /// Its input, which is now the caller's to close.
  mutating func releaseInput() -> Descriptor {
    defer { input = -1 }
    return Descriptor(rawValue: input)
  }

  func readAll(_ take: (Span<UInt8>) throws -> Void) throws {
    var buffer = [UInt8](repeating: 0, count: 256 << 10)
    while true {
      let count = try Descriptor(rawValue: output).read(into: &buffer)
      if count == 0 { return }
      try take(buffer.span.extracting(first: count))
    }
  }

  /// Ends it; what it started itself ends when it writes to the closed pipe.
  mutating func stop() {
    closeOutput()
    _ = cposix_kill(pid, SIGTERM)
  }

  /// Waits for its end: its exit status, or 128 + the signal that ended it.
  mutating func wait() throws(SystemError) -> Int32 {
    while true {
      let result = cposix_wait(pid)
      if result == -EINTR {
        if StopSignal.received != nil { _ = cposix_kill(pid, SIGKILL) }
        continue
      }
      hasEnded = true
      return try checked(result, "could not wait for a command")
    }
  }

  private mutating func closeOutput() {
    if output >= 0 { _ = cposix_close(output) }
    output = -1
  }

  deinit {
    if input >= 0 { _ = cposix_close(input) }
    if output >= 0 { _ = cposix_close(output) }
    if !hasEnded { _ = cposix_kill(pid, SIGKILL) }
  }
}
