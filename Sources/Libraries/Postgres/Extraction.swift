public import Bytes
internal import Posix

/// Reads a relation and hands out its rows as JSON lines.
public struct Extraction: Sendable {
  private let plan: ExtractPlan
  private let encoder: RowEncoder
  /// A batch is handed out when it has grown to this size.
  static var batchBytes: Int { 256 << 10 }

  /// Each row stands between `head` and `tail` on its line.
  public init(
    _ plan: ExtractPlan, quoteNumbers: Bool, head: [UInt8] = [], tail: [UInt8] = []
  ) {
    self.plan = plan
    encoder = RowEncoder(plan.columns, quoteNumbers: quoteNumbers, head: head, tail: tail)
  }

  /// Reads all of it, or the pages in `range`; returns the number of rows.
  ///
  /// `write` gets whole lines, in batches.
  public func run(
    on connection: borrowing Connection, range: PageRange? = nil,
    _ write: (borrowing ByteBuffer, _ rows: Int) throws -> Void
  ) throws -> Int {
    var buffer = ByteBuffer(capacity: Self.batchBytes + (64 << 10))
    var rows = 0
    try CopyOut.run(plan.copyStatement(range: range), on: connection) { row in
      do throws(DecodeError) { try encoder.append(row, to: &buffer) } catch {
        throw Failure(
          .bug, "the server sent a row that is not COPY text", detail: "row \(rows + 1): \(error)")
      }
      rows += 1
      guard buffer.count >= Self.batchBytes else { return }
      try write(buffer, rows)
      buffer.removeAll()
    }
    if !buffer.isEmpty { try write(buffer, rows) }
    return rows
  }
}
