internal import Posix
internal import Postgres

/// What the catalog says of a table at this moment.
struct RelationState {
  let oid: String
  let name: QualifiedName
  let kind: String
  /// The table it is a partition of; nil when it is none.
  let parentOID: String?
  let bound: String?
  let isPending: Bool
  let comment: String?

  /// A table by its OID; nil when there is none.
  static func find(oid: String, in session: ApplySession) throws -> RelationState? {
    try find("by_oid", "c.oid = $1::oid", [oid], session)
  }

  /// A relation of any kind by its name; nil when there is none.
  static func find(_ name: QualifiedName, in session: ApplySession) throws -> RelationState? {
    try find("by_name", "n.nspname = $1 AND c.relname = $2", [name.schema, name.name], session)
  }

  /// The partition of `parentOID` that has this bound; nil when there is none.
  static func find(
    bound: String, parentOID: String, in session: ApplySession
  ) throws -> RelationState? {
    try find(
      "by_bound", "i.inhparent = $1::oid AND pg_catalog.pg_get_expr(c.relpartbound, c.oid) = $2",
      [parentOID, bound], session)
  }

  private static func find(
    _ name: String, _ condition: String, _ parameters: [String], _ session: ApplySession
  ) throws -> RelationState? {
    let pending = session.detachesConcurrently ? "coalesce(i.inhdetachpending, false)" : "false"
    let rows = try session.ask(
      name,
      """
      SELECT c.oid, n.nspname, c.relname, c.relkind,
        CASE WHEN c.relispartition THEN i.inhparent END,
        pg_catalog.pg_get_expr(c.relpartbound, c.oid), \(pending),
        pg_catalog.obj_description(c.oid, 'pg_class')
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid WHERE \(condition)
      """, parameters)
    guard rows.count > 0 else { return nil }
    return RelationState(
      oid: rows.text(0, 0),
      name: QualifiedName(schema: rows.text(0, 1), name: rows.text(0, 2)), kind: rows.text(0, 3),
      parentOID: rows.string(0, 4), bound: rows.string(0, 5), isPending: rows.boolean(0, 6),
      comment: rows.string(0, 7))
  }

  /// What it is, for messages.
  var description: String {
    let what: String =
      switch kind {
      case "r": "table"
      case "p": "partitioned table"
      case "v": "view"
      case "m": "materialized view"
      case "i", "I": "index"
      case "S": "sequence"
      case "f": "foreign table"
      case "c": "type"
      default: "relation"
      }
    guard let bound else { return "\(what) \(name.sql)" }
    return "\(what) \(name.sql), a partition \(bound)"
  }
}

/// What the catalog says of a table that is partitioned.
struct ParentState {
  let oid: String
  let name: QualifiedName
  /// The default partition; nil where there is none.
  let defaultPartition: (oid: String, name: QualifiedName, kind: String)?
  /// A partition whose detaching was begun and not ended; nil where there is none.
  let pending: QualifiedName?
  /// True if something has the name of the partition in question.
  let nameIsTaken: Bool

  /// Nil when there is no such partitioned table.
  static func find(
    _ name: QualifiedName, _ partition: QualifiedName, in session: ApplySession
  ) throws -> ParentState? {
    let pending = session.detachesConcurrently ? "i.inhdetachpending" : "false"
    let rows = try session.ask(
      "parent",
      """
      SELECT c.oid, d.oid, dn.nspname, d.relname, d.relkind, pn.nspname, p.relname,
        EXISTS (SELECT FROM pg_catalog.pg_class o WHERE o.relname = $4 AND o.relnamespace =
          (SELECT s.oid FROM pg_catalog.pg_namespace s WHERE s.nspname = $3))
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_catalog.pg_partitioned_table t ON t.partrelid = c.oid
      LEFT JOIN pg_catalog.pg_class d ON d.oid = t.partdefid
      LEFT JOIN pg_catalog.pg_namespace dn ON dn.oid = d.relnamespace
      LEFT JOIN pg_catalog.pg_inherits i ON i.inhparent = c.oid AND \(pending)
      LEFT JOIN pg_catalog.pg_class p ON p.oid = i.inhrelid
      LEFT JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
      WHERE n.nspname = $1 AND c.relname = $2
      """, [name.schema, name.name, partition.schema, partition.name])
    guard rows.count > 0 else { return nil }
    let pendingName = rows.string(0, 6).map { QualifiedName(schema: rows.text(0, 5), name: $0) }
    var defaultPartition: (oid: String, name: QualifiedName, kind: String)?
    if let oid = rows.string(0, 1) {
      let name = QualifiedName(schema: rows.text(0, 2), name: rows.text(0, 3))
      defaultPartition = (oid, name, rows.text(0, 4))
    }
    return ParentState(
      oid: rows.text(0, 0), name: name, defaultPartition: defaultPartition, pending: pendingName,
      nameIsTaken: rows.boolean(0, 7))
  }
}
