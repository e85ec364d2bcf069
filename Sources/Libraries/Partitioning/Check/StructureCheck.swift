/// What the catalog says of a table's relations: drift, indexes, foreign keys, orphans.
struct StructureCheck {
  let policy: TablePolicy
  let table: CatalogTable
  let facts: [SiblingFacts]
  let orphans: [OrphanSearch.Orphan]
  /// The newest partition, which new ones are made after; nil where there is none.
  let model: CatalogNode?

  func findings(into report: inout TableReport) {
    addDrift(to: &report)
    for relation in facts where !relation.invalidIndexes.isEmpty {
      let names = relation.invalidIndexes.joined(separator: ", ")
      report.findings.append(
        Finding(.invalidIndex, .warning, "not valid: \(names)").of(
          schema: relation.schema, name: relation.name))
    }
    if policy.retention.keep != nil { addForeignKeys(to: &report) }
    addOrphans(to: &report)
  }

  /// Partitions against the newest of those that lie directly below the same table.
  private func addDrift(to report: inout TableReport) {
    guard let model, let newest = facts.first(where: { $0.oid == model.oid }) else { return }
    let defaults = Set(table.children(of: table.root).filter(\.isDefault).map(\.oid))
    for relation in facts
    where relation.parent == table.root.oid && relation.isLeaf == newest.isLeaf
      && !defaults.contains(relation.oid)
    {
      let differences = relation.differences(from: newest)
      guard !differences.isEmpty else { continue }
      let words = differences.map {
        "\($0.name): \(Self.shown($0.own)), not \(Self.shown($0.other))"
      }
      let finding = Finding(
        .drift, .warning, "unlike \(newest.name): " + words.joined(separator: "; ")
      )
      .of(schema: relation.schema, name: relation.name)
      report.findings.append(
        finding.with("aspects", differences.map(\.name).joined(separator: ", ")))
    }
  }

  private func addForeignKeys(to report: inout TableReport) {
    for relation in facts {
      for key in relation.foreignKeys {
        let finding = Finding(.foreignKey, .warning, "foreign key \(key) points at it")
        report.findings.append(
          relation.parent == nil
            ? finding : finding.of(schema: relation.schema, name: relation.name))
      }
    }
  }

  /// Where retirement leaves tables behind, they are no surprise.
  private func addOrphans(to report: inout TableReport) {
    let isExpected = policy.retention.keep != nil && policy.retention.retirement == .detach
    for orphan in orphans {
      let detail =
        orphan.isUnfinished
        ? "what was begun with it was not ended: its rows are not seen"
        : orphan.isMarked
          ? "it was to be a partition, and is none" : "it looks like a partition, and is none"
      let severity: Finding.Severity =
        orphan.isUnfinished ? .error : isExpected && !orphan.isMarked ? .info : .warning
      report.findings.append(
        Finding(.orphan, severity, detail).of(schema: orphan.schema, name: orphan.name))
    }
  }

  private static func shown(_ value: String) -> String { value.isEmpty ? "none" : value }
}
