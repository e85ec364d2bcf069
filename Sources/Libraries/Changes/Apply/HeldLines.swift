internal import Bytes

/// Lines of input that are held until what they say is committed, so that it can be sent again.
struct HeldLines: ~Copyable {
  private var bytes = ByteBuffer(capacity: 1 << 16)
  /// Where each line ends in `bytes`, and its number in the input.
  private var ends: [(end: Int, number: Int)] = []

  var count: Int { ends.count }
  var byteCount: Int { bytes.count }

  mutating func append(_ line: Span<UInt8>, number: Int) {
    bytes.append(line)
    ends.append((bytes.count, number))
  }

  subscript(_ index: Int) -> Span<UInt8> {
    @_lifetime(borrow self)
    borrowing get { bytes.span.extracting(start(index)..<ends[index].end) }
  }

  func number(_ index: Int) -> Int { ends[index].number }

  /// Where line `index` begins.
  func start(_ index: Int) -> Int { index == 0 ? 0 : ends[index - 1].end }

  mutating func removeFirst(_ lines: Int) {
    guard lines > 0 else { return }
    let cut = start(lines)
    bytes.removeFirst(cut)
    ends.removeFirst(lines)
    if cut > 0 { for index in ends.indices { ends[index].end -= cut } }
  }

  /// Forgets the lines from `index` on.
  mutating func truncate(to index: Int) {
    bytes.truncate(to: start(index))
    ends.removeSubrange(index...)
  }
}
