internal import JSON
public import Posix

/// The stages before a publishing tool, as `--after A,B` names them.
///
/// An end of file does not say whether the writer finished or died; the job log does.
public struct Upstream: Sendable {
  /// What a finished stage said of itself.
  public struct Stage: Sendable {
    public let tool: String
    public let inBytes: Int
    public let outBytes: Int
    /// Nil where the stage does not count rows.
    public let rows: Int?
    public let outSHA256: String?
  }

  private let names: [String]

  /// Parses `pg-extract-jsonl,zst`; `*` stands for a filter that keeps no log.
  public init(parsing text: String) throws(UsageError) {
    names = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    guard names.allSatisfy({ !$0.isEmpty }) else {
      throw UsageError("\"\(text)\" is not a list of tools such as pg-extract-jsonl,zst")
    }
    guard let job = environment("SLUICE_JOB"), !job.isEmpty else {
      throw UsageError("the variable SLUICE_JOB, which names the job log, is not set")
    }
  }

  /// Fewer rows than this are not published; nil is any number.
  ///
  /// What is archived may have been deleted from its table since, and must not be replaced by less.
  public var leastRows: Int?

  /// The stages, in order, if all are done and their byte counts meet up to the `received` bytes
  /// that were read here; otherwise the error (65) that says which one is not.
  public func finished(received: Int) throws(Failure) -> [Stage] {
    let lines = try readLog()
    var stages: [Stage] = []
    var expected: Int? = nil
    var from = ""
    for name in names {
      if name == "*" {
        expected = nil
        continue
      }
      // One that is done but does not count bytes, such as a shell around somebody's filter.
      guard let stage = try Self.stage(name, in: lines, skipping: stages.count { $0.tool == name })
      else {
        expected = nil
        continue
      }
      if let expected, expected != stage.inBytes {
        throw Self.broken("\(from) wrote \(expected) bytes, but \(name) read \(stage.inBytes)")
      }
      (expected, from) = (stage.outBytes, name)
      stages.append(stage)
    }
    if let expected, expected != received {
      throw Self.broken("\(from) wrote \(expected) bytes, but \(received) arrived")
    }
    try checkRows(stages.first?.rows)
    return stages
  }

  private func checkRows(_ rows: Int?) throws(Failure) {
    guard let leastRows, (rows ?? 0) < leastRows else { return }
    throw Failure(
      .negative, "\(rows ?? 0) rows would take the place of \(leastRows), nothing was published",
      hint: "If rows were deleted on purpose, allow it with archive --allow-fewer.")
  }

  private static func broken(_ detail: String) -> Failure {
    Failure(.badInput, "input is not whole, nothing was published", detail: detail)
  }

  private func readLog() throws(Failure) -> [Record] {
    let path = environment("SLUICE_JOB") ?? ""
    do {
      let file = try File(reading: path)
      var reader = RecordReader(from: file.descriptor, name: path)
      var records: [Record] = []
      while let record = try reader.next() { records.append(record) }
      return records
    } catch {
      throw Failure(
        .badInput, "input is not whole, nothing was published", detail: "job log: \(error)")
    }
  }

  /// What a stage said when it was done; nil if that has no byte counts.
  ///
  /// Of several processes of that name it is the `skipping`-th of the last attempt.
  private static func stage(
    _ name: String, in lines: [Record], skipping: Int
  ) throws(Failure) -> Stage? {
    let mine = lines.filter { $0.string("tool") == name }
    let pids = mine.filter { $0.type == "start" }.compactMap { $0.integer("pid") }
    guard pids.count > skipping else { throw broken("\(name) did not start") }
    // A log that was used for an earlier attempt has older processes first.
    let same = pids.count - 1 - skipping
    guard let done = mine.last(where: { $0.type == "done" && $0.integer("pid") == pids[same] })
    else {
      let failed = mine.last { $0.type == "failed" }
      throw broken(
        failed?.string("message").map { "\(name) failed: \($0)" } ?? "\(name) did not finish")
    }
    guard let inBytes = done.integer("in_bytes"), let outBytes = done.integer("out_bytes") else {
      return nil
    }
    return Stage(
      tool: name, inBytes: inBytes, outBytes: outBytes, rows: done.integer("rows"),
      outSHA256: done.string("out_sha256"))
  }
}
