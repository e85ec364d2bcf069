internal import CLibPQ
internal import Posix

/// The rows of a `COPY … TO STDOUT`, as they come.
public struct CopyOut: ~Copyable {
  /// Starts `sql` and calls `row` with each row, its line feed included; returns their number.
  ///
  /// The span is valid during the call only. When `row` throws, the statement is cancelled, and
  /// the connection is of no further use.
  /// The corresponding C function is `PQgetCopyData`.
  @discardableResult
  public static func run(
    _ sql: String, on connection: borrowing Connection, _ row: (Span<UInt8>) throws -> Void
  ) throws -> Int {
    let handle = unsafe connection.handle
    // As one statement, which a condition from outside cannot make two of.
    _ = try connection.query(sql)
    var count = 0
    while true {
      var buffer: UnsafeMutablePointer<CChar>? = nil
      let length = unsafe PQgetCopyData(handle, &buffer, 1)
      if length == 0 {
        try connection.waitForMore()
        continue
      }
      guard length > 0, let start = unsafe buffer else { break }
      defer { unsafe PQfreemem(start) }
      let bytes = unsafe UnsafeRawBufferPointer(start: start, count: Int(length))
      do { try row(unsafe Span<UInt8>(_unsafeBytes: bytes)) } catch {
        connection.cancel()
        throw error
      }
      count += 1
    }
    _ = try connection.finish()
    return count
  }
}

extension Connection {
  /// Rows gather for so long before they are looked for again.
  private var gatheringMicroseconds: Int64 { 300 }

  /// Waits for bytes and takes them in; a stop signal cancels the statement.
  ///
  /// A server writes 8 KiB at a time, and waking for each who waits for them takes it as long as some rows do. While
  /// nothing is there we sleep by the clock, and find many of them.
  borrowing func waitForMore() throws {
    if unsafe !Descriptor(rawValue: PQsocket(handle)).isReadable(within: 0) {
      // A stop signal is heeded below.
      try? Clock.sleep(microseconds: gatheringMicroseconds)
    }
    var isFirst = true
    try waitForInput {
      defer { isFirst = false }
      return !isFirst
    }
  }
}
