extension Planner {
  /// Adds what partitions have below them: those that are made now, and those that are there.
  func addParts(_ parts: PartsPlan, to intention: inout Intention) {
    for index in intention.creations.indices
    where intention.creations[index].parent.oid == table.root.oid {
      var partition = intention.creations[index].partition
      guard partition.bound != .default else { continue }
      partition.partitionBy = parts.partitionBy(0)
      partition.parts = parts.parts(
        0, schema: partition.schema, below: partition.name, in: extent(of: partition.bound))
      intention.creations[index].partition = partition
    }
    let retired = Set(intention.expiries.map(\.node.oid))
    for lane in lanes {
      for (node, extent) in lane.partitions where !retired.contains(node.oid) {
        parts.missing(0, below: node, in: extent, table, &intention)
      }
    }
  }

  /// From the first to the last position of what is there or is made.
  func span(_ intention: Intention) -> Extent {
    let extents =
      lanes.flatMap { $0.partitions.map(\.extent) }
      + intention.creations.map { extent(of: $0.partition.bound) }
    return Extent(
      from: extents.compactMap(\.from).min() ?? 0, to: extents.compactMap(\.to).max() ?? 0)
  }

  func extent(of bound: PartitionBound) -> Extent {
    guard case .range(let from, let to) = bound else { return Extent(from: nil, to: nil) }
    let skipped = tenants == nil ? 0 : 1
    return Extent(from.dropFirst(skipped), to.dropFirst(skipped), form)
  }
}
