import Bytes
import Posix
import Postgres
import Testing

@testable import Changes

/// Streams that are cut off or damaged: whatever comes, the decoder says what is whole and where it stopped.
@Suite struct DecoderDamageTests {
  /// A stream, and what is written once each of its frames has come.
  struct Sample: Sendable {
    let bytes: [UInt8]
    /// Where each frame ends.
    let ends: [Int]
    /// The events of so many frames.
    let events: [[UInt8]]

    init(_ payloads: [[UInt8]]) throws {
      let frames = SampleStream.frames(payloads)
      bytes = Array(frames.joined())
      ends = frames.reduce(into: []) { $0.append(($0.last ?? 0) + $1.count) }
      events = try (0...frames.count).map { count in
        let (events, failure) = try DecoderDamageTests.decode(Array(frames[..<count].joined()))
        #expect(failure == nil)
        return events
      }
    }

    /// The number of frames that are whole before a place.
    func framesBefore(_ place: Int) -> Int { ends.count { $0 <= place } }

    /// True for the positions and the clock before a message, of which every value is as good.
    func isPosition(_ place: Int) -> Bool {
      (6..<30).contains(place - (ends.last { $0 <= place } ?? 0))
    }
  }

  static let samples = Result { try SampleStream.protocols.map { try Sample($0) } }

  private func sample(_ index: Int) throws -> Sample { try Self.samples.get()[index] }

  /// The events of a stream, and why it was not read to its end; any other error is passed on.
  private static func decode(
    _ stream: [UInt8], memoryBytes: Int = 1 << 20
  ) throws -> (events: [UInt8], failure: Failure?) {
    let input = try File(scratchIn: "/tmp")
    let output = try File(scratchIn: "/tmp")
    try input.write(stream.span, at: 0)
    var options = DecodeOptions()
    (options.memoryBytes, options.folder) = (memoryBytes, "/tmp")
    var failure: Failure?
    do {
      try Decoding.run(options, from: input.descriptor, to: output.descriptor, log: nil)
    } catch let error as Failure where error.exitCode == .badInput {
      failure = error
    }
    let size = Int(try output.facts().size)
    return (try output.descriptor.read(count: size, at: 0), failure)
  }

  /// What was whole before the first place of the damage is there, and no line is cut.
  private func check(_ damaged: [UInt8], _ sample: Sample, from place: Int, memory: Int = 1 << 20) {
    do {
      let (events, failure) = try Self.decode(damaged, memoryBytes: memory)
      let whole = sample.events[sample.framesBefore(place)]
      #expect(events.starts(with: whole), "damage at \(place)")
      #expect(events.isEmpty || events.last == UInt8(ascii: "\n"))
      if let failure { #expect(failure.detail?.hasPrefix("byte ") == true) }
    } catch {
      Issue.record("damage at \(place): \(error)")
    }
  }

  @Test(arguments: SampleStream.protocols.indices)
  func everyCutGivesTheEventsBeforeItAndItsPlace(index: Int) throws {
    let sample = try sample(index)
    for cut in sample.bytes.indices {
      let (events, failure) = try Self.decode(Array(sample.bytes[..<cut]))
      #expect(events == sample.events[sample.framesBefore(cut)], "cut at \(cut)")
      let isBetweenFrames = cut == 0 || sample.ends.contains(cut)
      #expect((failure == nil) == isBetweenFrames, "cut at \(cut)")
      if let failure { #expect(failure.detail == "byte \(cut): the input is cut off here") }
    }
  }

  @Test(arguments: SampleStream.protocols.indices)
  func noByteThatIsAnotherIsATrap(index: Int) throws {
    let sample = try sample(index)
    for place in sample.bytes.indices where !sample.isPosition(place) {
      var damaged = sample.bytes
      for value in [0, 0xFF, damaged[place] ^ 1] {
        damaged[place] = value
        check(damaged, sample, from: place)
      }
    }
  }

  @Test(arguments: SampleStream.protocols.indices, [1 << 20, 0])
  func noDamageAtRandomIsATrap(index: Int, memory: Int) throws {
    let sample = try sample(index)
    for seed in 0..<UInt64(250) {
      var (dice, damaged) = (Dice(state: seed), sample.bytes)
      let place = dice.damage(&damaged)
      check(damaged, sample, from: place, memory: memory)
    }
  }

  /// Frames that are lost, come twice or change places, as no server sends them.
  @Test(arguments: SampleStream.protocols.indices)
  func noOrderOfMessagesIsATrap(index: Int) throws {
    let sample = try sample(index)
    let frames = SampleStream.frames(SampleStream.protocols[index])
    for seed in 0..<UInt64(250) {
      var (dice, changed) = (Dice(state: seed), frames)
      let place = Int.random(in: changed.indices, using: &dice)
      switch Int.random(in: 0..<3, using: &dice) {
      case 0: changed[place...].shuffle(using: &dice)
      case 1: changed.remove(at: place)
      default: changed.insert(changed.randomElement(using: &dice) ?? [], at: place)
      }
      let start = place == 0 ? 0 : sample.ends[place - 1]
      check(Array(changed.joined()), sample, from: start)
    }
  }

  /// The receiver looks at the same messages, as far as it must.
  @Test func noMessageIsATrapForTheReceiver() throws {
    for payload in SampleStream.protocols.joined() where payload[0] == UInt8(ascii: "w") {
      let message = Array(payload[25...])
      for isInside in [false, true] {
        for length in message.indices { mark(Array(message[..<length]), isInside) }
        for place in message.indices {
          for value: UInt8 in [0, 0x7F, 0xFF] {
            var damaged = message
            damaged[place] = value
            mark(damaged, isInside)
          }
        }
      }
    }
  }

  private func mark(_ message: [UInt8], _ isInside: Bool) {
    do { _ = try StreamMark(message.span, isInside: isInside) } catch {
      #expect(error is Failure)
    }
  }
}
