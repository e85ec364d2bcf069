internal import JSON
internal import Posix
internal import Postgres

/// A table by its two names.
struct QualifiedName: Hashable, Sendable {
  let schema: String
  let name: String

  /// As SQL and messages have it.
  var sql: String { Quoting.qualified(schema, name) }
}

/// What an action's record says that it is about.
struct ActionTarget: Sendable {
  let kind: Action.Kind
  let database: String?
  /// The policy's table.
  let table: QualifiedName
  /// The table directly above.
  let parent: QualifiedName
  let partition: QualifiedName
  let bound: String?
  let toSchema: String?
  let needsProof: Bool
  var statements: [String]
  /// What the plan was made on, as text; nil where the plan says nothing of it.
  let parentOID: String?
  let oid: String?
  /// The key of the table that is to be partitioned.
  let column: String?
  let fingerprint: String?

  /// Throws a `Failure` (65) where a member is missing that this kind of action needs.
  init(_ action: Action) throws(Failure) {
    let record = action.record
    kind = action.kind
    database = record.string("database")
    table = try Self.name(record, "schema", "table")
    partition = try Self.name(record, "partition_schema", "partition")
    parent =
      record["parent"]?.string == nil ? table : try Self.name(record, "parent_schema", "parent")
    bound = record.string("bound")
    toSchema = record.string("to_schema")
    needsProof = record.boolean("needs_proof") ?? false
    statements = Self.statements(record)
    let facts = record["facts"]
    parentOID = Self.text(facts?["parent_oid"])
    oid = Self.text(facts?["oid"])
    column = facts?["column"]?.string
    fingerprint = Self.text(facts?["fingerprint"]) ?? record.string("fingerprint")
    try check()
  }

  private static func name(
    _ record: Record, _ schema: String, _ name: String
  ) throws(Failure) -> QualifiedName {
    guard let first = record.string(schema), let second = record.string(name) else {
      throw Failure(.badInput, "the action has no \(schema) or no \(name)")
    }
    return QualifiedName(schema: first, name: second)
  }

  /// What an action stands for.
  static func statements(_ record: Record) -> [String] {
    record["sql"]?.array?.compactMap(\.string) ?? []
  }

  /// Numbers of the catalog come as strings, but others may write them as numbers.
  private static func text(_ value: JSONValue?) -> String? {
    value?.string ?? value?.integer.map(String.init)
  }

  private func check() throws(Failure) {
    let shown = "\(kind.rawValue) of \(partition.sql)"
    if let bound, (try? PartitionBound(parsing: bound)) == nil {
      throw Failure(.badInput, "the \(shown) has a bound that is none: \(bound)")
    }
    switch kind {
    case .create, .drain:
      guard bound != nil, !statements.isEmpty else {
        throw Failure(.badInput, "the \(shown) has no bound or no sql")
      }
      var shape = CreationShape(self)
      if let fault = shape.fault(in: statements) {
        throw Failure(.badInput, "the \(shown) \(fault)")
      }
    case .move:
      guard toSchema != nil else { throw Failure(.badInput, "the \(shown) has no to_schema") }
      fallthrough
    case .detach, .drop:
      guard oid != nil else { throw Failure(.badInput, "the \(shown) has no oid in its facts") }
    case .adoptCheck, .adoptValidate, .adoptSwap, .adoptUndo:
      guard oid != nil, !statements.isEmpty else {
        throw Failure(.badInput, "the \(shown) has no oid in its facts, or no sql")
      }
      guard kind == .adoptUndo || column != nil && bound != nil else {
        throw Failure(.badInput, "the \(shown) has no column in its facts, or no bound")
      }
    case .archive: break
    }
  }
}
