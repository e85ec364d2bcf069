internal import Bytes
public import JSON
public import Posix
public import Postgres

/// Makes a table a partition again, with the bound that its record tells of.
///
/// A constraint that says what the bound says is added before, so that the attach need not look at
/// the rows while it holds its lock. Every statement goes by itself: text of a record cannot make
/// two of one.
public struct PartitionAttach: Sendable {
  private let child: (schema: String, name: String)
  private let parent: String
  private let bound: String
  /// `true` where the bound cannot be told as a condition that spares the scan.
  private let condition: String

  /// Throws a `Failure` (65) where the record is not of a declared partition.
  public init(_ record: Record) throws(Failure) {
    guard let schema = record.string("partition_schema"), let name = record.string("partition"),
      let parentSchema = record.string("parent_schema"), let parent = record.string("parent"),
      let bound = record.string("bound")
    else { throw Failure(.badInput, "the record is not of a partition that can be attached") }
    do throws(Failure) { _ = try PartitionBound(parsing: bound) } catch {
      throw Failure(.badInput, "the record's bound cannot be read", detail: error.message)
    }
    child = (schema, name)
    self.parent = Quoting.qualified(parentSchema, parent)
    self.bound = bound
    // That of a hash partition names its parent by a number, which may be another's by now.
    let constraint = record.string("constraint") ?? "true"
    condition = constraint.holds("satisfies_hash_partition") ? "true" : constraint
  }

  /// Attaches it, or does nothing where it is attached already; true if it was attached now.
  ///
  /// `lockTimeout` is in milliseconds; 0 waits for ever.
  public func run(on connection: borrowing Connection, lockTimeout: Int) throws -> Bool {
    try connection.execute("BEGIN; SET LOCAL lock_timeout = \(lockTimeout)")
    if try isAttached(on: connection) { return false }
    let table = Quoting.qualified(child.schema, child.name)
    for statement in [
      "ALTER TABLE \(table) ADD CONSTRAINT sluice_bound CHECK (\(condition)\n)",
      "ALTER TABLE \(parent) ATTACH PARTITION \(table) \(bound)",
      "ALTER TABLE \(table) DROP CONSTRAINT sluice_bound", "COMMIT",
    ] { _ = try connection.query(statement) }
    return true
  }

  private func isAttached(on connection: borrowing Connection) throws -> Bool {
    let rows = try connection.query(
      """
      SELECT c.relispartition AND i.inhparent = pg_catalog.to_regclass($3)
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid
      WHERE n.nspname = $1 AND c.relname = $2
      """, [child.schema, child.name, parent])
    guard rows.count > 0 else {
      throw Failure(
        .badInput, "table \(Quoting.qualified(child.schema, child.name)) does not exist")
    }
    return rows.boolean(0, 0)
  }
}
