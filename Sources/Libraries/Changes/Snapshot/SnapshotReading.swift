internal import Bytes
internal import Filter
internal import JSON
internal import Posix
internal import Postgres

/// Reads all tables of a publication at one moment, by several connections.
///
/// The tables' pages are cut into ranges that the workers take in turn, whatever table they are of. Which row comes
/// first is left open; each line is whole.
struct SnapshotReading: Sendable {
  /// 16 MiB of an ordinary table.
  private static var pagesPerRange: Int { 2048 }

  struct Range: Sendable {
    let extraction: Extraction
    /// Nil where a table has no pages of its own.
    let pages: PageRange?
    /// What it is in a snapshot that can be resumed.
    var place: SnapshotProgress.Place?
  }

  /// What is told of a range: its first rows come next, or all of them were written.
  enum Event {
    case began
    case ended
  }

  private struct Turns {
    var next = 0
    var rows = 0
    var failure: (any Error)?
  }

  private let ranges: [Range]
  private let turns = Monitor(Turns())

  /// `connection` sees what is to be read.
  init(
    _ tables: [PublishedTable], quoteNumbers: Bool, on connection: borrowing Connection
  ) throws {
    var ranges: [Range] = []
    for table in tables {
      for leaf in table.leaves {
        let extraction = table.extraction(of: leaf, quoteNumbers: quoteNumbers)
        let pages = try leaf.pages(on: connection)
        // Pages that are added meanwhile belong to the last range.
        let starts = Array(stride(from: 0, to: max(1, pages), by: Self.pagesPerRange))
        for (index, first) in starts.enumerated() {
          let end = index + 1 < starts.count ? starts[index + 1] : nil
          let isWhole = starts.count == 1
          ranges.append(
            Range(extraction: extraction, pages: isWhole ? nil : PageRange(first: first, end: end)))
        }
      }
    }
    self.ranges = ranges
  }

  init(_ ranges: [Range]) { self.ranges = ranges }

  /// Returns the number of rows; `write` is called by one thread at a time, with whole lines.
  ///
  /// So is `tell`, with what is to be known of a range that has a place.
  func run(
    _ options: SnapshotOptions, at snapshot: Snapshot, tool: String,
    tell: @escaping @Sendable (Range, Event) throws -> Void = { _, _ in },
    _ write: @escaping @Sendable (borrowing ByteBuffer, _ rows: Int) throws -> Void
  ) throws -> Int {
    let connect: @Sendable () throws -> Connection = {
      let connection = try Connection(options.connection, applicationName: tool)
      try connection.beginReading(at: snapshot)
      return connection
    }
    var group = ThreadGroup()
    do {
      for _ in 0..<min(options.jobs, ranges.count) {
        try group.start {
          do { try work(connect, tell, write) } catch { fail(error) }
        }
      }
    } catch {
      fail(error)
    }
    group.join()
    let result = turns.read { $0 }
    if let failure = result.failure { throw failure }
    return result.rows
  }

  private func fail(_ error: any Error) {
    turns.update { if $0.failure == nil { $0.failure = error } }
  }

  private func work(
    _ connect: () throws -> Connection, _ tell: (Range, Event) throws -> Void,
    _ write: (borrowing ByteBuffer, _ rows: Int) throws -> Void
  ) throws {
    let connection = try connect()
    while let range = takeRange() {
      var hasBegun = false
      let rows = try range.extraction.run(on: connection, range: range.pages) { batch, rows in
        try StopSignal.check()
        try turns.update { turns in
          if let failure = turns.failure { throw failure }
          if !hasBegun { try tell(range, .began) }
          hasBegun = true
          try write(batch, turns.rows + rows)
        }
      }
      try turns.update { turns in
        if let failure = turns.failure { throw failure }
        turns.rows += rows
        try tell(range, .ended)
      }
    }
  }

  private func takeRange() -> Range? {
    turns.update { turns in
      guard turns.failure == nil, turns.next < ranges.count else { return nil }
      defer { turns.next += 1 }
      return ranges[turns.next]
    }
  }
}
