internal import JSON
internal import Posix
internal import Postgres

/// What the statements of an adoption's step may be: those that the catalog, as it is now, asks for.
///
/// A record's text is never run for what it is. The statements are made anew and must be the same, so that a table that
/// has an index more by now is not made over without it; the partitions ahead, which come last, must be of a plan's forms.
struct AdoptShape {
  let target: ActionTarget

  /// What is not as it should be; nil where nothing is.
  func difference(on connection: borrowing Connection) throws -> String? {
    let wanted: [String]
    do {
      wanted = try statements(on: connection)
    } catch let failure as Failure where failure.exitCode == .badInput {
      return [failure.message, failure.detail].compactMap { $0 }.joined(separator: ": ")
    }
    if let missing = zip(wanted, target.statements).first(where: { $0 != $1 }) {
      return "its sql has \(missing.1) where the table asks for \(missing.0)"
    }
    guard target.statements.count >= wanted.count else {
      return "its sql lacks \(wanted[target.statements.count])"
    }
    let rest = Array(target.statements[wanted.count...])
    var shape = CreationShape(partitionsOf: target.table)
    let stranger = target.kind == .adoptSwap ? shape.stranger(among: rest) : rest.first
    return stranger.map { "its sql has what no plan has: \($0)" }
  }

  private func statements(on connection: borrowing Connection) throws -> [String] {
    if target.kind == .adoptUndo { return try reversal(on: connection) }
    let sql = AdoptSQL(
      table: target.table, history: target.partition, column: target.column ?? "",
      bound: target.bound ?? "", upper: try upper(),
      facts: try AdoptFacts(target.oid ?? "", table: target.table, on: connection))
    return switch target.kind {
    case .adoptCheck: sql.check
    case .adoptValidate: sql.validation
    default: sql.swap
    }
  }

  /// The end of the old rows' partition, which begins nowhere.
  private func upper() throws(Failure) -> String {
    guard case .range([.minimum], let to) = try PartitionBound(parsing: target.bound ?? ""),
      case .value(let upper)? = to.first, to.count == 1
    else { throw Failure(.badInput, "its bound is none of old rows") }
    return upper
  }

  private func reversal(on connection: borrowing Connection) throws -> [String] {
    let catalog = try PlanCatalog([TableName(target.table)], on: connection)
    guard let table = catalog.tables.first ?? nil else {
      throw Failure(.badInput, "table \(target.table.sql) does not exist")
    }
    return ActionTarget.statements(try AdoptReversal(of: table).step(on: connection).record)
  }
}
