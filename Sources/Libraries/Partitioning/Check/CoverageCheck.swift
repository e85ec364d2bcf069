internal import Filter

/// What the calendar says of a table's partitions: decided from policy, catalog and clock, and from nothing else.
struct CoverageCheck {
  let planner: Planner
  let answer: ClockAnswer
  let intention: Intention
  /// Microseconds that retirement may be late; 0 for keys that are no time.
  let grace: Int64

  /// The findings, those that will refuse rows first.
  func findings(into report: inout TableReport) {
    for note in intention.notes {
      report.findings.append(
        Finding(.overlap, note.severity == .error ? .error : .warning, note.text))
    }
    let wanted = answer.rangesAhead(premake: planner.policy.range.premake)
    for lane in planner.lanes { look(at: lane, wanted, &report) }
    addGaps(to: &report)
    addOverdue(to: &report)
    addDefault(to: &report)
  }

  private func look(at lane: Lane, _ wanted: [Extent], _ report: inout TableReport) {
    addPending(in: lane, to: &report)
    addNames(in: lane, to: &report)
    // A tenant who left keeps partitions, and needs no new ones.
    guard planner.tenants?.contains(lane.tenant ?? "") ?? true else { return }
    addOverlaps(in: lane, wanted, to: &report)
    let end = coveredUntil(lane)
    let covered = wanted.prefix { range in end.map { $0 >= range.to ?? .max } ?? false }.count
    let seconds = planner.form.isTime ? end.map { max(0, ($0 - answer.now) / 1_000_000) } ?? 0 : nil
    report.horizonRanges = min(report.horizonRanges ?? .max, covered)
    if let seconds {
      report.horizonSeconds = min(report.horizonSeconds ?? .max, Int(clamping: seconds))
    }
    guard covered < wanted.count else { return }
    if let tenant = lane.tenant, lane.partitions.isEmpty, lane.wide.isEmpty {
      let finding = Finding(.tenant, .error, "tenant \(Self.shown(tenant)) has no partition")
      report.findings.append(finding.with("tenant", tenant))
    } else {
      report.findings.append(horizon(lane, covered, wanted, end))
    }
  }

  /// An error where rows of the present moment have no partition, or where more than half of what is wanted is missing.
  private func horizon(
    _ lane: Lane, _ covered: Int, _ wanted: [Extent], _ end: Int64?
  ) -> Finding {
    let isShort = covered == 0 || covered * 2 < wanted.count
    let who = lane.tenant.map { " of tenant \(Self.shown($0))" } ?? ""
    let detail =
      covered == 0
      ? "no partition\(who) takes rows of the present moment"
      : "\(covered) of \(wanted.count) ranges\(who) are there, up to \(end.map(planner.form.shown) ?? "")"
    var finding = Finding(.horizon, isShort ? .error : .warning, detail)
    if let tenant = lane.tenant { finding = finding.with("tenant", tenant) }
    return finding.with("until", end.map(planner.form.shown)).with("ranges", covered)
      .with("wanted", wanted.count)
  }

  /// The end of the ranges that follow one another from the present moment on; nil where none holds it.
  private func coveredUntil(_ lane: Lane) -> Int64? {
    var end: Int64?
    for extent in lane.taken {
      let at = end ?? answer.now
      guard extent.from ?? .min <= at, extent.to ?? .max > at else { continue }
      end = extent.to ?? .max
    }
    return end
  }

  private func addPending(in lane: Lane, to report: inout TableReport) {
    for (node, _) in lane.partitions where node.isDetachPending {
      let finding = Finding(
        .detachPending, .error, "its detach was cut off: its rows are not seen any more")
      report.findings.append(finding.of(schema: node.schema, name: node.name))
    }
  }

  /// A partition that lies across a range of the calendar from now on.
  private func addOverlaps(in lane: Lane, _ wanted: [Extent], to report: inout TableReport) {
    guard let first = wanted.first?.from, let last = wanted.last?.to else { return }
    let boundaries = Set(wanted.flatMap { [$0.from, $0.to] })
    for (node, extent) in lane.partitions {
      let ends = [extent.from, extent.to].compactMap { $0 }.filter { $0 > first && $0 < last }
      let isAcross = ends.contains { !boundaries.contains($0) }
      let isWide = wanted.count { $0.meets(extent) } > 1
      guard isAcross || isWide else { continue }
      let bound = node.boundText ?? ""
      let what = isAcross ? "does not end where ranges begin" : "takes more than one range"
      let finding = Finding(.overlap, .warning, "it \(what): \(bound)")
      report.findings.append(finding.of(schema: node.schema, name: node.name))
    }
  }

  /// Missing ranges of the past, those that follow one another as one: what is missing from now on is the horizon's.
  private func addGaps(to report: inout TableReport) {
    var gaps: [(tenant: String?, extent: Extent, ranges: Int)] = []
    for creation in intention.creations {
      guard creation.parent.oid == planner.table.root.oid else {
        report.findings.append(missing(creation))
        continue
      }
      let extent = planner.extent(of: creation.partition.bound)
      guard let from = extent.from, let to = extent.to, to <= answer.now else { continue }
      let tenant = tenant(of: creation.partition.bound)
      if let last = gaps.last, last.extent.to == from, last.tenant == tenant {
        gaps[gaps.count - 1].extent.to = to
        gaps[gaps.count - 1].ranges += 1
      } else {
        gaps.append((tenant, extent, 1))
      }
    }
    for gap in gaps.sorted(by: { ($0.extent.from ?? 0) < ($1.extent.from ?? 0) }) {
      let (from, to) = (
        gap.extent.from.map(planner.form.shown), gap.extent.to.map(planner.form.shown)
      )
      let who = gap.tenant.map { " of tenant \(Self.shown($0))" } ?? ""
      var finding = Finding(
        .gap, .warning, "no partition takes rows\(who) from \(from ?? "") to \(to ?? "")")
      if let tenant = gap.tenant { finding = finding.with("tenant", tenant) }
      report.findings.append(finding.with("from", from).with("to", to).with("ranges", gap.ranges))
    }
  }

  /// A part that a partition lacks below it.
  private func missing(_ creation: Creation) -> Finding {
    let (parent, partition) = (creation.parent, creation.partition)
    let types = parent.key.map(\.type)
    return Finding(.gap, .warning, "no partition below it is \(partition.bound.text(types: types))")
      .of(schema: parent.schema, name: parent.name)
  }

  private func tenant(of bound: PartitionBound) -> String? {
    guard planner.tenants != nil, case .range(let from, _) = bound,
      case .value(let tenant)? = from.first
    else { return nil }
    return tenant
  }

  private func addOverdue(to report: inout TableReport) {
    guard let cutoff = answer.cutoff else { return }
    for expiry in intention.expiries where expiry.isDue {
      let end = planner.lanes.lazy.flatMap(\.partitions).first { $0.node.oid == expiry.node.oid }
      guard let to = end?.extent.to, to <= cutoff - grace else { continue }
      let finding = Finding(.overdue, .error, "it \(expiry.reason), and is still there")
        .of(schema: expiry.node.schema, name: expiry.node.name)
      report.findings.append(finding.with("from", expiry.from).with("to", expiry.to))
    }
  }

  private func addDefault(to report: inout TableReport) {
    let isMissing = intention.creations.contains { $0.partition.bound == .default }
    guard isMissing else { return }
    report.findings.append(Finding(.defaultMissing, .warning, "there is no default partition"))
  }

  private func addNames(in lane: Lane, to report: inout TableReport) {
    guard planner.form.isTime else { return }
    for (node, extent) in lane.partitions {
      guard let from = extent.from, let date = NameDate(of: node.name) else { continue }
      let clocks = [from, answer.wallClock(from)]
      guard !clocks.contains(where: date.agrees(with:)),
        planner.name(lane.tenant, from, isWhole: true, answer) != node.name
      else { continue }
      let finding = Finding(
        .name, .warning,
        "its name tells of \(date.digits), and its bound of \(planner.form.shown(from))")
      report.findings.append(finding.of(schema: node.schema, name: node.name))
    }
  }

  private static func shown(_ tenant: String) -> String { "\"\(tenant)\"" }
}

extension Extent {
  /// True if both have a position in common.
  func meets(_ other: Extent) -> Bool {
    (from ?? .min) < (other.to ?? .max) && (other.from ?? .min) < (to ?? .max)
  }
}

extension KeyForm {
  /// True if positions are times.
  var isTime: Bool { shape != .integer }
}
