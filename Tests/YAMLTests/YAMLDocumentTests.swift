import Testing
import YAML

@Suite struct YAMLDocumentTests {
  private func parse(_ text: String) throws -> YAMLNode { try YAMLDocument.parse(Array(text.utf8)) }

  @Test func keepsOrderStylesAndPlaces() throws {
    let root = try parse("b: 1\na:\n  - 'x'\n  - null\n")
    guard case .mapping(let pairs) = root.content else { return #expect(Bool(false)) }
    #expect(pairs.map(\.key) == ["b", "a"])
    #expect(pairs.map(\.line) == [1, 2])
    #expect(pairs[0].value.content == .scalar("1", .plain))
    #expect(pairs[0].value.column == 4)
    guard case .sequence(let items) = pairs[1].value.content else { return #expect(Bool(false)) }
    #expect(items[0].content == .scalar("x", .quoted))
    #expect(items.map(\.line) == [3, 4])
    #expect(items.map(\.isNull) == [false, true])
  }

  @Test(arguments: ["", "# nothing\n", "---\n", "~"])
  func nothingIsNull(text: String) throws { #expect(try parse(text).isNull) }

  @Test(arguments: [
    ("a: &x 1", 1, "anchors"), ("a: 1\nb: *x", 2, "anchors"), ("a: !!int 1", 1, "tags"),
    ("a: 1\nb: 2\na: 3", 3, "\"a\" is given twice, first in line 1"),
    ("a: 1\n---\nb: 2", 2, "second document"), ("[a, b]: c", 1, "key"), ("a:\n\t- b", 2, ""),
    ("a: [1, 2", 1, ""), ("a: \"x", 1, ""), ("a: b: c", 1, ""), ("a: 1\n b: 2\n", 2, ""),
    ("a: 1\nb: \u{7}", 2, "control characters"),
  ])
  func saysWhatIsWrongAndWhere(text: String, line: Int, reason: String) {
    #expect {
      try parse(text)
    } throws: { error in
      guard let error = error as? YAMLError else { return false }
      return (error.line == line || reason.isEmpty) && error.reason.contains(reason)
    }
  }

  @Test func brokenUTF8IsRefused() {
    #expect(throws: YAMLError.self) { try YAMLDocument.parse([0x61, 0x3A, 0x20, 0xFF, 0xFE]) }
  }

  @Test func depthIsBounded() throws {
    let deep = YAMLDocument.maxDepth
    _ = try parse(String(repeating: "[", count: deep) + String(repeating: "]", count: deep))
    for count in [deep + 2, 100_000] {
      #expect(throws: YAMLError.self) { try parse(String(repeating: "[", count: count)) }
    }
  }

  @Test func sizeIsBounded() {
    let text = [UInt8](repeating: 0x23, count: YAMLDocument.maxBytes + 1)
    #expect(throws: YAMLError.self) { try YAMLDocument.parse(text) }
  }

  @Test func survivesRandomText() {
    let alphabet = Array("ab:-[]{}'\"#&*!|>\n \t,?%@~0\u{FEFF}")
    for _ in 0..<5000 {
      let text = String((0..<30).compactMap { _ in alphabet.randomElement() })
      _ = try? parse(text)
    }
  }
}
