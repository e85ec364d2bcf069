import Bytes
import Posix
import Testing
import Zstd

/// One archive of several frames, small enough to be damaged in every way.
private let rows = sampleRows(12)
private let archive = (try? compress(rows, frameBytes: 150)) ?? []

/// True if `input` is refused as bad input.
private func isRefused(_ input: [UInt8]) -> Bool {
  do {
    _ = try decompress(input)
    return false
  } catch { return (error as? ZstdError)?.exitCode == .badInput }
}

@Suite struct DecompressorTests {
  @Test(arguments: [1, 2, 3, 7, 100, Int.max])
  func bringsBackWhatWasCompressed(step: Int) throws {
    #expect(try decompress(archive, step: step) == rows)
    #expect(try decompressInParallel(archive) == rows)
  }

  @Test func everyPrefixIsRefused() {
    for length in archive.indices {
      #expect(isRefused(Array(archive[..<length])), "the first \(length) bytes")
    }
  }

  @Test func everyPrefixIsRefusedInParallel() {
    for length in archive.indices {
      #expect(throws: ZstdError.self, "the first \(length) bytes") {
        try decompressInParallel(Array(archive[..<length]))
      }
    }
  }

  @Test func damageIsNeverSilent() throws {
    for index in archive.indices {
      for bit in 0..<8 {
        var damaged = archive
        damaged[index] ^= 1 << bit
        let pushed = try? decompress(damaged)
        #expect(pushed == nil || pushed == rows, "bit \(bit) of byte \(index)")
        guard bit % 4 == 0 else { continue }
        let parallel = try? decompressInParallel(damaged)
        #expect(parallel == nil || parallel == rows, "bit \(bit) of byte \(index), in parallel")
      }
    }
  }

  @Test func nothingIsNoStream() {
    #expect(isRefused([]))
    #expect(isRefused(Array("{\"id\":1}\n".utf8)))
  }

  @Test func errorsNameFrameAndOffset() throws {
    let frames = try frames(of: archive)
    var damaged = archive
    damaged[frames[3].offset - 1] ^= 1  // the checksum of frame 3
    #expect {
      try decompress(damaged)
    } throws: { error in
      let message = (error as? ZstdError)?.message ?? ""
      return message.hasPrefix("could not decompress frame 3 at byte \(frames[2].offset): ")
    }
  }

  @Test func archivesMayBeConcatenated() throws {
    let other = try compress([], frameBytes: 10)
    for input in [archive + archive, other + archive, archive + other] {
      let expected = input == archive + archive ? rows + rows : rows
      #expect(try decompress(input) == expected)
      #expect(try decompressInParallel(input) == expected)
    }
  }

  @Test func anArchiveWithoutItsTableIsRefusedWhateverFollows() throws {
    let table = try #require(try frames(of: archive).last)
    let cut = Array(archive[..<table.offset])
    #expect(isRefused(cut + archive))
    #expect(isRefused(cut + skippable(0x184D_2A5E, [])))
    #expect(isRefused(cut + skippable(0x184D_2A5E, Array(repeating: 0, count: table.offset))))
    #expect(isRefused(cut + skippable(0x184D_2A50, Array("x".utf8))))
  }

  @Test func aFrameLessOrTwiceIsNoticed() throws {
    let frames = try frames(of: archive)
    let second = frames[2].offset..<frames[3].offset
    #expect(isRefused(Array(archive[..<second.lowerBound] + archive[second.upperBound...])))
    #expect(isRefused(Array(archive[..<second.upperBound] + archive[second.lowerBound...])))
  }

  @Test func skippableFramesArePassedOver() throws {
    let note = skippable(0x184D_2A50, Array("note".utf8))
    let table = skippable(0x184D_2A5E, Array("no table of ours".utf8))
    let marker = skippable(0x184D_2A53, Array("sluice/2".utf8))
    for input in [note + archive + note, table + archive, marker + marker + archive] {
      #expect(try decompress(input, step: 1) == rows)
      #expect(try decompressInParallel(input) == rows)
    }
    #expect(try decompressInParallel(note) == [])
  }

  @Test func noiseDoesNotTrap() throws {
    var dice = Dice(state: 42)
    for round in 0..<3000 {
      var input = archive
      for _ in 0..<Int.random(in: 1...4, using: &dice) {
        let place = Int.random(in: 0..<input.count, using: &dice)
        switch round % 3 {
        case 0: input[place] = UInt8.random(in: 0...255, using: &dice)
        case 1: input.removeSubrange(place..<min(input.count, place + 5))
        default: input.insert(UInt8.random(in: 0...255, using: &dice), at: place)
        }
      }
      let output = try? decompress(input, step: Int.random(in: 1...300, using: &dice))
      #expect(output == nil || output == rows, "round \(round)")
    }
  }

  @Test func noiseBehindAMagicNumberDoesNotTrap() {
    var dice = Dice(state: 43)
    for round in 0..<3000 {
      let magic = littleEndian(round % 2 == 0 ? 0xFD2F_B528 : 0x184D_2A53)
      let noise = (0..<Int.random(in: 0...60, using: &dice)).map { _ in
        UInt8.random(in: 0...255, using: &dice)
      }
      _ = try? decompress(magic + noise, step: 7)
      if round % 20 == 0 { _ = try? decompressInParallel(magic + noise) }
    }
  }
}

@Suite struct HeaderTests {
  private static let magic: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD]

  @Test(arguments: [
    ("a window over 128 MiB", [0x00, 0x8A, 0x01, 0x00, 0x00], "needs a window of"),
    ("a single segment over 128 MiB", [0xA0, 0x01, 0x00, 0x00, 0x08], "needs a window of"),
    ("a reserved bit", [0x08, 0x00], "reserved bit"),
    ("a dictionary", [0x01, 0x00, 0x07], "needs the dictionary 7"),
    ("a reserved block type", [0x00, 0x00, 0x07, 0x00, 0x00], "byte 6 has a bad header"),
    ("a block over 128 KiB", [0x00, 0x00, 0x09, 0x00, 0x10], "byte 6 has a bad header"),
    (
      "more content than can be counted",
      [0xE0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], "says that it holds"
    ),
  ])
  func refuses(what: String, header: [UInt8], words: String) {
    #expect {
      try decompress(Self.magic + header)
    } throws: { error in
      let message = (error as? ZstdError)?.message ?? ""
      return message.hasPrefix("frame 1 at byte 0 ") && message.contains(words)
    }
  }

  @Test func readsAFrameOfRunsWithoutContentSize() throws {
    // No content size, window 1 KiB; a raw block, then a run of 500 as the last one.
    let raw: [UInt8] = [0x10, 0x00, 0x00, 0x61, 0x62]
    let run: [UInt8] = [0xA3, 0x0F, 0x00, 0x63]
    let frame = Self.magic + [0x00, 0x00] + raw + run
    let content = Array("ab".utf8) + [UInt8](repeating: 0x63, count: 500)
    for step in [1, 3, Int.max] {
      let scanned = try frames(of: frame, step: step)
      #expect(scanned.map(\.contentBytes) == [nil])
      #expect(scanned.map(\.compressedBytes) == [frame.count])
      #expect(try decompress(frame, step: step) == content)
    }
    #expect(try decompressInParallel(frame + frame) == content + content)
  }
}
