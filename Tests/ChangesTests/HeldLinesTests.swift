import Bytes
import Testing

@testable import Changes

@Suite struct HeldLinesTests {
  @Test func holdsWhatAListWouldHold() {
    for seed in 0..<UInt64(200) {
      var dice = Dice(state: seed)
      var lines = HeldLines()
      var list: [(line: [UInt8], number: Int)] = []
      for number in 1...40 {
        switch Int.random(in: 0..<6, using: &dice) {
        case 0:
          let count = Int.random(in: 0...list.count, using: &dice)
          lines.removeFirst(count)
          list.removeFirst(count)
        case 1:
          let count = Int.random(in: 0...list.count, using: &dice)
          lines.truncate(to: count)
          list.removeSubrange(count...)
        default:
          let line = (0..<Int.random(in: 0...9, using: &dice)).map { UInt8($0 &+ number) }
          lines.append(line.span, number: number)
          list.append((line, number))
        }
        #expect(lines.count == list.count)
        #expect(lines.byteCount == list.reduce(0) { $0 + $1.line.count })
        for index in list.indices {
          #expect([UInt8](copying: lines[index]) == list[index].line)
          #expect(lines.number(index) == list[index].number)
        }
      }
    }
  }
}
