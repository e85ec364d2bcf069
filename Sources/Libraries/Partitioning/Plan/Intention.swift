/// A partition that is to be made, before its SQL is written.
struct NewPartition: Sendable {
  var schema: String
  var name: String
  let bound: PartitionBound
  /// As records show them; nil where there is none.
  var from: String?
  var to: String?
  /// Selects the rows that it would take, for looking into the default partition; nil for that
  /// itself.
  var condition: String?
  var reason = ""
  /// How it is cut in turn, as `LIST ("region")`; nil where it is not.
  var partitionBy: String?
  var parts: [NewPartition] = []
}

/// A partition that is to be made below a table that is there.
struct Creation: Sendable {
  let parent: CatalogNode
  /// The default partition beside it; nil where there is none.
  let beside: CatalogNode?
  /// Whose owner, privileges and so on it gets.
  let model: CatalogNode
  /// Whose storage its parts with rows get; nil where there is none.
  let leafModel: CatalogNode?
  var partition: NewPartition
}

/// A partition whose time is over.
struct Expiry: Sendable {
  let parent: CatalogNode
  let node: CatalogNode
  let from: String?
  let to: String?
  let reason: String
  /// False where it is only to be freed of a detach that was cut off.
  var isDue = true
  /// True where the table has a default partition, so that it cannot be detached without blocking.
  let isBesideDefault: Bool
}

/// Something a plan has to say beside its actions.
struct PlanNote: Equatable, Sendable {
  enum Severity: Sendable {
    /// The table, or a part of it, cannot be planned: exit 65.
    case error
    /// Something is left out that the policy wants: exit 1.
    case warning
  }

  let severity: Severity
  let text: String
}

/// What a policy wants of one table.
struct Intention: Sendable {
  var creations: [Creation] = []
  var expiries: [Expiry] = []
  var notes: [PlanNote] = []

  mutating func warn(_ text: String) { notes.append(PlanNote(severity: .warning, text: text)) }
  mutating func fail(_ text: String) { notes.append(PlanNote(severity: .error, text: text)) }
}
