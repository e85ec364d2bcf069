import Filter
import JSON
import Posix
import Testing

struct Sample {
  var name = ""
  var count = 0
  var loud = false
}

var sampleFlags: [Flag<Sample>] {
  [
    .option("dbname", short: "d", "CONNSTR", "where to") { $0.name = $1 },
    .option("part-size", "SIZE", "how much") { options, text throws(UsageError) in
      options.count = try OptionValue.size(text, in: 0...1 << 40)
    },
    .toggle("verbose", short: "v", "say more") { $0.loud = true },
    .number("level", "N", "how hard") { options, text throws(UsageError) in
      options.count = try OptionValue.count(text, in: 1...19)
    },
  ]
}

func parse(_ words: [String]) throws -> (Sample, [String]) {
  var (options, parser) = (Sample(), CommandLineParser(words, flags: sampleFlags))
  let operands = try parser.parse(into: &options)
  return (options, operands)
}

@Suite struct CommandLineTests {
  @Test(arguments: [
    ["--dbname=x", "--verbose"], ["--dbname", "x", "-v"], ["-dx", "-v"], ["-vd", "x"], ["-vdx"],
  ])
  func understandsEverySpelling(words: [String]) throws {
    let (options, operands) = try parse(words)
    #expect(options.name == "x" && options.loud && operands.isEmpty)
  }

  @Test(arguments: [["-19"], ["-v19"], ["-19v"], ["--level", "19"], ["-3", "-19"]])
  func understandsANumberBehindADash(words: [String]) throws {
    #expect(try parse(words).0.count == 19)
  }

  @Test(arguments: ["-0", "-20", "-1-9", "-99999999999999999999"])
  func refusesOtherNumbers(word: String) {
    #expect(throws: UsageError.self) { try parse([word]) }
  }

  @Test func stopsAtTwoDashes() throws {
    #expect(try parse(["a", "--", "-v", "--x"]).1 == ["a", "-v", "--x"])
  }

  @Test(arguments: [
    ["--nope"], ["-x"], ["--dbname"], ["--verbose=1"], ["--part-size=8Q"], ["--part-size=+8"],
    ["--dbnam=x"],
  ])
  func refuses(words: [String]) { #expect(throws: UsageError.self) { try parse(words) } }

  @Test func theCommandLineWinsOverTheEnvironment() throws {
    var (options, parser) = (Sample(), CommandLineParser(["-d", "x"], flags: sampleFlags))
    _ = try parser.parse(into: &options)
    let variables = ["SLUICE_DBNAME": "y", "SLUICE_PART_SIZE": "8MiB", "SLUICE_VERBOSE": "0"]
    try parser.applyEnvironment(to: &options) { variables[$0] }
    #expect(options.name == "x" && options.count == 8 << 20 && !options.loud)
  }
}

@Suite struct OptionValueTests {
  @Test func readsSizesAndDurations() throws {
    #expect(try OptionValue.size("64KiB", in: 0...Int.max) == 65536)
    #expect(try OptionValue.size("1GB", in: 0...Int.max) == 1_000_000_000)
    #expect(try OptionValue.duration("250ms") == 250)
    #expect(try OptionValue.duration("7d") == 604_800_000)
  }

  @Test(arguments: ["", "x", "-1", "1.5MiB", "99999999999999999999", "9999999TiB", "1 MiB"])
  func refusesOtherSizes(text: String) {
    #expect(throws: UsageError.self) { try OptionValue.size(text, in: 0...Int.max) }
  }

  @Test(arguments: ["2024-02-30", "2023-02-29", "2024-1-1", "24-01-01", "2024-13-01", "2024/01/01"])
  func refusesDatesThatDoNotExist(text: String) {
    #expect(throws: UsageError.self) { try OptionValue.date(text) }
  }
}

@Suite struct TimestampTests {
  @Test func writesAndReads() {
    #expect(Timestamp.text(microseconds: 0) == "1970-01-01T00:00:00.000000Z")
    #expect(Timestamp.text(microseconds: 1_709_210_096_123_456) == "2024-02-29T12:34:56.123456Z")
    #expect(Timestamp.text(microseconds: -1) == "1969-12-31T23:59:59.999999Z")
    #expect(Timestamp.microseconds(of: "2024-02-29T12:34:56.123456Z") == 1_709_210_096_123_456)
    #expect(Timestamp.microseconds(of: "2024-02-29 12:34:56.123456Z") == nil)
  }

  @Test func everyDayOfFourCenturiesComesBack() {
    for day in Int64(-146_097)...146_097 {
      #expect(Timestamp.dayNumber(ofDate: Timestamp.date(dayNumber: day)) == day)
    }
  }
}
