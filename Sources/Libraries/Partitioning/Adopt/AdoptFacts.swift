internal import Posix
internal import Postgres

/// What a table has that does not come along by itself, as the catalog tells it.
///
/// Definitions name everything with its schema, as the reading transaction has no search path.
struct AdoptFacts: Sendable {
  /// An index or a foreign key, with the statement that makes it for the table of the name.
  struct Part: Sendable {
    let name: String
    let definition: String
  }

  /// A column whose values come from a sequence.
  struct Sequence: Sendable {
    let column: String
    let schema: String
    let name: String
    /// `ALWAYS` or `BY DEFAULT`; nil for a column that only has a default.
    let identity: String?
    /// As CREATE SEQUENCE takes them.
    let options: String
  }

  let indexes: [Part]
  let foreignKeys: [Part]
  let triggers: [Part]
  let sequences: [Sequence]
  let comment: String?
  let model: SiblingModel
  /// The name of the index that is the replica identity.
  let identityIndex: String?

  init(
    _ oid: String, table: QualifiedName, on connection: borrowing Connection
  ) throws {
    guard let model = try SiblingModel.read([oid], on: connection)[oid] else {
      throw Failure(.badInput, "table \(table.sql) is gone")
    }
    self.model = model
    let parameters = [oid, table.sql]
    indexes = try Self.parts(Self.indexQuery, parameters, on: connection)
    foreignKeys = try Self.parts(
      """
      SELECT conname, pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', $2::text, conname,
        pg_catalog.pg_get_constraintdef(oid))
      FROM pg_catalog.pg_constraint WHERE conrelid = $1::oid AND contype = 'f' ORDER BY conname
      """, parameters, on: connection)
    triggers = try Self.parts(
      """
      SELECT tgname, pg_catalog.pg_get_triggerdef(oid), $2::text FROM pg_catalog.pg_trigger
      WHERE tgrelid = $1::oid AND NOT tgisinternal ORDER BY tgname
      """, parameters, on: connection)
    sequences = try Self.sequences(oid, on: connection)
    let rows = try connection.query(
      """
      SELECT pg_catalog.obj_description($1::oid, 'pg_class'), (SELECT c.relname
        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
        WHERE i.indrelid = $1::oid AND i.indisreplident)
      """, [oid])
    (comment, identityIndex) = (rows.string(0, 0), rows.string(0, 1))
  }

  /// That of a primary or unique key adds the constraint, which makes the index.
  private static var indexQuery: String {
    """
    SELECT c.relname, coalesce(
      (SELECT pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', $2::text, k.conname,
          pg_catalog.pg_get_constraintdef(k.oid))
        FROM pg_catalog.pg_constraint k
        WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u')),
      pg_catalog.pg_get_indexdef(i.indexrelid))
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = $1::oid ORDER BY NOT i.indisprimary, c.relname
    """
  }

  private static func parts(
    _ query: String, _ parameters: [String], on connection: borrowing Connection
  ) throws -> [Part] {
    let rows = try connection.query(query, parameters)
    return (0..<rows.count).map { Part(name: rows.text($0, 0), definition: rows.text($0, 1)) }
  }

  private static func sequences(
    _ oid: String, on connection: borrowing Connection
  ) throws -> [Sequence] {
    let rows = try connection.query(
      """
      SELECT a.attname, n.nspname, c.relname,
        CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END,
        pg_catalog.format('INCREMENT %s MINVALUE %s MAXVALUE %s START %s CACHE %s%s', s.seqincrement,
          s.seqmin, s.seqmax, s.seqstart, s.seqcache, CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END)
      FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind = 'S'
      JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1::oid
        AND d.deptype IN ('a', 'i') ORDER BY a.attnum
      """, [oid])
    return (0..<rows.count).map {
      Sequence(
        column: rows.text($0, 0), schema: rows.text($0, 1), name: rows.text($0, 2),
        identity: rows.string($0, 3), options: rows.text($0, 4))
    }
  }
}
