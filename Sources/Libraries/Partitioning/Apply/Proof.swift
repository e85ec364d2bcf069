internal import Filter
internal import JSON
internal import Manifests
internal import Posix

/// What a manifest says of a partition whose copy was read back and found whole.
struct Proof {
  /// When that was, in microseconds since 1970; nil where the line does not say.
  let at: Int64?
  /// Of the copy; nil where the line does not say.
  let rows: Int?
  /// Of the partition when it was copied; nil where the line does not say.
  let fingerprint: String?
  /// Of the rows as they were copied, as SHA-256; nil where the line does not say.
  let digest: String?
  let oid: String?
  /// The line itself.
  let record: Record
}

/// The proofs that a manifest holds.
///
/// A class, because it is read when the first action needs it, and then serves the others.
final class ProofBook {
  private struct Key: Hashable {
    let database: String
    let name: QualifiedName
  }

  /// Nil where none was given.
  let path: String?
  /// Nil where a proof is enough.
  let verdicts: Verdicts?
  private var wanted: Set<QualifiedName>
  /// The last word on each that is wanted; nil until the file was read.
  private var proofs: [Key: Proof]?

  init(path: String?, verdicts: Verdicts?, wanted: Set<QualifiedName>) {
    (self.path, self.verdicts, self.wanted) = (path, verdicts, wanted)
  }

  /// The proof that still holds; nil where there is none.
  ///
  /// A copy that was made later and not read back yet takes it away, and so does what was dropped
  /// or restored since. A manifest of which lines are missing or changed proves nothing.
  func proof(of name: QualifiedName, database: String) throws -> Proof? {
    if wanted.insert(name).inserted { proofs = nil }
    if proofs == nil { proofs = try read() }
    return proofs?[Key(database: database, name: name)]
  }

  private func read() throws -> [Key: Proof] {
    var found: [Key: Proof] = [:]
    guard let path, try FileFacts.of(path) != nil else { return found }
    // A line that is no receipt, such as one that a power cut left unfinished, proves nothing, and hides no other.
    let chain = try ManifestChain(path: path) { record, isChained in
      guard let schema = record.string("partition_schema"), let name = record.string("partition"),
        wanted.contains(QualifiedName(schema: schema, name: name)), record.string("where") == nil
      else { return }
      let key = Key(
        database: record.string("database") ?? "", name: QualifiedName(schema: schema, name: name))
      let isVerified = record.string("step") == "verified" && isChained
      found[key] = isVerified ? Proof(record) : nil
    }
    guard chain.outcome != .broken else {
      throw ActionResult.refused(
        "the manifest is no proof, as it is not what was written: line \(chain.line ?? 0): "
          + (chain.detail ?? ""))
    }
    return found
  }
}

extension Proof {
  fileprivate init(_ record: Record) {
    at = record.string("at").flatMap(Timestamp.microseconds)
    rows = record.integer("rows")
    fingerprint = record.string("fingerprint")
    digest = record.string("raw_sha256")
    oid = record["facts"]?["oid"]?.string ?? record.string("oid")
    self.record = record
  }
}
