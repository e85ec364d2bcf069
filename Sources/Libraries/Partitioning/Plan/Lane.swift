/// The partitions of one tenant, or of a table without tenants.
struct Lane: Sendable {
  /// Nil for a table without tenants.
  let tenant: String?
  /// In the order of their ranges.
  var partitions: [(node: CatalogNode, extent: Extent)] = []
  /// Of partitions that hold more than this tenant's rows.
  var wide: [Extent] = []

  /// What is taken already, in order.
  var taken: [Extent] {
    (partitions.map(\.extent) + wide).sorted { ($0.from ?? .min) < ($1.from ?? .min) }
  }

  /// The gaps between partitions, and from the last one on.
  var gaps: [Extent] {
    var (gaps, end) = ([Extent](), Int64?.none)
    for extent in taken {
      if let end, let from = extent.from, from > end { gaps.append(Extent(from: end, to: from)) }
      guard let to = extent.to else { return gaps }
      end = max(end ?? to, to)
    }
    return end.map { gaps + [Extent(from: $0, to: nil)] } ?? gaps
  }

  /// The lanes of the partitions below a table that is cut by range.
  ///
  /// `tenants` is nil for a table without; tenants that have partitions and are not listed have
  /// lanes, too.
  static func lanes(
    of nodes: [CatalogNode], tenants: [String]?, _ form: KeyForm
  ) -> [Lane] {
    guard let tenants else {
      var lane = Lane(tenant: nil)
      for node in nodes {
        guard case .range(let from, let to)? = node.bound else { continue }
        lane.partitions.append((node, Extent(from[...], to[...], form)))
      }
      return [lane.inOrder]
    }
    var (lanes, places) = (tenants.map { Lane(tenant: $0) }, [[UInt8]: Int]())
    for (index, tenant) in tenants.enumerated() { places[Array(tenant.utf8)] = index }
    var wide: [(from: [PartitionBound.Limit], to: [PartitionBound.Limit])] = []
    for node in nodes {
      guard case .range(let from, let to)? = node.bound, from.count > 1, to.count > 1 else {
        continue
      }
      guard case .value(let tenant) = from[0], from[0] == to[0] else {
        wide.append((from, to))
        continue
      }
      let place = places[Array(tenant.utf8)] ?? lanes.count
      if place == lanes.count {
        places[Array(tenant.utf8)] = place
        lanes.append(Lane(tenant: tenant))
      }
      lanes[place].partitions.append((node, Extent(from[1...], to[1...], form)))
    }
    return lanes.map { $0.with(wide, form).inOrder }
  }

  private var inOrder: Lane {
    var lane = self
    lane.partitions.sort { ($0.extent.from ?? .min) < ($1.extent.from ?? .min) }
    return lane
  }

  /// Adds what partitions from one tenant to another have of this one.
  ///
  /// How tenants between them are ordered only the server knows, and refuses what overlaps.
  private func with(
    _ wide: [(from: [PartitionBound.Limit], to: [PartitionBound.Limit])], _ form: KeyForm
  ) -> Lane {
    guard let tenant else { return self }
    var lane = self
    for (from, to) in wide {
      let all = Extent(from[1...], to[1...], form)
      if from[0] == .value(tenant) {
        lane.wide.append(Extent(from: all.from, to: nil))
      } else if to[0] == .value(tenant) {
        if to[1] != .minimum { lane.wide.append(Extent(from: nil, to: all.to)) }
      } else if from[0] == .minimum, to[0] == .maximum {
        lane.wide.append(Extent(from: nil, to: nil))
      }
    }
    return lane
  }
}

extension Extent {
  /// The extent of a range in the first of the columns given.
  ///
  /// Where a limit lies behind a position rather than on it, the extent is the wider one.
  init(
    _ from: ArraySlice<PartitionBound.Limit>, _ to: ArraySlice<PartitionBound.Limit>,
    _ form: KeyForm
  ) {
    self.init(from: nil, to: nil)
    if case .value(let text)? = from.first { self.from = form.position(text)?.position }
    if case .value(let text)? = to.first, let found = form.position(text) {
      let isOn = found.isExact && to.dropFirst().allSatisfy { $0 == .minimum }
      self.to = isOn ? found.position : found.position + 1
    }
  }
}
