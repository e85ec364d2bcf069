internal import Postgres

/// The statements that make a partition.
///
/// It is made as a table by itself and then attached: CREATE TABLE … PARTITION OF would lock the
/// table above against everybody, and ATTACH PARTITION does not.
struct CreationSQL {
  let creation: Creation
  let rule: InheritanceRule
  let model: SiblingModel
  /// Of its parts with rows; that of the partition itself where it has none.
  let leafModel: SiblingModel
  /// 150004 is 15.4.
  let serverVersion: Int
  /// Whether rows will be in it when it is attached, which a constraint then vouches for.
  let isDrained: Bool

  private var table: String { Self.name(creation.partition) }
  private var parent: String { creation.parent.sqlName }
  private var bound: String {
    creation.partition.bound.text(types: creation.parent.key.map(\.type))
  }

  private static func name(_ partition: NewPartition) -> String {
    Quoting.qualified(partition.schema, partition.name)
  }

  var statements: [String] {
    let partition = creation.partition
    let own = partition.partitionBy == nil ? leafModel : model
    var list = [
      "CREATE \(persistence(partition))TABLE \(table) (LIKE \(parent) \(copied))"
        + placement(partition, own)
    ]
    list.append("ALTER TABLE \(table) OWNER TO \(Quoting.identifier(owner))")
    for part in partition.parts { list += statements(of: part, below: partition) }
    let condition = isDrained ? partition.condition : nil
    if let condition {
      list.append("ALTER TABLE \(table) ADD CONSTRAINT sluice_bound CHECK (\(condition))")
    }
    list.append("ALTER TABLE \(parent) ATTACH PARTITION \(table) \(bound)")
    if condition != nil { list.append("ALTER TABLE \(table) DROP CONSTRAINT sluice_bound") }
    list += privileges(partition)
    for leaf in leaves(of: partition) { list += identity(leaf) }
    for publication in publications {
      list += leaves(of: partition).map {
        "ALTER PUBLICATION \(Quoting.identifier(publication)) ADD TABLE \(Self.name($0))"
      }
    }
    return list
  }

  /// Below a table that nobody else sees yet PARTITION OF locks nobody out.
  private func statements(of part: NewPartition, below parent: NewPartition) -> [String] {
    let name = Self.name(part)
    var list = [
      "CREATE \(persistence(part))TABLE \(name) PARTITION OF \(Self.name(parent)) "
        + part.bound.text(types: []) + placement(part, part.partitionBy == nil ? leafModel : model),
      "ALTER TABLE \(name) OWNER TO \(Quoting.identifier(owner))",
    ]
    for deeper in part.parts { list += statements(of: deeper, below: part) }
    return list + privileges(part)
  }

  private func leaves(of partition: NewPartition) -> [NewPartition] {
    partition.partitionBy == nil ? [partition] : partition.parts.flatMap(leaves)
  }

  /// What ATTACH PARTITION wants to find; indexes, keys and triggers it makes itself.
  private var copied: String {
    let all =
      ["DEFAULTS", "CONSTRAINTS", "GENERATED", "STORAGE"]
      + (serverVersion >= 140_000 ? ["COMPRESSION"] : [])
    return all.map { "INCLUDING \($0)" }.joined(separator: " ")
  }

  private var owner: String { rule.owner ?? model.owner }

  private func persistence(_ partition: NewPartition) -> String {
    leafModel.isUnlogged && partition.partitionBy == nil ? "UNLOGGED " : ""
  }

  private func placement(_ partition: NewPartition, _ model: SiblingModel) -> String {
    var text = partition.partitionBy.map { " PARTITION BY \($0)" } ?? ""
    if partition.partitionBy == nil {
      if let method = model.accessMethod { text += " USING \(Quoting.identifier(method))" }
      if !storage.isEmpty { text += " WITH (\(storage.joined(separator: ", ")))" }
    }
    if let tablespace = rule.tablespace ?? model.tablespace {
      text += " TABLESPACE \(Quoting.identifier(tablespace))"
    }
    return text
  }

  /// Declared ones win over the sibling's.
  private var storage: [String] {
    let declared = rule.storage.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
    let inherited = leafModel.storage.filter { rule.storage[$0.name] == nil }
    return (inherited + declared).map { option in
      let parts = option.name.split(separator: ".").map { Quoting.identifier(String($0)) }
      return "\(parts.joined(separator: ".")) = \(Quoting.literal(option.value))"
    }
  }

  private func privileges(_ partition: NewPartition) -> [String] {
    model.grants.filter { $0.role != owner }.map { grant in
      "GRANT \(grant.privileges.joined(separator: ", ")) ON TABLE \(Self.name(partition)) TO "
        + (grant.role.map(Quoting.identifier) ?? "PUBLIC")
        + (grant.isGrantable ? " WITH GRANT OPTION" : "")
    }
  }

  private var publications: [String] { rule.publications ?? leafModel.publications }

  private func identity(_ leaf: NewPartition) -> [String] {
    let name = Self.name(leaf)
    switch leafModel.replicaIdentity {
    case "f": return ["ALTER TABLE \(name) REPLICA IDENTITY FULL"]
    case "n": return ["ALTER TABLE \(name) REPLICA IDENTITY NOTHING"]
    case "i" where !leafModel.identityColumns.isEmpty: return [identityByIndex(name)]
    default: return []
    }
  }

  /// The server gave the index its name when the table was attached, so that it must be looked up.
  private func identityByIndex(_ name: String) -> String {
    Self.identityByIndex(
      name, columns: Quoting.literal(Quoting.array(leafModel.identityColumns)))
  }

  /// True if the literal `text` is the body of such a statement.
  static func isIdentityByIndex(_ text: [UInt8], of table: String) -> Bool {
    let statement = Array("DO ".utf8) + text
    // What is left between the ends, once the columns are taken out, must be one constant.
    let parts = identityByIndex(table, columns: "\u{1}").split(separator: "\u{1}")
    guard parts.count == 2, statement.count > parts[0].utf8.count + parts[1].utf8.count,
      statement.starts(with: parts[0].utf8),
      statement.reversed().starts(with: parts[1].utf8.reversed())
    else { return false }
    let middle = statement.dropFirst(parts[0].utf8.count).dropLast(parts[1].utf8.count)
    // Quotes in it are doubled, as it is a constant in a constant.
    var (columns, rest) = ([UInt8](), middle)
    while let byte = rest.popFirst() {
      columns.append(byte)
      if byte == UInt8(ascii: "'"), rest.popFirst() != byte { return false }
    }
    guard var tokens = SQLTokens(String(decoding: columns, as: UTF8.self)) else { return false }
    return tokens.take(.literal) != nil && tokens.isAtEnd
  }

  private static func identityByIndex(_ name: String, columns: String) -> String {
    let body = """
      DECLARE found name; BEGIN
      SELECT c.relname INTO STRICT found FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
      WHERE i.indrelid = \(Quoting.literal(name))::pg_catalog.regclass AND i.indisunique
        AND (SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.o)
          FROM pg_catalog.unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (n, o)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n
          WHERE k.o <= i.indnkeyatts) = \(columns)::text[]
      ORDER BY c.relname LIMIT 1;
      EXECUTE pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I',
        \(Quoting.literal(name)), found);
      END
      """
    return "DO \(Quoting.literal(body))"
  }
}
