extension Planner {
  /// Adds what retention is over for, by the upper bound, and what a cut-off detach left.
  func addExpiries(of lane: Lane, _ answer: ClockAnswer, to intention: inout Intention) {
    let hasDefault =
      table.defaultPartition(of: table.root) != nil || policy.defaultPartition != .none
    // Those ahead are empty, so that they are none of the newest that are to stay.
    let begun = lane.partitions.filter { ($0.extent.from ?? .min) <= answer.now }
    let kept = Set(begun.suffix(policy.retention.keepAtLeast).map(\.node.oid))
    for (node, extent) in lane.partitions {
      let isDue = isOver(extent, answer) && !kept.contains(node.oid)
      guard isDue || node.isDetachPending else { continue }
      intention.expiries.append(
        Expiry(
          parent: table.root, node: node, from: extent.from.map(form.shown),
          to: extent.to.map(form.shown),
          reason: isDue ? reason(answer) : "its detach was cut off", isDue: isDue,
          isBesideDefault: hasDefault))
    }
  }

  /// Adds what was detached to be retired, and then a run died.
  func addOrphans(_ answer: ClockAnswer, to intention: inout Intention) {
    for node in table.orphans {
      guard let bound = node.bound else { continue }
      let extent = extent(of: bound)
      guard isOver(extent, answer) else { continue }
      intention.expiries.append(
        Expiry(
          parent: table.root, node: node, from: extent.from.map(form.shown),
          to: extent.to.map(form.shown),
          reason: "its retirement was cut off; it " + reason(answer), isBesideDefault: false))
    }
  }

  /// A partition without an upper bound is never over, and without a retention none is.
  private func isOver(_ extent: Extent, _ answer: ClockAnswer) -> Bool {
    guard let cutoff = answer.cutoff, let to = extent.to else { return false }
    return to <= cutoff
  }

  private func reason(_ answer: ClockAnswer) -> String {
    let limit = answer.cutoff.map(form.shown) ?? ""
    return "ends at or before \(limit), older than \(policy.retention.keep ?? "")"
  }
}
