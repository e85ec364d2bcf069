internal import Postgres

/// What the statements of a creation may be: those that make one new table with its parts, and attach it.
///
/// A record's text is never run for what it is. Each statement must be of a form that a plan has, and be about tables
/// that the statements before it have made; the only one that touches another is the attach, which must be the record's
/// own table, partition and bound.
struct CreationShape {
  private let parent: String
  /// As SQL; nil where any partition will do.
  private let partition: String?
  private let bound: String?
  private var made: [String] = []
  private var attaches = false

  /// Those of the partition of an action.
  init(_ target: ActionTarget) {
    (parent, partition, bound) = (target.parent.sql, target.partition.sql, target.bound)
  }

  /// Those of any partitions of a table that is new, too.
  init(partitionsOf table: QualifiedName) {
    (parent, partition, bound) = (table.sql, nil, nil)
  }

  /// The first of the statements that is none of these; nil where all are.
  mutating func stranger(among statements: [String]) -> String? {
    statements.first { !fits($0) }
  }

  /// What is wrong with the statements of a creation; nil where they make the partition and attach it.
  mutating func fault(in statements: [String]) -> String? {
    if let stranger = stranger(among: statements) {
      return "has sql that is not what its members stand for: \(stranger)"
    }
    return attaches ? nil : "has sql that attaches nothing to \(parent)"
  }

  private mutating func fits(_ statement: String) -> Bool {
    guard let tokens = SQLTokens(statement) else { return false }
    var other = tokens
    if other.skip("CREATE UNLOGGED TABLE") || other.skip("CREATE TABLE") {
      return fitsCreation(&other)
    }
    if other.skip("ALTER TABLE \(parent) ATTACH PARTITION") {
      attaches = fitsAttach(&other)
      return attaches
    }
    return made.contains { name in Self.fits(tokens, name) }
  }

  private mutating func fitsCreation(_ tokens: inout SQLTokens) -> Bool {
    guard let schema = tokens.take(.name), tokens.skip("."), let name = tokens.take(.name) else {
      return false
    }
    let table = String(decoding: schema.bytes + [UInt8(ascii: ".")] + name.bytes, as: UTF8.self)
    if tokens.skip("(LIKE \(parent)") {
      guard partition == nil || partition == table else { return false }
      while tokens.skip("INCLUDING") { if tokens.take(.word) == nil { return false } }
      guard tokens.skip(")") else { return false }
    } else {
      guard tokens.skip("PARTITION OF"), made.contains(where: { tokens.skip($0) }),
        tokens.skipBound()
      else { return false }
    }
    made.append(table)
    return tokens.skipPlacement() && tokens.isAtEnd
  }

  private func fitsAttach(_ tokens: inout SQLTokens) -> Bool {
    guard let name = made.first(where: { tokens.skip($0) }) else { return false }
    guard let bound else { return tokens.skipBound() && tokens.isAtEnd }
    return name == partition && tokens.skip(bound) && tokens.isAtEnd
  }

  private static func fits(_ tokens: SQLTokens, _ table: String) -> Bool {
    var tokens = tokens
    if tokens.skip("ALTER TABLE \(table)") { return tokens.skipChange() && tokens.isAtEnd }
    if tokens.skip("ALTER PUBLICATION") {
      return tokens.take(.name) != nil && tokens.skip("ADD TABLE \(table)") && tokens.isAtEnd
    }
    if tokens.skip("GRANT") { return tokens.skipGrant(on: table) && tokens.isAtEnd }
    guard tokens.skip("DO"), let body = tokens.take(.literal), tokens.isAtEnd else { return false }
    return CreationSQL.isIdentityByIndex(body.bytes, of: table)
  }
}

extension SQLTokens {
  fileprivate mutating func skipBound() -> Bool {
    if skip("DEFAULT") { return true }
    if skip("FOR VALUES IN") { return skipValues() }
    if skip("FOR VALUES FROM") { return skipValues() && skip("TO") && skipValues() }
    return skip("FOR VALUES WITH (modulus") && take(.number) != nil && skip(", remainder")
      && take(.number) != nil && skip(")")
  }

  private mutating func skipValues() -> Bool {
    guard skip("(") else { return false }
    repeat {
      guard
        take(.literal) != nil || take(.number) != nil || skip("NULL") || skip("MINVALUE")
          || skip("MAXVALUE")
      else { return false }
    } while skip(",")
    return skip(")")
  }

  /// How a table is cut, and where and how its rows are kept.
  fileprivate mutating func skipPlacement() -> Bool {
    if skip("PARTITION BY") {
      guard skip("RANGE") || skip("LIST") || skip("HASH"), skip("("), take(.name) != nil,
        skip(")")
      else { return false }
    }
    if skip("USING"), take(.name) == nil { return false }
    if skip("WITH ("), !skipStorage() { return false }
    return !skip("TABLESPACE") || take(.name) != nil
  }

  private mutating func skipStorage() -> Bool {
    repeat {
      guard take(.name) != nil, !skip(".") || take(.name) != nil, skip("="), take(.literal) != nil
      else { return false }
    } while skip(",")
    return skip(")")
  }

  /// What may be changed of a table that was just made.
  fileprivate mutating func skipChange() -> Bool {
    if skip("OWNER TO") { return take(.name) != nil }
    if skip("REPLICA IDENTITY") { return skip("FULL") || skip("NOTHING") }
    if skip("DROP CONSTRAINT sluice_bound") { return true }
    return skip("ADD CONSTRAINT sluice_bound CHECK") && skipCondition()
  }

  /// Comparisons of columns with constants in parentheses; nothing is called.
  private mutating func skipCondition() -> Bool {
    var (depth, last) = (0, Token?.none)
    while let token = next() {
      if token == Token(kind: .mark, bytes: [UInt8(ascii: "(")]) {
        if let last, last.kind != .mark, !Self.mayOpen.contains(last.bytes) { return false }
        depth += 1
      } else if token == Token(kind: .mark, bytes: [UInt8(ascii: ")")]) {
        depth -= 1
      }
      if depth == 0 { return isAtEnd && last != nil }
      last = token
    }
    return false
  }

  /// Words that a parenthesis may follow.
  private static var mayOpen: [[UInt8]] { ["AND", "OR", "NOT", "IN"].map { Array($0.utf8) } }

  fileprivate mutating func skipGrant(on table: String) -> Bool {
    repeat { if take(.word) == nil { return false } } while skip(",")
    guard skip("ON TABLE \(table) TO"), skip("PUBLIC") || take(.name) != nil else { return false }
    return isAtEnd || skip("WITH GRANT OPTION")
  }
}
