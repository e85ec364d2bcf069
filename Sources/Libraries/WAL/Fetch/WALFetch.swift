public import Filter
internal import ObjectStore
internal import Posix
internal import Postgres

/// Brings one WAL file to where a server in recovery wants it.
///
/// There are three answers, and only one of them may end a recovery: that the file is proven not
/// to be there. Whatever else goes wrong is thrown.
public struct WALFetch {
  public enum Answer: Sendable { case delivered, absent }

  let options: FetchOptions
  let name: WALFileName
  let destination: String
  let systemIdentifier: UInt64
  let archive: ArchiveReader
  let message: Message
  /// Nil without `--prefetch`.
  let spool: Spool?

  /// Checks what can be checked without asking anybody.
  public init(
    _ options: FetchOptions, file: String, to destination: String, message: Message
  ) throws {
    guard let name = WALFileName(file) else {
      throw UsageError("\"\(file)\" is not the name of a WAL file")
    }
    (self.options, self.name, self.message) = (options, name, message)
    self.destination = destination
    systemIdentifier = try ClusterIdentity.find(options, destination: destination)
    archive = try ArchiveReader(options, systemIdentifier: "\(systemIdentifier)")
    spool =
      options.prefetch > 0 && name.isWhole
      ? try Spool(options, systemIdentifier: systemIdentifier, destination: destination) : nil
  }

  /// Delivers the file or finds out that it is nowhere.
  ///
  /// Nothing is under the destination's name unless it is whole and right.
  public func run() throws -> Answer {
    try DurableFile.removeAbandoned(of: destination)
    var patience = Patience(milliseconds: options.retryMilliseconds) { message.warning($0) }
    let size = try patience.run { try deliver() }
    guard let size else {
      inform("\(name.text) is not there")
      return .absent
    }
    if case .segment(let digits) = name, let size = size.segment { lookAhead(digits, size) }
    return .delivered
  }

  /// Nil when the file is proven not to be there.
  private func deliver() throws -> Delivered? {
    if let size = try deliverWhole() { return size }
    try archive.proveItIsTheArchive()
    if options.usesPartial, case .segment(let digits) = name {
      return try PartialDelivery(self, digits).run()
    }
    // A receiver may have finished it while the archive was asked.
    return try deliverFromDirectories()
  }

  /// Nil when it is neither in a directory nor in the archive.
  func deliverWhole() throws -> Delivered? {
    var damage: (any Error)?
    do {
      if let size = try deliverFromDirectories() { return size }
    } catch let error as any Diagnosable {
      // The archive may have a good one.
      try StopSignal.check()
      damage = error
    }
    if let size = try spool?.deliver(self) ?? deliverFromArchive() { return size }
    // What cannot be read is not absent.
    if let damage { throw damage }
    return nil
  }

  /// Nil when no directory has it; throws when only damaged ones are there.
  private func deliverFromDirectories() throws -> Delivered? {
    var damage: (any Error)?
    for directory in options.directories {
      do {
        if let size = try deliver(from: directory) { return size }
      } catch let error as any Diagnosable {
        try StopSignal.check()
        message.warning(error.message + (error.detail.map { ": \($0)" } ?? ""))
        damage = damage ?? error
      }
    }
    if let damage { throw damage }
    return nil
  }

  /// Nil when it is not there.
  private func deliver(from directory: String) throws -> Delivered? {
    guard try FileFacts.of(directory)?.isDirectory == true else {
      throw Failure(.io, "there is no directory \"\(directory)\"")
    }
    let path = "\(directory)/\(name.text)"
    guard try FileFacts.of(path) != nil else { return nil }
    return try copy(path)
  }

  /// Copies a plain file to the destination.
  func copy(_ path: String) throws -> Delivered {
    let source = try File(reading: path)
    var file = try IncomingFile(check(path), path: destination)
    var buffer = [UInt8](repeating: 0, count: 256 << 10)
    while true {
      let count = try source.descriptor.read(into: &buffer)
      if count == 0 { break }
      try file.write(buffer.span.extracting(first: count))
    }
    let size = try file.publish()
    inform("\(name.text) delivered from \"\(path)\"")
    return Delivered(segment: size)
  }

  /// Nil when the store answered that it is not there.
  func deliverFromArchive() throws -> Delivered? {
    guard let size = try archive.fetch(name, systemIdentifier, to: destination) else { return nil }
    inform("\(name.text) delivered from \"\(archive.url(of: name))\"")
    return size
  }

  func check(_ source: String) -> FileCheck {
    FileCheck(name: name, systemIdentifier: systemIdentifier, source: source)
  }

  func inform(_ text: String) {
    if options.isVerbose { message.info(text) }
  }

  /// A background that cannot be had is no reason to withhold what was delivered.
  private func lookAhead(_ digits: SegmentName, _ size: SegmentSize) {
    guard let spool, let segment = Segment(digits, size: size) else { return }
    do { try spool.lookAhead(of: segment) } catch { message.warning("\(error)") }
  }
}

/// That a file was delivered, and the size of segments if it was one.
struct Delivered {
  let segment: SegmentSize?
}

extension ArchiveReader {
  /// Fetches a file to `path`; nil when the store answered that it is not there.
  func fetch(
    _ name: WALFileName, _ systemIdentifier: UInt64, to path: String
  ) throws -> Delivered? {
    let check = FileCheck(
      name: name, systemIdentifier: systemIdentifier, source: url(of: name))
    let file = Incoming(try IncomingFile(check, path: path))
    guard try read(name, { try file.write($0) }) else { return nil }
    return Delivered(segment: try file.publish())
  }
}

/// A file that several closures write to.
final class Incoming {
  private var file: IncomingFile?

  init(_ file: consuming IncomingFile) { self.file = consume file }

  func write(_ bytes: Span<UInt8>) throws { try file?.write(bytes) }

  /// Once.
  func publish() throws -> SegmentSize? {
    guard let file = file.take() else { return nil }
    return try file.publish()
  }
}

/// Which cluster files are fetched for.
enum ClusterIdentity {
  static func find(_ options: FetchOptions, destination: String) throws -> UInt64 {
    if let text = options.systemIdentifier {
      guard let value = UInt64(text), value > 0 else {
        throw UsageError("\"\(text)\" is not a system identifier")
      }
      return value
    }
    // A server runs its restore_command in the data directory; others name a file in its pg_wal.
    let above = Directory.parent(of: Directory.parent(of: destination))
    for directory in [".", above] {
      do { return try ControlFile.systemIdentifier(inDataDirectory: directory) } catch let error
        as SystemError where error.isMissing
      {
        continue
      }
    }
    throw Failure(
      .configuration, "could not find out whose WAL this is",
      detail: "There is no global/pg_control in the present directory.",
      hint: "Give --system-identifier, as pg_controldata prints it.")
  }
}

extension WALFileName {
  /// True for a segment that was completed.
  var isWhole: Bool { if case .segment = self { true } else { false } }
}
