internal import ObjectStore
internal import Posix
internal import Zstd

/// What an archive keeps under one key: compressed, and perhaps encrypted.
struct ArchivedObject {
  let get: ObjectGet
  /// What its bytes go through before they are decompressed; nil for nothing.
  let decrypt: ShellFilter?

  /// Hands the content to `take`, piece by piece.
  ///
  /// Returns false when the store answered that it is not there. Throws what `take` throws, a
  /// `ZstdError` when it cannot be decompressed, and what the store or the filter failed with.
  func read(_ take: @escaping (Span<UInt8>) throws -> Void) throws -> Bool {
    let decoder = Decoder(try Decompressor(), take)
    guard try send(to: decoder) else { return false }
    try decoder.finish()
    return true
  }

  private func send(to decoder: Decoder) throws -> Bool {
    guard let decrypt else { return try get.runIfThere { try decoder.take($0) } != nil }
    let isThere = Monitor(true)
    do {
      try decrypt.run(
        feed: { input in
          let delivery = try get.runIfThere { try input.writeAll($0) }
          if delivery == nil { isThere.update { $0 = false } }
        }, take: { try decoder.take($0) })
    } catch  where !isThere.read({ $0 }) {
      // Of no input the filter made what it would.
      return false
    }
    return isThere.read { $0 }
  }
}

/// Decompresses what is handed to it and hands it on; a class, because closures share it.
private final class Decoder {
  private var decompressor: Decompressor?
  private let emit: (Span<UInt8>) throws -> Void

  init(_ decompressor: consuming Decompressor, _ emit: @escaping (Span<UInt8>) throws -> Void) {
    self.decompressor = consume decompressor
    self.emit = emit
  }

  func take(_ bytes: Span<UInt8>) throws { try decompressor?.decompress(bytes, emit) }

  func finish() throws {
    if let decompressor = decompressor.take() { try decompressor.finish() }
  }
}
