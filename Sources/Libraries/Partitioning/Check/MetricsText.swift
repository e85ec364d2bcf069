internal import Bytes

/// Reports as OpenMetrics text, for scrapers.
public struct MetricsText {
  private var text = ""

  /// `now` in microseconds since 1970.
  public init(of reports: [TableReport], now: Int64) {
    gauge("sluice_partition_findings", "Findings of the last check.")
    for report in reports {
      for (kind, severity, count) in Self.counts(report) {
        let labels = [("finding", kind.rawValue), ("severity", severity.rawValue)]
        sample("sluice_partition_findings", report, labels, count)
      }
    }
    gauge("sluice_partition_errors", "Findings of severity error; 0 where all is well.")
    for report in reports {
      let errors = report.findings.count { $0.severity == .error }
      sample("sluice_partition_errors", report, [], errors)
    }
    gauge("sluice_partitions", "Partitions directly below the table.")
    for report in reports { sample("sluice_partitions", report, [], report.partitions) }
    gauge("sluice_partition_horizon_seconds", "From now to the first range without a partition.")
    optional("sluice_partition_horizon_seconds", reports, \.horizonSeconds)
    gauge("sluice_partition_horizon_ranges", "Ranges with a partition, from the present one on.")
    optional("sluice_partition_horizon_ranges", reports, \.horizonRanges)
    gauge(
      "sluice_partition_default_rows",
      "Rows in default partitions, counted up to \(DefaultRows.limit).")
    optional("sluice_partition_default_rows", reports, \.defaultRows)
    gauge("sluice_partition_check_time_seconds", "When the check was made.")
    text += "sluice_partition_check_time_seconds \(now / 1_000_000)\n# EOF\n"
  }

  /// The whole text, its end included.
  public var utf8: [UInt8] { Array(text.utf8) }

  private mutating func gauge(_ name: String, _ help: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) gauge\n"
  }

  private mutating func optional(
    _ name: String, _ reports: [TableReport], _ value: (TableReport) -> Int?
  ) {
    for report in reports {
      if let value = value(report) { sample(name, report, [], value) }
    }
  }

  private mutating func sample(
    _ name: String, _ report: TableReport, _ labels: [(String, String)], _ value: Int
  ) {
    let first = [
      ("database", report.database), ("schema", report.schema ?? ""), ("table", report.table),
    ]
    let list = (first + labels).map { "\($0)=\"\(Self.escaped($1))\"" }
    text += "\(name){\(list.joined(separator: ","))} \(value)\n"
  }

  /// How many findings there are of each kind and severity, in the order of the kinds.
  private static func counts(
    _ report: TableReport
  ) -> [(Finding.Kind, Finding.Severity, Int)] {
    Finding.Kind.allCases.flatMap { kind in
      Finding.Severity.allCases.compactMap { severity in
        let count = report.findings.count { $0.kind == kind && $0.severity == severity }
        return count > 0 ? (kind, severity, count) : nil
      }
    }
  }

  static func escaped(_ value: String) -> String {
    var scalars = String.UnicodeScalarView()
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\\", "\"": scalars.append(contentsOf: ["\\", scalar])
      case "\n": scalars.append(contentsOf: ["\\", "n"])
      default: scalars.append(scalar)
      }
    }
    return String(scalars)
  }
}
