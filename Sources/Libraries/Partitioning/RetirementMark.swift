internal import Postgres

/// What the comment on a table says from before it is detached until nothing more is to be done to it.
///
/// So a run that dies between leaves a table of which the next plan knows where it was. The comment that the table had
/// is kept behind it.
struct RetirementMark: Equatable {
  let parentOID: String
  let bound: String
  /// The table's own; nil for none.
  let comment: String?

  init(parentOID: String, bound: String, comment: String?) {
    (self.parentOID, self.bound, self.comment) = (parentOID, bound, comment)
  }

  private static var prefix: String { "sluice: retired from " }

  /// The bound has its length before it, as it may have lines.
  var text: String {
    "\(Self.prefix)\(parentOID) \(bound.unicodeScalars.count) \(bound)"
      + (comment.map { "\n" + $0 } ?? "")
  }

  /// Nil for what is no mark.
  init?(_ text: String?) {
    guard let text, text.hasPrefix(Self.prefix) else { return nil }
    let words = text.dropFirst(Self.prefix.count)
      .split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
    guard words.count == 3, let length = Int(words[1]) else { return nil }
    let scalars = words[2].unicodeScalars
    guard length <= scalars.count else { return nil }
    parentOID = String(words[0])
    bound = String(scalars.prefix(length))
    comment = scalars.count > length ? String(scalars.dropFirst(length + 1)) : nil
  }

  /// A query for the tables with marks that are no partitions: `oid`, `parent`, `bound`.
  static var query: String {
    """
    SELECT d.objoid AS oid, m.words[1] AS parent,
      pg_catalog.substr(m.words[3], 1, m.words[2]::integer) AS bound
    FROM pg_catalog.pg_description d
    JOIN pg_catalog.pg_class o ON o.oid = d.objoid AND NOT o.relispartition,
      pg_catalog.regexp_match(d.description, '^\(prefix)([0-9]+) ([0-9]{1,6}) (.*)$') AS m (words)
    WHERE d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = 0
      AND d.description LIKE '\(prefix)%' AND m.words IS NOT NULL
    """
  }
}
