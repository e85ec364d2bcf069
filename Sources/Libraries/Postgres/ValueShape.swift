/// What of a column's type must be known to turn JSON back into the type's own text.
///
/// It is the inverse of `row_to_json`: what that prints as a string, a number or a boolean is the
/// type's text already; only what it prints as an object or an array has to be rebuilt.
indirect enum ValueShape: Sendable, Equatable {
  /// A string, a number or a boolean, whose text the type's input function takes.
  case scalar
  /// JSON text, taken as it stands.
  case json
  /// A type with a cast to json: as scalar, but an object or array is handed over as JSON text.
  case foreign
  /// `{…}`, its elements separated by `delimiter`.
  case array(ValueShape, delimiter: UInt8)
  /// `int2vector` and `oidvector`: numbers with spaces between them.
  case vector
  /// `(…)`, its attributes in the order of the type.
  case composite([Attribute])
  /// `"key"=>"value"` pairs.
  case hstore

  struct Attribute: Sendable, Equatable {
    let name: String
    let shape: ValueShape
  }

  /// True where a JSON array as an element can only be a further dimension of the array around it.
  var isFlat: Bool {
    switch self {
    case .scalar, .composite, .hstore: true
    case .json, .foreign, .array, .vector: false
    }
  }
}

/// A column that rows can be written to.
struct TargetColumn: Sendable, Equatable {
  let name: String
  let shape: ValueShape
  /// The server computes it: a member of its name is passed over.
  var isGenerated = false
  /// Nil where only the text of a value can be sent.
  var form: BinaryForm?
}

extension TargetColumn {
  /// The columns of a relation, with all that their types are made of.
  static func list(of relation: Relation, on connection: borrowing Connection) throws -> [Self] {
    let types = try TypeCatalog(of: relation, on: connection)
    let rows = try connection.query(
      """
      SELECT attname, atttypid, attgenerated <> '' FROM pg_catalog.pg_attribute
      WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
      """, [relation.sqlName])
    return (0..<rows.count).map { row in
      let type = rows.integer(row, 1) ?? 0
      return TargetColumn(
        name: rows.text(row, 0), shape: types.shape(type), isGenerated: rows.boolean(row, 2),
        form: types.form(type))
    }
  }
}

/// The types that the columns of one relation are made of.
private struct TypeCatalog {
  private struct Entry {
    let kind: String
    let name: String
    let base: Int
    let element: Int
    let delimiter: UInt8
    /// What decides for `row_to_json` too.
    let hasCastToJSON: Bool
    var attributes: [(name: String, type: Int)] = []
  }

  private var entries: [Int: Entry] = [:]

  init(of relation: Relation, on connection: borrowing Connection) throws {
    let rows = try connection.query(Self.query, [relation.sqlName])
    for row in 0..<rows.count {
      let oid = rows.integer(row, 0) ?? 0
      let entry = Entry(
        kind: rows.text(row, 1), name: rows.text(row, 2), base: rows.integer(row, 3) ?? 0,
        element: rows.integer(row, 4) ?? 0, delimiter: rows.text(row, 5).utf8.first ?? 0x2C,
        hasCastToJSON: rows.boolean(row, 8))
      entries[oid, default: entry].attributes += Self.attribute(rows, row)
    }
  }

  private static func attribute(
    _ rows: borrowing Rows, _ row: Int
  ) -> [(name: String, type: Int)] {
    guard let name = rows.string(row, 6), let type = rows.integer(row, 7) else { return [] }
    return [(name, type)]
  }

  /// A row for each type that is reachable from a column, and one per attribute for composites.
  private static var query: String {
    """
    WITH RECURSIVE needed(oid) AS (
      SELECT atttypid FROM pg_catalog.pg_attribute
      WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped
      UNION
      SELECT part.oid FROM needed n JOIN pg_catalog.pg_type t ON t.oid = n.oid,
      LATERAL (SELECT t.typbasetype WHERE t.typtype = 'd'
        UNION ALL SELECT t.typelem WHERE t.typelem <> 0 AND t.typlen = -1
        UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
      ) AS part(oid))
    SELECT t.oid, t.typtype, t.typname, t.typbasetype, e.oid, e.typdelim, a.attname, a.atttypid,
      EXISTS (SELECT FROM pg_catalog.pg_cast WHERE castsource = t.oid AND casttarget = 114)
    FROM needed JOIN pg_catalog.pg_type t USING (oid)
    LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typlen = -1
    LEFT JOIN pg_catalog.pg_attribute a
      ON t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY t.oid, a.attnum
    """
  }

  /// The server lets no type contain itself, so this ends.
  func shape(_ oid: Int) -> ValueShape {
    guard let entry = entries[oid] else { return .foreign }
    switch entry.kind {
    case "d": return shape(entry.base)
    case "c":
      return .composite(entry.attributes.map { .init(name: $0.name, shape: shape($0.type)) })
    case "b": return base(oid, entry)
    default: return .scalar
    }
  }

  /// A domain is read as the type below it, and then checked.
  func form(_ oid: Int) -> BinaryForm? {
    guard let entry = entries[oid] else { return nil }
    switch entry.kind {
    case "d": return form(entry.base)
    case "e": return .text
    // What has a cast of its own may come as anything.
    default: return shape(oid) == .foreign ? nil : BinaryForm(typeOID: oid)
    }
  }

  private func base(_ oid: Int, _ entry: Entry) -> ValueShape {
    let (json, jsonb, int2vector, oidvector) = (114, 3802, 22, 30)
    switch oid {
    case json, jsonb: return .json
    case int2vector, oidvector: return .vector
    default: break
    }
    if entry.element != 0 {
      return .array(shape(entry.element), delimiter: entry.delimiter)
    }
    return entry.hasCastToJSON ? entry.name == "hstore" ? .hstore : .foreign : .scalar
  }
}
