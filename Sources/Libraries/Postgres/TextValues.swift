public import Bytes
internal import Posix

/// Turns JSON arrays and objects into the text of a relation's own types.
public struct TextValues: ~Copyable {
  private let columns: [TargetColumn]
  private var literal = LiteralWriter()

  init(_ columns: [TargetColumn]) { self.columns = columns }

  public init(of relation: Relation, on connection: borrowing Connection) throws {
    columns = try TargetColumn.list(of: relation, on: connection)
  }

  /// Appends the text of `value`, which is not null, for the relation's column with that index.
  ///
  /// What the type has no form for is handed over as JSON text, for the server to judge.
  public mutating func append(
    _ value: Span<UInt8>, column: Int, to out: inout ByteBuffer
  ) throws(RowError) {
    let column = columns[column]
    if column.shape == .scalar { return out.append(value) }
    do throws(ValueError) { _ = try literal.write(value, as: column.shape) } catch {
      throw RowError(column: column.name, problem: error.problem)
    }
    out.append(literal.span)
  }
}
