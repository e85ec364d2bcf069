internal import Filter
internal import JSON
internal import Posix

/// What was found when objects were last looked at, by the key of each.
struct Verdicts {
  /// The last word on each key.
  private var words: [[UInt8]: String] = [:]

  /// Reads the records that s3verify writes.
  init(path: String) throws {
    let file = try File(reading: path)
    var reader = RecordReader(from: file.descriptor, name: path)
    while let record = try reader.next() {
      guard let key = record.string("key") else { continue }
      words[Array(key.utf8)] = record.string("verdict") ?? "none"
    }
  }

  /// Why the object of a proof is not known to be there; nil where it was found as it should be.
  func objection(to proof: Proof) -> String? {
    let key = proof.record.string("key") ?? ""
    switch words[Array(key.utf8)] {
    case "ok": return nil
    case let word?: return "the verdict on \(key) is: \(word)"
    case nil: return "nobody looked at \(key)"
    }
  }
}
