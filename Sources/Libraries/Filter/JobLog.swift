internal import Bytes
internal import JSON
internal import Posix

/// The file that says how far each stage of a job came (conventions, section 5).
///
/// `SLUICE_JOB` names it; without that, all calls do nothing. A line that cannot be written is
/// dropped: a publisher that waits for it then publishes nothing, which is the safe side.
public struct JobLog: Sendable {
  private let tool: String
  private let path: String?

  public init(tool: String) {
    self.tool = tool
    path = environment("SLUICE_JOB").flatMap { $0.isEmpty ? nil : $0 }
  }

  /// True where somebody named a file for it.
  public var isKept: Bool { path != nil }

  public func start() {
    write("start") { $0.field("pid", ProcessIdentity.own) }
  }

  /// How far it came; call it through `Progress`, which does so at most once a second.
  public func progress(inBytes: Int, outBytes: Int, rows: Int?) {
    write("progress") { line in
      line.field("in_bytes", inBytes)
      line.field("out_bytes", outBytes)
      if let rows { line.field("rows", rows) }
    }
  }

  /// Everything was written and accepted; standard output is not yet closed.
  ///
  /// `outSHA256` is the digest of the output, where the tool knows it.
  public func done(inBytes: Int, outBytes: Int, rows: Int? = nil, outSHA256: String? = nil) {
    write("done") { line in
      line.field("pid", ProcessIdentity.own)
      line.field("in_bytes", inBytes)
      line.field("out_bytes", outBytes)
      if let rows { line.field("rows", rows) }
      if let outSHA256 { line.field("out_sha256", outSHA256) }
    }
  }

  func failed(_ code: Int32, _ message: String) {
    write("failed") { line in
      line.field("code", code)
      // A line is written in one piece and must stay under 4 KiB.
      line.field("message", String(message.prefix(1000)))
    }
  }

  private func write(_ type: String, _ fill: (inout JSONWriter) -> Void) {
    guard let path else { return }
    var line = JSONWriter()
    line.object { line in
      line.field("type", type)
      line.field("tool", tool)
      fill(&line)
      line.field("at", Timestamp.now())
    }
    line.endLine()
    guard let file = try? File(appending: path) else { return }
    try? file.descriptor.append(line.span)
  }
}

/// Reports to the job log as work goes on, once a second at most.
public struct Progress: Sendable {
  private let log: JobLog
  private var next: Int64

  public init(_ log: JobLog) {
    self.log = log
    next = Clock.monotonic() + 1_000_000_000
  }

  public mutating func report(inBytes: Int, outBytes: Int, rows: Int? = nil) {
    guard log.isKept else { return }
    let now = Clock.monotonic()
    guard now >= next else { return }
    next = now + 1_000_000_000
    log.progress(inBytes: inBytes, outBytes: outBytes, rows: rows)
  }
}
