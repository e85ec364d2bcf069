internal import Postgres

/// What a type's name says of its values.
struct ValueType: Equatable {
  enum Kind {
    case integer, oid, real, numeric, money, boolean, bytea, bits, json, interval, point
    case date, time, timeWithZone, timestamp, timestampWithZone
    /// Everything that other formats write as text, too.
    case text
  }

  /// Of the elements, for an array.
  let kind: Kind
  /// The digits of a second's fraction, or the number of bits; nil where the type sets no limit.
  let modifier: Int?
  let isArray: Bool
  /// What stands between an array's elements.
  let delimiter: UInt8

  /// Takes apart what a relation event says: `timestamp(3) without time zone[]`.
  init(_ name: String) {
    let hasBrackets = name.hasSuffix("[]")
    let (base, modifier) = Self.split(hasBrackets ? String(name.dropLast(2)) : name)
    isArray = hasBrackets || Self.isArrayType(name)
    kind = Self.kind(base)
    self.modifier = modifier
    delimiter = base == "box" ? UInt8(ascii: ";") : UInt8(ascii: ",")
  }

  private static func split(_ name: String) -> (base: String, modifier: Int?) {
    guard !name.hasPrefix("\""), let open = name.firstIndex(of: "("),
      let close = name[open...].firstIndex(of: ")")
    else { return (name, nil) }
    let inside = name[name.index(after: open)..<close]
    return (
      String(name[..<open] + name[name.index(after: close)...]),
      inside.split(separator: ",").first.flatMap { Int($0) }
    )
  }

  /// The server names the array of a type that is not built in after the type, with an underscore before it.
  private static func isArrayType(_ name: String) -> Bool {
    guard name.hasPrefix("\""), let (schema, type) = try? Quoting.qualifiedName(name) else {
      return false
    }
    return schema != nil && type.hasPrefix("_")
  }

  private static func kind(_ base: String) -> Kind {
    switch base {
    case "smallint", "integer", "bigint": .integer
    case "oid": .oid
    case "real", "double precision": .real
    case "numeric": .numeric
    case "money": .money
    case "boolean": .boolean
    case "bytea": .bytea
    case "bit", "bit varying": .bits
    case "json", "jsonb": .json
    case _ where base.hasPrefix("interval"): .interval
    case "point": .point
    case "date": .date
    case "time without time zone": .time
    case "time with time zone": .timeWithZone
    case "timestamp without time zone": .timestamp
    case "timestamp with time zone": .timestampWithZone
    default: .text
    }
  }
}
