import Filter
import Partitioning
import Posix
import Testing

@Suite struct PartitionBoundTests {
  @Test func readsEveryForm() throws {
    #expect(
      try PartitionBound(
        parsing: "FOR VALUES FROM ('2024-01-01 00:00:00+00', 5) TO (MAXVALUE, MINVALUE)")
        == .range(
          from: [.value("2024-01-01 00:00:00+00"), .value("5")], to: [.maximum, .minimum]))
    #expect(
      try PartitionBound(parsing: "FOR VALUES IN ('it''s', NULL, 'NULL', -5, E'a\\\\b')")
        == .list(["it's", nil, "NULL", "-5", "a\\b"]))
    #expect(
      try PartitionBound(parsing: "FOR VALUES WITH (modulus 4, remainder 3)")
        == .hash(modulus: 4, remainder: 3))
    #expect(try PartitionBound(parsing: "DEFAULT") == .default)
  }

  static let good = "FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')"

  @Test(arguments: 0..<good.utf8.count)
  func rejectsEveryPrefix(length: Int) {
    #expect(throws: Failure.self) { try PartitionBound(parsing: String(Self.good.prefix(length))) }
  }

  @Test func survivesRandomText() {
    let alphabet = Array("FOR VALUES FROM IN WITH('),E\\\\09 TO")
    for _ in 0..<5000 {
      let text = String((0..<30).compactMap { _ in alphabet.randomElement() })
      _ = try? PartitionBound(parsing: "FOR VALUES " + text)
    }
  }
}

@Suite struct NamePatternTests {
  @Test(arguments: [
    ("events_20240131", "2024-01-31", "2024-02-01"),
    ("events_p20240229", "2024-02-29", "2024-03-01"),
    ("events_2024_12_31", "2024-12-31", "2025-01-01"),
    ("events_2024_02", "2024-02-01", "2024-03-01"),
    ("events_2023_12", "2023-12-01", "2024-01-01"),
  ])
  func readsDates(name: String, from: String, to: String) {
    let span = NamePattern.span(of: name, base: "events")
    #expect(span?.from == from && span?.to == to)
  }

  @Test(arguments: [
    "events", "events_", "events_20230229", "events_2024_13", "events_old_20240101",
    "eventsx_20240101", "events_p2024_01_01", "events_2024-01-01", "events_q20240101",
  ])
  func passesOverOtherNames(name: String) {
    #expect(NamePattern.span(of: name, base: "events") == nil)
  }
}

@Suite struct KeyTemplateTests {
  @Test(arguments: ["", "{", "a}b", "{nope}", "{YYYY", "x{}y"])
  func refuses(text: String) {
    #expect(throws: UsageError.self) { try KeyTemplate(parsing: text) }
  }
}
