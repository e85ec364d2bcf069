public import JSON
internal import Posix

/// Finds the verdicts on many receipts, several at a time.
public struct VerdictBatch: Sendable {
  /// Receipts that are held in memory together.
  public static var size: Int { 512 }

  private struct Work: Sendable {
    var next = 0
    var verdicts: [Verdict?]
    var failure: (any Error)?
  }

  private let receipts: [Record]
  private let work: Monitor<Work>

  public init(_ receipts: [Record]) {
    self.receipts = receipts
    work = Monitor(Work(verdicts: Array(repeating: nil, count: receipts.count)))
  }

  /// The verdicts, in the order of the receipts; `makeCheck` is called once for each thread.
  public func run(
    jobs: Int, _ makeCheck: @escaping @Sendable () -> ObjectCheck
  ) throws -> [Verdict] {
    var group = ThreadGroup()
    for _ in 0..<min(jobs, receipts.count) {
      do throws(SystemError) { try group.start { process(makeCheck()) } } catch { fail(error) }
    }
    group.join()
    let result = work.read { $0 }
    if let failure = result.failure { throw failure }
    return result.verdicts.compactMap { $0 }
  }

  private func fail(_ error: any Error) {
    work.update { if $0.failure == nil { $0.failure = error } }
  }

  private func process(_ check: consuming ObjectCheck) {
    while let index = takeIndex() {
      do {
        try StopSignal.check()
        let verdict = try check.verdict(on: receipts[index])
        work.update { $0.verdicts[index] = verdict }
      } catch {
        fail(error)
      }
    }
  }

  private func takeIndex() -> Int? {
    work.update { work in
      guard work.failure == nil, work.next < receipts.count else { return nil }
      defer { work.next += 1 }
      return work.next
    }
  }
}
