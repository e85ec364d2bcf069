internal import Bytes
internal import Filter
internal import Posix

/// Publishes one stream as a file: whole and durable, or not at all.
struct FilePut {
  let path: String
  let options: PutOptions
  let upstream: Upstream?
  let log: JobLog?

  private static var chunkBytes: Int { 1 << 20 }

  /// Reads `input` to its end and publishes it.
  func run(from input: Descriptor) throws -> Receipt {
    if options.isDryRun {
      var receipt = try copy(input, to: nil)
      let isIdentical = try options.skipIdentical && isThere(receipt)
      let isInTheWay = try options.ifNoneMatch && FileFacts.of(path) != nil
      receipt.outcome = isIdentical ? .identical : isInTheWay ? .exists : .dryRun
      return receipt
    }
    let file = try DurableFile(path)
    try DurableFile.removeAbandoned(of: path)
    var receipt = try copy(input, to: file.descriptor)
    if options.skipIdentical, try isThere(receipt) {
      receipt.outcome = .identical
      return receipt
    }
    do throws(SystemError) {
      try file.publish(replacing: !options.ifNoneMatch)
    } catch {
      // A folder of that name is no object.
      guard error.isExisting, try FileFacts.of(path)?.isRegular != false else { throw error }
      receipt.outcome = .exists
      // They are of other bytes than those that are there.
      receipt.stages = []
    }
    return receipt
  }

  /// Copies the input to its end and says what it was, once the stages before have finished.
  private func copy(_ source: Descriptor, to target: Descriptor?) throws -> Receipt {
    var input = PutInput(source, log: log)
    while !input.isAtEnd {
      let start = input.byteCount
      _ = try input.read(upTo: Self.chunkBytes) { (piece) throws(SystemError) in
        try target?.writeAll(piece)
      }
      target?.beginWriteback(from: start, count: input.byteCount - start)
    }
    var receipt = Receipt(.file(path: path), .uploaded)
    receipt.objectBytes = input.byteCount
    receipt.parts = 1
    receipt.crc32c = Hex.encode(input.crc32c.value)
    receipt.stages = try upstream?.finished(received: input.byteCount) ?? []
    receipt.sha256 = Hex.encode(input.finish())
    return receipt
  }

  /// True if the file that is there has the same bytes.
  private func isThere(_ receipt: Receipt) throws -> Bool {
    guard let facts = try FileFacts.of(path), facts.isRegular,
      Int(facts.size) == receipt.objectBytes
    else { return false }
    let file = try File(reading: path)
    var input = PutInput(file.descriptor, log: nil)
    while !input.isAtEnd { _ = try input.read(upTo: Int.max) { _ in } }
    return Hex.encode(input.finish()) == receipt.sha256
  }
}
