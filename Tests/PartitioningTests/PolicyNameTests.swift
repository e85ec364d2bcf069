import Partitioning
import Testing

@Suite struct NamingTemplateTests {
  /// 2024-01-31 15:30:45.000007, on some clock.
  static let moment: Int64 = 1_706_715_045_000_007

  @Test(arguments: [
    ("1 year", "t_2024"), ("1 month", "t_202401"), ("3 months", "t_202401"),
    ("1 day", "t_20240131"),
    ("1 week", "t_20240131"), ("1 hour", "t_2024013115"), ("36 hours", "t_2024013115"),
    ("30 minutes", "t_202401311530"), ("30 seconds", "t_20240131153045"),
    ("500 ms", "t_20240131153045000007"),
  ])
  func hasAsManyPartsAsTheIntervalNeeds(interval: String, name: String) throws {
    let precision = DatePrecision(of: try IntervalText(parsing: interval))
    let partition = NamedPartition(table: "t", from: .moment(Self.moment, precision))
    #expect(NamingTemplate.standard.name(for: partition) == name)
  }

  @Test(arguments: [
    ("{table}_p{YYYY}_{MM}_{DD}", "t_p2024_01_31"), ("{table}_{YYYY}q{Q}", "t_2024q1"),
    ("{IYYY}w{IW}", "2024w05"), ("{HH}{MI}", "1530"), ("x", "x"),
  ])
  func fillsPlaceholders(template: String, name: String) throws {
    let partition = NamedPartition(table: "t", from: .moment(Self.moment, .day))
    #expect(try NamingTemplate(parsing: template).name(for: partition) == name)
  }

  @Test(arguments: [
    // 2020-12-31, 2021-01-01, 2021-01-04, 1969-12-31, 2024-12-30
    (18627, "2020w53"), (18628, "2020w53"), (18631, "2021w01"), (-1, "1970w01"), (20087, "2025w01"),
  ])
  func weeksBelongToTheYearOfTheirThursday(day: Int64, name: String) throws {
    let from = NamedPartition.Start.moment(day * 86_400_000_000, .day)
    let template = try NamingTemplate(parsing: "{IYYY}w{IW}")
    #expect(template.name(for: NamedPartition(table: "t", from: from)) == name)
  }

  @Test func numbersAreNumbers() {
    #expect(NamingTemplate.standard.name(for: .init(table: "t", from: .number(-5))) == "t_-5")
  }

  @Test func anHourThatComesTwiceHasTwoNames() {
    let names = [false, true].map { isRepeated in
      NamingTemplate.standard.name(
        for: .init(table: "t", from: .moment(Self.moment, .hour, isRepeated: isRepeated)))
    }
    #expect(names == ["t_2024013115", "t_2024013115b"])
  }

  @Test func namesOf63BytesStayAndLongerOnesAreCutAtACharacter() throws {
    let fits = String(repeating: "é", count: 27)
    let partition = NamedPartition(table: fits, from: .moment(Self.moment, .day))
    #expect(NamingTemplate.standard.name(for: partition) == fits + "_20240131")
    let names = [28, 29, 40].map { count in
      NamingTemplate.standard.name(
        for: .init(
          table: String(repeating: "é", count: count), from: .moment(Self.moment, .day)))
    }
    for name in names {
      #expect(name.utf8.count == 63 && name.hasPrefix(fits + "_"))
      #expect(
        name.utf8.suffix(8).allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
    }
    #expect(Set(names).count == 3)
    #expect(
      names[0]
        == NamingTemplate.standard.name(
          for: .init(table: fits + "é", from: .moment(Self.moment, .day))))
  }

  @Test func tenantsNeverCollide() {
    let long = String(repeating: "x", count: 60)
    let tenants = ["a", "A", "", "a b", "\"", long + "1", long + "2", "ä", "a\u{308}"]
    let names = tenants.map {
      NamingTemplate.standardForTenants.name(
        for: .init(table: "t", tenant: $0, from: .moment(Self.moment, .day)))
    }
    // By bytes: Swift takes the last two for equal, PostgreSQL does not.
    #expect(Set(names.map { Array($0.utf8) }).count == tenants.count)
    #expect(names[0] == "t_a_20240131" && names[1] == "t_A_20240131")
  }

  @Test func aNameThatIsTakenCanBeToldApart() {
    let one = NamedPartition(table: "t", tenant: "a_1", from: .number(2))
    let two = NamedPartition(table: "t_a", tenant: "1", from: .number(2))
    let template = NamingTemplate.standardForTenants
    #expect(template.name(for: one) == template.name(for: two))
    #expect(template.name(for: one, isDistinct: true) != template.name(for: two, isDistinct: true))
    #expect(template.name(for: one, isDistinct: true).hasPrefix("t_a_1_2_"))
  }

  @Test func subPartitionsAreNamedAfterTheirParent() {
    #expect(NamingTemplate.name(of: "default", in: "t") == "t_default")
    let long = String(repeating: "t", count: 63)
    let names = Set((0..<16).map { NamingTemplate.name(of: String($0), in: long) })
    #expect(names.count == 16 && names.allSatisfy { $0.utf8.count == 63 })
  }

  @Test(arguments: ["", "{", "}", "{table", "{tabel}", "a{}b"])
  func refusesWrongTemplates(text: String) {
    #expect(throws: (any Error).self) { try NamingTemplate(parsing: text) }
  }
}
