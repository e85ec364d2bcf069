internal import Bytes
internal import Posix
internal import Postgres

extension ClusterWAL {
  /// A history file has a line for each timeline before; a longer one is refused.
  private static var maxHistoryBytes: Int { 1 << 20 }

  /// Reads the history files that there are, and says what is wrong with them.
  mutating func readHistories(_ reader: SegmentReader) throws -> [WALVerdict] {
    var verdicts: [WALVerdict] = []
    for timeline in order {
      guard let place = timelines[timeline]?.historyPlace else { continue }
      let name = WALFileName.history(timeline: timeline)
      do {
        let sink = PrefixSink(limit: Self.maxHistoryBytes)
        try reader.read(name, at: places[place], into: sink)
        timelines[timeline]?.history = try TimelineHistory(parsing: sink.bytes.span, of: timeline)
      } catch let error as DecodeError {
        verdicts.append(WALVerdict(.history, name, "\(error)"))
      } catch {
        verdicts.append(try WALVerdict(failure: error, name))
      }
    }
    return verdicts
  }

  /// What of the histories does not agree, or is missing.
  func checkHistories() -> [WALVerdict] {
    order.compactMap { timeline in
      guard let files = timelines[timeline], timeline > 1 else { return nil }
      let name = WALFileName.history(timeline: timeline)
      guard let history = files.history else {
        // What could not be read was said when it was read.
        guard files.historyPlace == nil else { return nil }
        return WALVerdict(.history, name, "the history of the timeline is missing")
      }
      guard let parent = history.ancestors.last?.timeline else {
        return WALVerdict(.history, name, "it names no timeline that led to this one")
      }
      guard let before = self.history(of: parent), before.ancestors != history.ancestors.dropLast()
      else { return nil }
      return WALVerdict(
        .history, name, "it contradicts the history of the timeline before it, \(parent)")
    }
  }
}

extension WALVerdict {
  /// What it says of a file that it could not be read; throws what is no fault of the file's.
  init(failure error: any Error, _ name: WALFileName) throws {
    guard let failure = error as? any Diagnosable else { throw error }
    let detail = failure.detail.map { "\(failure.message): \($0)" } ?? failure.message
    switch failure.exitCode {
    case .negative: self.init(.missing, name, detail)
    case .badInput: self.init(.content, name, detail)
    case .unavailable, .temporary: self.init(.unknown, name, detail)
    default: throw error
    }
  }
}
