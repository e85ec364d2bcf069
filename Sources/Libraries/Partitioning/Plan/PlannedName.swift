internal import Filter

/// The name of a new partition: a label, from which nothing is ever read.
struct PlannedName {
  enum From {
    case number(Int64)
    /// Microseconds of the wall clock.
    case time(Int64)
  }

  let template: NamingTemplate
  let table: String
  let tenant: String?
  let from: From
  let step: RangeRule.Step

  var text: String {
    switch from {
    case .number(let number): table + "_\(number)"
    case .time(let time): table + "_" + TimeText.date(time).filter { $0 != "-" }
    }
  }

  /// The name of a part of a partition.
  static func joined(_ table: String, _ label: String) -> String { table + "_" + label }

  static func ofDefault(_ table: String) -> String { table + "_default" }
}
