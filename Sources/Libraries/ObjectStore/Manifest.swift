internal import Filter
public import JSON
internal import Posix

/// A file of receipts, looked up by key; the last line of a key wins.
///
/// Memory holds where each key's line lies, not the lines.
public struct Manifest: Sendable {
  private struct Place: Sendable {
    let offset: Int64
    let count: Int
  }

  private let path: String
  /// By the bytes of the key, as stores have it.
  private var places: [[UInt8]: Place] = [:]
  /// The keys, in the order of their last lines.
  public private(set) var keys: [String] = []
  /// Lines that are no receipts, such as one that a power cut left unfinished.
  public private(set) var damagedLines: [Int] = []

  /// Reads the file at `path`; one that does not exist has no receipts, unless it `mustExist`.
  public init(path: String, mustExist: Bool = false) throws {
    self.path = path
    if try !mustExist && FileFacts.of(path) == nil { return }
    let file = try File(reading: path)
    var lines = LineReader(from: file.descriptor, maxLineBytes: RecordReader.maxLineBytes)
    var (offset, last): (Int64, [[UInt8]: Int]) = (0, [:])
    do {
      while try lines.next() {
        let count = lines.line.count
        note(try? Record(parsing: lines.line), lines.number, offset, count, &last)
        offset += Int64(count) + 1
      }
    } catch let error as LineError {
      damagedLines.append(error.line)
    }
    keys = last.sorted { $0.value < $1.value }.map { String(decoding: $0.key, as: UTF8.self) }
  }

  private mutating func note(
    _ record: Record?, _ number: Int, _ offset: Int64, _ count: Int, _ last: inout [[UInt8]: Int]
  ) {
    guard let key = record?.string("key").map({ Array($0.utf8) }) else {
      if count > 0 { damagedLines.append(number) }
      return
    }
    places[key] = Place(offset: offset, count: count)
    last[key] = number
  }

  /// The receipts of `wanted` keys, in their order; nil where there is none.
  public func receipts(of wanted: [String]) throws -> [Record?] {
    guard !places.isEmpty else { return wanted.map { _ in nil } }
    let file = try File(reading: path)
    return try wanted.map { key in
      guard let place = places[Array(key.utf8)] else { return nil }
      let line = try file.descriptor.read(count: place.count, at: place.offset)
      return try Record(parsing: line.span)
    }
  }
}
