internal import CLibPQ

/// The rows of one result, in memory that libpq owns.
@safe
public struct Rows: ~Copyable {
  private let handle: OpaquePointer
  init(handle: OpaquePointer) { unsafe self.handle = handle }
  deinit { unsafe PQclear(handle) }

  public var count: Int { Int(unsafe PQntuples(handle)) }
  public var columnCount: Int { Int(unsafe PQnfields(handle)) }

  /// The number of rows that a statement changed or copied; nil where there is no such number.
  public var affected: Int? { unsafe Int(String(cString: PQcmdTuples(handle))) }

  /// The text of a field, borrowed from the result; nil is SQL null.
  ///
  /// The corresponding C functions are `PQgetvalue` and `PQgetlength`.
  @_lifetime(borrow self)
  public borrowing func field(_ row: Int, _ column: Int) -> Span<UInt8>? {
    precondition(row >= 0 && row < count && column >= 0 && column < columnCount)
    let (row, column) = (Int32(row), Int32(column))
    if unsafe PQgetisnull(handle, row, column) == 1 { return nil }
    let length = Int(unsafe PQgetlength(handle, row, column))
    let bytes = unsafe UnsafeRawBufferPointer(start: PQgetvalue(handle, row, column), count: length)
    let span = unsafe Span<UInt8>(_unsafeBytes: bytes)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// A field as text; nil is SQL null.
  public borrowing func string(_ row: Int, _ column: Int) -> String? {
    precondition(row >= 0 && row < count && column >= 0 && column < columnCount)
    let (row, column) = (Int32(row), Int32(column))
    if unsafe PQgetisnull(handle, row, column) == 1 { return nil }
    return unsafe String(cString: PQgetvalue(handle, row, column))
  }

  /// A field that is never null as text; '' where it is null all the same.
  public borrowing func text(_ row: Int, _ column: Int) -> String { string(row, column) ?? "" }

  public borrowing func integer(_ row: Int, _ column: Int) -> Int? {
    string(row, column).flatMap { Int($0) }
  }

  public borrowing func boolean(_ row: Int, _ column: Int) -> Bool { string(row, column) == "t" }
}
