internal import Filter
internal import Posix
internal import Postgres

/// A table with rows, and the proof that these are in the archive.
struct LeafProof {
  let oid: String
  let name: QualifiedName
  let proof: Proof

  /// How a number of rows differs from what was archived; nil where it does not.
  static func difference(rows: Int, archived: Int) -> String? {
    if rows > archived { return "\(rows - archived) rows came since it was archived" }
    if rows < archived { return "\(archived - rows) rows are gone since it was archived" }
    return nil
  }
}

extension ActionRun {
  /// A proof for each table with rows that the partition consists of; refuses where one is missing.
  func proofs(of found: RelationState) throws -> [LeafProof] {
    guard proofs.path != nil else {
      throw ActionResult.refused("no proof: no --manifest was given")
    }
    let rows = try session.query(
      """
      WITH RECURSIVE tree AS (
        SELECT $1::oid AS oid
        UNION ALL
        SELECT i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid)
      SELECT c.oid, n.nspname, c.relname FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.oid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind <> 'p'
      ORDER BY 2, 3
      """, [found.oid])
    let database = session.connection.database
    return try (0..<rows.count).map { row in
      let name = QualifiedName(schema: rows.text(row, 1), name: rows.text(row, 2))
      guard let proof = try proofs.proof(of: name, database: database) else {
        throw ActionResult.refused("no proof that \(name.sql) is in the archive")
      }
      if let objection = proofs.verdicts?.objection(to: proof) {
        throw ActionResult.refused("\(name.sql) may not be in the archive: \(objection)")
      }
      return try Self.matched(LeafProof(oid: rows.text(row, 0), name: name, proof: proof))
    }
  }

  private static func matched(_ leaf: LeafProof) throws -> LeafProof {
    guard leaf.proof.oid == nil || leaf.proof.oid == leaf.oid else {
      throw ActionResult.refused("the proof is of an earlier table with the name \(leaf.name.sql)")
    }
    guard leaf.proof.rows != nil, leaf.proof.digest != nil else {
      throw ActionResult.refused(
        "the proof of \(leaf.name.sql) does not say how many rows there are, or lacks their digest")
    }
    return leaf
  }

  /// Nothing is dropped before its proof is old enough.
  func checkAge(of proofs: [LeafProof]) throws {
    for leaf in proofs {
      guard let at = leaf.proof.at else {
        throw ActionResult.refused("the proof of \(leaf.name.sql) does not say when it was made")
      }
      let due = at + Int64(request.cool) * 1000
      guard due <= Clock.now() else {
        throw ActionResult(
          .waiting,
          "it was verified \(Timestamp.text(microseconds: at)), and may be dropped from "
            + Timestamp.text(microseconds: due))
      }
    }
  }

  /// Counts what the archive must have; refuses where it is anything else.
  ///
  /// An update changes no count, but the fingerprint: in time, as sessions tell of it late. So this is a first look, and
  /// `ArchivedRows` has the last word.
  static func check(_ proofs: [LeafProof], _ session: ApplySession) throws {
    for leaf in proofs {
      let count = try session.query("SELECT pg_catalog.count(*) FROM ONLY \(leaf.name.sql)")
      if let difference = LeafProof.difference(
        rows: count.integer(0, 0) ?? 0, archived: leaf.proof.rows ?? 0)
      {
        throw ActionResult.refused(difference)
      }
      guard let then = leaf.proof.fingerprint else { continue }
      guard try PhysicalFacts.fingerprint(of: leaf.oid, on: session.connection) == then else {
        throw ActionResult.refused("\(leaf.name.sql) has changed since it was archived")
      }
    }
  }
}
