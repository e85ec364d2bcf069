public import Bytes
internal import Posix

/// Reads a table by several connections at one snapshot and hands out its rows in table order.
///
/// The table's pages are cut into ranges that the workers take in turn. The worker whose range is
/// the next one hands out as it reads; the others hold what they read, up to a bound, and then
/// wait. So memory is bounded by the number of connections, whatever the table.
public struct ParallelExtraction: Sendable {
  /// Pages in a range, at most: 16 MiB of an ordinary table.
  static var mostPagesInRange: Int { 2048 }
  /// Fewer are not worth a statement.
  static var leastPagesInRange: Int { 64 }
  /// What a worker may hold before it must wait for its turn.
  static var heldBytes: Int { 16 << 20 }

  private struct Turns {
    /// The next range that nobody reads yet.
    var next = 0
    /// The range whose rows come next.
    var current = 0
    var rows = 0
    /// Workers that have not ended.
    var working = 0
    var failure: (any Error)?
  }

  private let extraction: Extraction
  private let ranges: [PageRange]
  private let turns = Monitor(Turns())

  private let jobs: Int

  /// For up to `jobs` connections; `pages` is the size of the table now, and rows on pages added later belong to the
  /// last range.
  public init(_ extraction: Extraction, pages: Int, jobs: Int) {
    self.extraction = extraction
    // Several for each, so that nobody waits long for the last one.
    let share = pages / (4 * jobs)
    let size = max(Self.leastPagesInRange, min(Self.mostPagesInRange, share))
    let starts = Array(stride(from: 0, to: max(1, pages), by: size))
    self.jobs = min(jobs, starts.count)
    ranges = starts.enumerated().map { index, first in
      PageRange(first: first, end: index + 1 < starts.count ? starts[index + 1] : nil)
    }
  }

  /// Reads all of it by `connection` and others made by `connect`; returns the number of rows.
  ///
  /// `write` is called by one thread at a time, with whole lines in order, and the rows up to their end.
  public func run(
    on connection: borrowing Connection,
    connect: @escaping @Sendable () throws -> Connection,
    _ write: @escaping @Sendable (borrowing ByteBuffer, _ rows: Int) throws -> Void
  ) throws -> Int {
    var group = ThreadGroup()
    for _ in 1..<jobs {
      turns.update { $0.working += 1 }
      do throws(SystemError) {
        try group.start {
          do { try work(on: connect(), write) } catch { fail(error) }
          turns.update { $0.working -= 1 }
        }
      } catch {
        turns.update { $0.working -= 1 }
        fail(error)
      }
    }
    do { try work(on: connection, write) } catch { fail(error) }
    // A worker that waits for a stalled reader does not hear of a signal, and goes with the process.
    let haveEnded = turns.wait { turns -> Bool? in
      turns.working == 0 ? true : StopSignal.received != nil ? false : nil
    }
    guard haveEnded else {
      group.abandon()
      throw SystemError.interrupted
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
    on connection: borrowing Connection,
    _ write: (borrowing ByteBuffer, _ rows: Int) throws -> Void
  ) throws {
    while let index = takeRange() { try read(index, on: connection, write) }
  }

  private func takeRange() -> Int? {
    turns.update { turns in
      guard turns.failure == nil, turns.next < ranges.count else { return nil }
      defer { turns.next += 1 }
      return turns.next
    }
  }

  private func read(
    _ index: Int, on connection: borrowing Connection,
    _ write: (borrowing ByteBuffer, _ rows: Int) throws -> Void
  ) throws {
    // All of it at once, because growing would hold it twice; what is not used costs nothing.
    var held = ByteBuffer(capacity: Self.heldBytes + 2 * Extraction.batchBytes)
    let rows = try extraction.run(on: connection, range: ranges[index]) { batch, rows in
      held.append(batch.span)
      guard try isTurn(of: index, waiting: held.count >= Self.heldBytes) else { return }
      try write(held, rowsBefore + rows)
      held.removeAll()
    }
    _ = try isTurn(of: index, waiting: true)
    if !held.isEmpty { try write(held, rowsBefore + rows) }
    turns.update { turns in
      turns.current += 1
      turns.rows += rows
    }
  }

  /// The rows of the ranges that were handed out.
  private var rowsBefore: Int { turns.read { $0.rows } }

  /// True when the rows of range `index` come next; with `waiting` it is true or throws.
  private func isTurn(of index: Int, waiting: Bool) throws -> Bool {
    let outcome: Result<Bool, any Error> = turns.wait { turns in
      if let failure = turns.failure { return .failure(failure) }
      if StopSignal.received != nil { return .failure(SystemError.interrupted) }
      if turns.current == index { return .success(true) }
      return waiting ? nil : .success(false)
    }
    return try outcome.get()
  }
}

extension Relation {
  /// The pages it has on disk now.
  public func pages(on connection: borrowing Connection) throws -> Int {
    let rows = try connection.query(
      """
      SELECT pg_catalog.pg_relation_size($1::regclass)
        / pg_catalog.current_setting('block_size')::bigint
      """, [sqlName])
    return rows.integer(0, 0) ?? 0
  }
}
