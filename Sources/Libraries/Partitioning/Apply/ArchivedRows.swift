internal import Bytes
internal import Digests
internal import Posix
internal import Postgres

/// A table that does not hold what was archived of it.
struct RowsDiffer: Error {
  let leaf: LeafProof
  let detail: String
}

/// Reads tables as they were read for the archive.
///
/// The order is that of the table's pages, which nobody changes without changing rows or rewriting the table.
enum ArchivedRows {
  /// Throws a `RowsDiffer` where a table has other rows now; whoever asks keeps writers out.
  static func compare(_ proofs: [LeafProof], _ session: ApplySession) throws {
    for leaf in proofs {
      let (rows, digest) = try read(leaf.name, session)
      guard digest != leaf.proof.digest || rows != leaf.proof.rows else { continue }
      let detail =
        LeafProof.difference(rows: rows, archived: leaf.proof.rows ?? 0)
        ?? "rows of \(leaf.name.sql) have changed since it was archived"
      throw RowsDiffer(leaf: leaf, detail: detail)
    }
  }

  private static func read(
    _ table: QualifiedName, _ session: ApplySession
  ) throws -> (rows: Int, digest: String) {
    let relation = try Relation(
      schema: table.schema, name: table.name, on: session.connection)
    try session.connection.keepTableOrder()
    try session.connection.execute("SET LOCAL search_path = ''")
    let extraction = Extraction(try ExtractPlan(relation), quoteNumbers: false)
    var digest = SHA256()
    let rows = try extraction.run(on: session.connection) { batch, _ in digest.update(batch.span) }
    return (rows, Hex.encode(digest.finish()))
  }
}
