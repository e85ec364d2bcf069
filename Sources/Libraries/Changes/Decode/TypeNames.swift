internal import Postgres

/// The names of built-in types, which a publication tells only the numbers of.
struct TypeNames: Sendable {
  /// Sources: `pg_type` of PostgreSQL 15 to 18, whose numbers never change.
  ///
  /// The type, its array, its name.
  private static var builtIn: [(UInt32, UInt32, String)] {
    [
      (16, 1000, "boolean"), (17, 1001, "bytea"), (18, 1002, "\"char\""), (19, 1003, "name"),
      (20, 1016, "bigint"), (21, 1005, "smallint"), (22, 1006, "int2vector"),
      (23, 1007, "integer"), (24, 1008, "regproc"), (25, 1009, "text"), (26, 1028, "oid"),
      (27, 1010, "tid"), (28, 1011, "xid"), (29, 1012, "cid"), (30, 1013, "oidvector"),
      (114, 199, "json"), (142, 143, "xml"), (600, 1017, "point"), (601, 1018, "lseg"),
      (602, 1019, "path"), (603, 1020, "box"), (604, 1027, "polygon"), (628, 629, "line"),
      (650, 651, "cidr"), (700, 1021, "real"), (701, 1022, "double precision"),
      (718, 719, "circle"), (774, 775, "macaddr8"), (790, 791, "money"), (829, 1040, "macaddr"),
      (869, 1041, "inet"), (1033, 1034, "aclitem"), (1042, 1014, "character"),
      (1043, 1015, "character varying"), (1082, 1182, "date"),
      (1083, 1183, "time without time zone"), (1114, 1115, "timestamp without time zone"),
      (1184, 1185, "timestamp with time zone"), (1186, 1187, "interval"),
      (1266, 1270, "time with time zone"), (1560, 1561, "bit"), (1562, 1563, "bit varying"),
      (1700, 1231, "numeric"), (1790, 2201, "refcursor"), (2202, 2207, "regprocedure"),
      (2203, 2208, "regoper"), (2204, 2209, "regoperator"), (2205, 2210, "regclass"),
      (2206, 2211, "regtype"), (2950, 2951, "uuid"), (2970, 2949, "txid_snapshot"),
      (3220, 3221, "pg_lsn"),
      (3614, 3643, "tsvector"), (3615, 3645, "tsquery"), (3642, 3644, "gtsvector"),
      (3734, 3735, "regconfig"), (3769, 3770, "regdictionary"), (3802, 3807, "jsonb"),
      (3904, 3905, "int4range"), (3906, 3907, "numrange"), (3908, 3909, "tsrange"),
      (3910, 3911, "tstzrange"), (3912, 3913, "daterange"), (3926, 3927, "int8range"),
      (4072, 4073, "jsonpath"), (4089, 4090, "regnamespace"), (4096, 4097, "regrole"),
      (4191, 4192, "regcollation"), (4451, 6150, "int4multirange"),
      (4532, 6151, "nummultirange"), (4533, 6152, "tsmultirange"),
      (4534, 6153, "tstzmultirange"), (4535, 6155, "datemultirange"),
      (4536, 6157, "int8multirange"), (5038, 5039, "pg_snapshot"), (5069, 271, "xid8"),
    ]
  }

  private var names: [UInt32: String] = [:]

  init() {
    for (type, array, name) in Self.builtIn {
      names[type] = name
      if array != 0 { names[array] = name + "[]" }
    }
  }

  /// Those that the catalog calls otherwise than SQL does.
  private static var internalNames: [String: String] {
    [
      "bool": "boolean", "int8": "bigint", "int2": "smallint", "int4": "integer",
      "float4": "real", "float8": "double precision", "bpchar": "character",
      "varchar": "character varying", "varbit": "bit varying", "char": "\"char\"",
      "time": "time without time zone", "timetz": "time with time zone",
      "timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone",
    ]
  }

  /// Of types that are not built in, the built-in one that they are domains of.
  private var bases: [UInt32: UInt32] = [:]

  /// Takes the server's announcement of a type that is not built in; of a domain it names the type below.
  ///
  /// `schema` is empty for `pg_catalog`.
  mutating func learn(_ type: UInt32, schema: String, name: String) {
    guard schema.isEmpty else {
      names[type] = Quoting.qualified(schema, name)
      return
    }
    let isArray = name.hasPrefix("_")
    let element = isArray ? String(name.dropFirst()) : name
    let known = (Self.internalNames[element] ?? element) + (isArray ? "[]" : "")
    bases[type] = names.first { $0.key < 16384 && $0.value == known }?.key
    names[type] = bases[type] == nil ? Quoting.identifier(name) : known
  }

  /// The built-in type that a type's values look like; the type itself where there is none.
  func base(of type: UInt32) -> UInt32 { bases[type] ?? type }

  /// As `format_type` writes it; nil for a type that was not announced.
  func name(_ type: UInt32, modifier: Int32) -> String? {
    guard let name = names[type] else { return nil }
    let isArray = name.hasSuffix("[]")
    let plain = isArray ? String(name.dropLast(2)) : name
    return Self.modified(plain, modifier) + (isArray ? "[]" : "")
  }

  private static func modified(_ name: String, _ modifier: Int32) -> String {
    guard modifier >= 0 else {
      // Without a length these two mean a length of 1 to SQL.
      return name == "character" ? "bpchar" : name == "bit" ? "\"bit\"" : name
    }
    return switch name {
    case "character varying", "character": "\(name)(\(modifier &- 4))"
    case "bit", "bit varying": "\(name)(\(modifier))"
    case "numeric": numeric(modifier &- 4)
    case "interval": interval(modifier)
    case _ where name.hasPrefix("time"): precise(name, modifier)
    default: name
    }
  }

  /// Precision in the upper half; scale, which may be negative, in the lower eleven bits.
  private static func numeric(_ bits: Int32) -> String {
    let scale = ((bits & 0x7FF) ^ 1024) &- 1024
    return "numeric(\((bits >> 16) & 0xFFFF),\(scale))"
  }

  /// The fields that it has in the upper half, all of them as 0x7FFF; digits of a second in the lower, all as 0xFFFF.
  private static func interval(_ bits: Int32) -> String {
    let names = [
      (2, "year"), (1, "month"), (3, "day"), (10, "hour"), (11, "minute"), (12, "second"),
    ]
    let fields = names.filter { (bits >> 16) & 1 << Int32($0.0) != 0 }.map(\.1)
    var text = "interval"
    if let first = fields.first, let last = fields.last, fields.count < names.count {
      text += first == last ? " \(first)" : " \(first) to \(last)"
    }
    return bits & 0xFFFF == 0xFFFF ? text : "\(text)(\(bits & 0xFFFF))"
  }

  /// `timestamp(3) with time zone`.
  private static func precise(_ name: String, _ modifier: Int32) -> String {
    let words = name.split(separator: " ", maxSplits: 1)
    guard words.count == 2 else { return name }
    return "\(words[0])(\(modifier)) \(words[1])"
  }
}
