import Bytes
import Posix
import Testing
import Zstd

@Suite struct ParallelTests {
  @Test(arguments: [1, 2, 3, 99, 100, 101, 4096, 1 << 20])
  func everyFrameSizeComesBack(frameBytes: Int) throws {
    let input = Array(sampleRows(200).prefix(3 * 2048 + 7))
    let output = try compress(input, frameBytes: frameBytes)
    #expect(try decompressInParallel(output) == input)
    #expect(try decompress(output) == input)
    let content = try frames(of: output).filter { $0.kind == .zstd }
    #expect(content.count == (input.count + frameBytes - 1) / frameBytes)
    #expect(content.dropLast().allSatisfy { $0.contentBytes == frameBytes && $0.hasChecksum })
  }

  /// Around the sizes at which loads and batches end.
  @Test(arguments: [0, 1, 255 << 10, 256 << 10, (256 << 10) + 1, 1 << 20, (3 << 20) + 5])
  func everyLengthComesBack(length: Int) throws {
    let input = Array(repeatElement(sampleRows(1000), count: length / 30_000 + 1).joined())
      .prefix(length)
    for frameBytes in [64 << 10, 256 << 10, 1 << 20] {
      let output = try compress(Array(input), frameBytes: frameBytes)
      #expect(try decompressInParallel(output) == Array(input))
    }
  }

  @Test func outputDoesNotDependOnThreads() throws {
    let input = sampleRows(60_000)
    let first = try compress(input, frameBytes: 100_000, threads: 1)
    for threads in 2...4 {
      #expect(try compress(input, frameBytes: 100_000, threads: threads) == first)
      #expect(try decompressInParallel(first, threads: threads) == input)
    }
  }

  @Test(arguments: [1, 3, 19])
  func everyLevelComesBack(level: Int) throws {
    let input = sampleRows(5000)
    #expect(try decompressInParallel(try compress(input, level: level)) == input)
  }

  @Test func nothingIsAnArchiveOfAnEmptyFrame() throws {
    let output = try compress([])
    #expect(try frames(of: output).map(\.kind) == [.skippable, .zstd, .skippable])
    #expect(try decompressInParallel(output) == [])
    #expect(try decompress(output) == [])
  }

  @Test func framesBeforeTheDamageAreWritten() throws {
    let input = sampleRows(1000)
    var output = try compress(input, frameBytes: 1000)
    let frames = try frames(of: output)
    output[frames[7].offset - 1] ^= 1
    let source = try TemporaryFile(output)
    let target = try TemporaryFile()
    let reading = try File(reading: source.path)
    let writing = try File(writing: target.path)
    #expect(throws: ZstdError.self) {
      try ParallelDecompressor(threads: 3).run(from: reading.descriptor, to: writing.descriptor)
    }
    #expect(try target.bytes() == Array(input.prefix(5 * 1000)))
  }

  @Test func aWriterThatFailsEndsAllThreads() throws {
    let source = try TemporaryFile(try compress(sampleRows(100_000), frameBytes: 10_000))
    let full = try File(writing: "/dev/full")
    for threads in 1...4 {
      let reading = try File(reading: source.path)
      #expect(throws: SystemError.self) {
        try ParallelDecompressor(threads: threads).run(
          from: reading.descriptor, to: full.descriptor)
      }
      #expect(throws: SystemError.self) {
        try ParallelCompressor(level: 1, frameBytes: 1000, threads: threads).run(
          from: reading.descriptor, to: full.descriptor)
      }
    }
  }

  @Test func testingWritesNothing() throws {
    let source = try TemporaryFile(try compress(sampleRows(100)))
    let reading = try File(reading: source.path)
    let traffic = try ParallelDecompressor(threads: 1).run(from: reading.descriptor, to: nil)
    #expect(traffic == Traffic(inBytes: try source.bytes().count, outBytes: 0))
  }
}
