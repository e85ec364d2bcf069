internal import Bytes
internal import Posix

/// A column of a relation, as the catalog has it.
public struct Column: Sendable, Equatable {
  public let name: String
  /// As `format_type` writes it where the search path is empty, for example `numeric(10,2)`.
  public let type: String
  public let notNull: Bool
  /// True for a column that the server computes: it is read, but cannot be written.
  public let isGenerated: Bool
  /// How its COPY text becomes JSON.
  let encoding: ColumnEncoding

  /// True for `json`, `jsonb` and domains of them, whose values are embedded.
  public var isJSON: Bool { encoding == .json }

  /// Names are the same only byte for byte: the server does not care how Unicode composes them.
  public func isNamed(_ name: String) -> Bool { self.name.hasSameBytes(as: name) }

  /// The column read as changes of it are sent: what has no encoder here is text.
  var asText: Column {
    Column(
      name: name, type: type, notNull: notNull, isGenerated: isGenerated,
      encoding: encoding == .server ? .string : encoding)
  }
}

/// A relation that can be read.
public struct Relation: Sendable {
  public let schema: String
  public let name: String
  /// `r` table, `p` partitioned table, `m` materialized view, `v` view, `f` foreign table.
  public let kind: Character
  public let columns: [Column]
  /// True if tables inherit from it, whose rows are its rows too.
  let hasHeirs: Bool

  /// Its name as SQL writes it.
  public var sqlName: String { Quoting.qualified(schema, name) }

  /// Looks up a relation by a name written as in SQL, for example `public."My Table"`.
  ///
  /// Throws `PostgresError`, or a `Failure` when there is no such relation (65).
  public init(named text: String, on connection: borrowing Connection) throws {
    try self.init("to_regclass($1)", text, shown: text, on: connection)
  }

  /// Looks up a relation by schema and name.
  public init(schema: String, name: String, on connection: borrowing Connection) throws {
    let quoted = Quoting.qualified(schema, name)
    try self.init("to_regclass($1)", quoted, shown: quoted, on: connection)
  }

  private init(
    _ lookup: String, _ argument: String, shown: String, on connection: borrowing Connection
  ) throws {
    let found = try connection.query(
      """
      SELECT n.nspname, c.relname, c.relkind, c.oid, c.relhassubclass FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = \(lookup)
      """, [argument])
    guard found.count == 1, let kind = found.text(0, 2).first else {
      throw Failure(.badInput, "relation \(shown) does not exist")
    }
    guard "rpmvf".contains(kind) else {
      throw Failure(.badInput, "\(shown) is not a table or view")
    }
    schema = found.text(0, 0)
    name = found.text(0, 1)
    self.kind = kind
    hasHeirs = kind == "r" && found.boolean(0, 4)
    columns = try Self.columns(of: found.text(0, 3), on: connection)
  }

  private static func columns(
    of oid: String, on connection: borrowing Connection
  ) throws -> [Column] {
    try columns(ofAll: [oid], on: connection)[oid] ?? []
  }

  /// The columns of many relations at once, by the OID of each.
  public static func columns(
    ofAll oids: [String], on connection: borrowing Connection
  ) throws -> [String: [Column]] {
    let rows = try connection.query(
      """
      WITH RECURSIVE base AS (
        SELECT a.attrelid, a.attnum, t.oid, t.typtype, t.typbasetype, t.typelem, t.typlen
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT b.attrelid, b.attnum, t.oid, t.typtype, t.typbasetype, t.typelem, t.typlen
        FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.typbasetype WHERE b.typtype = 'd')
      SELECT a.attrelid, a.attname,
        CASE WHEN s.typnamespace <> 'pg_catalog'::pg_catalog.regnamespace AND pg_catalog.pg_type_is_visible(s.oid)
          THEN pg_catalog.quote_ident(n.nspname) || '.' ELSE '' END
        || pg_catalog.format_type(a.atttypid, a.atttypmod),
        a.attnotnull, a.attgenerated <> '', b.oid, b.typtype, b.typelem <> 0 AND b.typlen = -1,
        EXISTS (SELECT FROM pg_catalog.pg_cast
          WHERE castsource = b.oid AND casttarget = 'json'::pg_catalog.regtype AND castmethod = 'f')
      FROM base b JOIN pg_catalog.pg_attribute a USING (attrelid, attnum)
      JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
      -- The type that is spelt: of an array its element's.
      JOIN pg_catalog.pg_type s ON s.oid = CASE WHEN t.typelem <> 0 AND t.typlen = -1 THEN t.typelem ELSE t.oid END
      JOIN pg_catalog.pg_namespace n ON n.oid = s.typnamespace
      WHERE b.typtype <> 'd' ORDER BY a.attrelid, a.attnum
      """, [Quoting.array(oids)])
    var columns: [String: [Column]] = [:]
    for row in 0..<rows.count {
      let column = Column(
        name: rows.text(row, 1), type: rows.text(row, 2), notNull: rows.boolean(row, 3),
        isGenerated: rows.boolean(row, 4),
        encoding: ColumnEncoding(
          baseType: rows.integer(row, 5) ?? 0, kind: rows.text(row, 6),
          isArray: rows.boolean(row, 7), hasCast: rows.boolean(row, 8)))
      columns[rows.text(row, 0), default: []].append(column)
    }
    return columns
  }
}
