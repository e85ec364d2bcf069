internal import Postgres

extension ActionRun {
  /// Detaches a table to which more is to be done, and marks it before.
  mutating func detachMarked(_ found: RelationState) throws {
    let mark = RetirementMark(
      parentOID: found.parentOID ?? "", bound: found.bound ?? "", comment: found.ownComment)
    try setComment(mark.text, of: found)
    do { try detach(found) } catch {
      try? session.transaction(lockTimeout: request.lockTimeout) {
        try session.run(found.commenting(found.ownComment))
      }
      throw error
    }
  }

  /// Gives a table that stays as it is its own comment again.
  mutating func unmark(_ found: RelationState) throws {
    try setComment(found.ownComment, of: found)
  }

  private mutating func setComment(_ text: String?, of found: RelationState) throws {
    let (session, request) = (session, request)
    try attempts.run {
      try session.transaction(lockTimeout: request.lockTimeout) {
        try session.run(found.commenting(text))
      }
    }
  }
}

extension RelationState {
  /// The comment without our mark.
  var ownComment: String? {
    guard let mark = RetirementMark(comment) else { return comment }
    return mark.comment
  }

  /// The statement that sets the comment.
  func commenting(_ text: String?) -> String {
    "COMMENT ON \(kind == "f" ? "FOREIGN TABLE" : "TABLE") \(name.sql) IS "
      + (text.map(Quoting.literal) ?? "NULL")
  }
}
