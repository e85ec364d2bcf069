public import Filter

/// How actions are carried out; times are in milliseconds.
public struct ApplyRequest: Sendable {
  /// A statement gives up when a lock takes longer; it is tried again.
  public var lockTimeout = 100
  /// How long an action is tried again while others have what it needs.
  public var budget = 30_000
  /// Rows that one transaction takes out of a default partition.
  public var batchRows = 1000
  /// Age of its proof before anything is dropped.
  public var cool = 86_400_000
  /// The file of receipts; nil where there is none.
  public var manifest: String?
  /// A file of verdicts, without a good one of which no proof counts; nil where proofs are enough.
  public var verdicts: String?
  /// A command that is asked before an action; nil for none.
  public var hook: String?
  /// 0 lets it run for ever.
  public var hookTimeout = 3_600_000
  /// What the command is asked of.
  public var hookKinds: Set<Action.Kind> = [.detach, .move, .drop, .archive]
  /// Nothing is changed, and nobody is asked.
  public var isDryRun = false

  public init() {}

  /// Reads a list such as `detach,drop`.
  public static func kinds(_ text: String) throws(UsageError) -> Set<Action.Kind> {
    var kinds: Set<Action.Kind> = []
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      kinds.insert(try OptionValue.word(String(word), Action.Kind.self))
    }
    return kinds
  }
}
