/// What a name in a WAL directory, or behind `%f` of a restore_command, stands for.
public enum WALFileName: Hashable, Sendable {
  case segment(SegmentName)
  /// `NAME.partial`: the segment that was being received, of full size, zeros behind its end.
  case partial(SegmentName)
  /// `0000000N.history`: how timeline N came to be.
  case history(timeline: UInt32)
  /// `NAME.OFFSET.backup`: the label that a base backup leaves.
  case backupLabel(SegmentName, offset: UInt32)

  /// Nil for any other name, such as a temporary one.
  public init?(_ name: some StringProtocol) {
    if let segment = SegmentName(name) {
      self = .segment(segment)
    } else if name.hasSuffix(".partial"), let segment = SegmentName(name.dropLast(8)) {
      self = .partial(segment)
    } else if name.utf8.count == 16, name.hasSuffix(".history"),
      let timeline = Self.number(name.dropLast(8))
    {
      self = .history(timeline: timeline)
    } else if name.utf8.count == 40, name.hasSuffix(".backup"),
      let segment = SegmentName(name.prefix(24)), name.dropFirst(24).first == ".",
      let offset = Self.number(name.dropFirst(25).prefix(8))
    {
      self = .backupLabel(segment, offset: offset)
    } else {
      return nil
    }
  }

  public var timeline: UInt32 {
    switch self {
    case .segment(let name), .partial(let name), .backupLabel(let name, _): name.timeline
    case .history(let timeline): timeline
    }
  }

  /// True for a complete or a partial segment.
  var isSegment: Bool {
    switch self {
    case .segment, .partial: true
    case .history, .backupLabel: false
    }
  }

  /// The name itself.
  public var text: String {
    switch self {
    case .segment(let name): "\(name)"
    case .partial(let name): "\(name).partial"
    case .history(let timeline): Self.hex(timeline) + ".history"
    case .backupLabel(let name, let offset): "\(name).\(Self.hex(offset)).backup"
    }
  }

  /// Eight upper-case digits.
  static func hex(_ value: UInt32) -> String {
    let text = String(value, radix: 16, uppercase: true)
    return String(repeating: "0", count: 8 - text.utf8.count) + text
  }

  static func digits(
    _ text: some StringProtocol
  ) -> (first: UInt32, middle: UInt32, last: UInt32)? {
    guard let first = number(text.prefix(8)), let middle = number(text.dropFirst(8).prefix(8)),
      let last = number(text.dropFirst(16))
    else { return nil }
    return (first, middle, last)
  }

  /// Exactly eight upper-case digits.
  private static func number(_ text: some StringProtocol) -> UInt32? {
    guard text.utf8.count == 8,
      text.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x41...0x46).contains($0) })
    else { return nil }
    return UInt32(text, radix: 16)
  }
}
