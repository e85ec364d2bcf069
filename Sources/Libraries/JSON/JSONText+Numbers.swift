public import Bytes

extension JSONText {
  /// Makes a string of each number in the valid JSON that `buffer` holds from `start` on, at any depth.
  public static func quoteNumbers(in buffer: inout ByteBuffer, from start: Int) {
    let text = [UInt8](copying: buffer.span(from: start))
    buffer.truncate(to: start)
    var index = 0
    while index < text.count {
      let end = tokenEnd(text, index)
      let isNumber = isOfNumber(text[index])
      if isNumber { buffer.append(UInt8(ascii: "\"")) }
      buffer.append(text.span.extracting(index..<end))
      if isNumber { buffer.append(UInt8(ascii: "\"")) }
      index = end
    }
  }

  /// The end of the string, of the number or of the one other byte that begins at `index`.
  private static func tokenEnd(_ text: [UInt8], _ index: Int) -> Int {
    var end = index + 1
    if text[index] == UInt8(ascii: "\"") {
      while end < text.count, text[end] != UInt8(ascii: "\"") {
        end += text[end] == UInt8(ascii: "\\") ? 2 : 1
      }
      return min(end + 1, text.count)
    }
    if isOfNumber(text[index]) {
      while end < text.count, isOfNumber(text[end]) || isOfExponent(text[end]) { end += 1 }
    }
    return end
  }

  private static func isOfNumber(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
  }

  private static func isOfExponent(_ byte: UInt8) -> Bool { ".eE+".utf8.contains(byte) }
}
