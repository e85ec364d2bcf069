import Partitioning
import Posix
import Testing

/// The examples in sluice-policy(5) are policies.
@Suite struct PolicyPageTests {
  @Test func everyExampleIsRead() throws {
    let examples = try Self.examples()
    #expect(examples.count == 3)
    for (index, example) in examples.enumerated() {
      #expect(try !PolicyFile.parse(Array(example.utf8), named: "example \(index + 1)").isEmpty)
    }
  }

  @Test func everyKeyIsDescribed() throws {
    let page = try Self.page()
    for key in [
      "table", "key", "column", "type", "epoch", "interval", "time_zone", "week_start", "start",
      "premake", "horizon", "retention", "retire", "keep_at_least", "default", "tenant_key",
      "tenants", "sub", "list", "hash", "name", "inherit",
    ] { #expect(page.contains("\n.B \(key)\n"), "\(key)") }
  }

  /// What stands between .nf and .fi, as a person would type it.
  private static func examples() throws -> [String] {
    try page().replacing("\\-", with: "-").split(separator: "\n.nf\n").dropFirst().map { part in
      String(part.split(separator: "\n.fi\n")[0]) + "\n"
    }
  }

  private static func page() throws -> String {
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let file = try File(reading: "/\(root)/man/man5/sluice-policy.5")
    let bytes = try file.descriptor.read(count: Int(file.facts().size), at: 0)
    return String(decoding: bytes, as: UTF8.self)
  }
}
