internal import Bytes
internal import CZstd
internal import Posix

/// Decompresses frames: whole ones at once, or one in pieces.
@safe
struct DecompressionContext: ~Copyable {
  private static var chunkBytes: Int { 256 << 10 }

  private let context: OpaquePointer
  /// Where streamed output stands until it is handed on; empty before the first one.
  private var chunk: [UInt8] = []

  init() throws(ZstdError) {
    guard let context = unsafe ZSTD_createDCtx() else {
      throw ZstdError(.temporary, "could not allocate memory for decompression")
    }
    unsafe self.context = context
  }

  deinit { unsafe ZSTD_freeDCtx(context) }

  /// Appends the content of one frame that states its size and lies in `input` from `start`.
  ///
  /// The corresponding C function is `ZSTD_decompressDCtx`.
  func decompress(
    _ frame: Frame, _ input: borrowing ByteBuffer, from start: Int, into output: inout ByteBuffer
  ) throws(ZstdError) {
    let capacity = frame.contentBytes ?? 0
    let target = unsafe output.reserve(max(1, capacity))
    let bytes = input.span.extracting(start..<start + frame.compressedBytes)
    let code = unsafe bytes.withUnsafeBytes { source in
      unsafe ZSTD_decompressDCtx(context, target, capacity, source.baseAddress, source.count)
    }
    do throws(LibraryFault) {
      unsafe output.advance(by: try LibraryFault.check(code))
    } catch { throw ZstdError(error, frame) }
  }

  /// Takes in the next bytes of `frame` and hands on what came out of them.
  ///
  /// Returns true when the frame has ended. The corresponding C function is `ZSTD_decompressStream`.
  mutating func stream(
    _ frame: Frame?, _ bytes: Span<UInt8>, _ emit: (Span<UInt8>) throws -> Void
  ) throws -> Bool {
    if chunk.isEmpty { chunk = [UInt8](repeating: 0, count: Self.chunkBytes) }
    var consumed = 0
    while true {
      var produced = 0
      let code = step(bytes, &consumed, &produced)
      do throws(LibraryFault) { _ = try LibraryFault.check(code) } catch {
        guard let frame else { throw ZstdError("could not decompress: \(error.reason)") }
        throw ZstdError(error, frame)
      }
      if produced > 0 { try emit(chunk.span.extracting(first: produced)) }
      // A full chunk may have more behind it.
      if consumed == bytes.count, produced < chunk.count || code == 0 { return code == 0 }
    }
  }

  private mutating func step(
    _ bytes: Span<UInt8>, _ consumed: inout Int, _ produced: inout Int
  ) -> Int {
    unsafe bytes.withUnsafeBytes { source in
      unsafe chunk.withUnsafeMutableBytes { target in
        var from = unsafe ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: consumed)
        var to = unsafe ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
        let code = unsafe ZSTD_decompressStream(context, &to, &from)
        unsafe (consumed, produced) = (from.pos, to.pos)
        return code
      }
    }
  }
}
