public import Postgres

/// One segment file of one timeline.
public struct Segment: Hashable, Sendable {
  public let timeline: UInt32
  /// Segments before it since `initdb`, whatever their timeline.
  public let number: UInt64
  public let size: SegmentSize

  public init(timeline: UInt32, number: UInt64, size: SegmentSize) {
    (self.timeline, self.number, self.size) = (timeline, number, size)
  }

  /// The segment that `position` lies in.
  public init(timeline: UInt32, holding position: LSN, size: SegmentSize) {
    self.init(timeline: timeline, number: position.rawValue / UInt64(size.bytes), size: size)
  }

  /// Nil when the digits are no name of a segment of that size.
  public init?(_ name: SegmentName, size: SegmentSize) {
    guard UInt64(name.low) < size.perLog else { return nil }
    self.init(
      timeline: name.timeline, number: UInt64(name.high) * size.perLog + UInt64(name.low),
      size: size)
  }

  public var start: LSN { LSN(rawValue: number &* UInt64(size.bytes)) }
  /// The start of the next one.
  public var end: LSN { start + size.bytes }

  public var next: Segment { Segment(timeline: timeline, number: number + 1, size: size) }

  /// The 24 digits.
  public var name: String { digits.description }

  var digits: SegmentName {
    SegmentName(
      timeline: timeline, high: UInt32(truncatingIfNeeded: number / size.perLog),
      low: UInt32(number % size.perLog))
  }
}

/// The 24 digits of a segment's name, which say where it lies only once its size is known.
public struct SegmentName: Hashable, Sendable, CustomStringConvertible {
  public let timeline: UInt32
  public let high: UInt32
  public let low: UInt32

  init(timeline: UInt32, high: UInt32, low: UInt32) {
    (self.timeline, self.high, self.low) = (timeline, high, low)
  }

  /// Nil unless `text` is 24 upper-case hexadecimal digits, as PostgreSQL writes them.
  public init?(_ text: some StringProtocol) {
    guard text.utf8.count == 24, let digits = WALFileName.digits(text) else { return nil }
    timeline = UInt32(truncatingIfNeeded: digits.first)
    (high, low) = (digits.middle, digits.last)
  }

  public var description: String {
    WALFileName.hex(timeline) + WALFileName.hex(high) + WALFileName.hex(low)
  }
}
