internal import Bytes
internal import CZstd
internal import Posix

/// Compresses frames, each on its own, with checksum and content size.
@safe
struct CompressionContext: ~Copyable {
  private let context: OpaquePointer

  /// Some levels would have tables of 64 MiB or more a thread; half of that finds all but a little.
  private static func limits(ofLevel level: Int) -> [(ZSTD_cParameter, Int32)] {
    switch level {
    case 14, 15: [(ZSTD_c_hashLog, 22)]
    case 19: [(ZSTD_c_chainLog, 23)]
    default: []
    }
  }

  init(level: Int) throws(ZstdError) {
    guard let context = unsafe ZSTD_createCCtx() else {
      throw ZstdError(.temporary, "could not allocate memory for compression")
    }
    do throws(LibraryFault) {
      for (name, value) in [
        (ZSTD_c_compressionLevel, Int32(level)), (ZSTD_c_checksumFlag, 1),
      ] + Self.limits(ofLevel: level) {
        _ = try LibraryFault.check(unsafe ZSTD_CCtx_setParameter(context, name, value))
      }
    } catch {
      unsafe ZSTD_freeCCtx(context)
      throw ZstdError(.bug, "could not set up compression: \(error.reason)")
    }
    unsafe self.context = context
  }

  deinit { unsafe ZSTD_freeCCtx(context) }

  /// Appends one frame that holds the bytes of `input` at `range`.
  ///
  /// The corresponding C function is `ZSTD_compress2`.
  func compress(
    _ input: borrowing ByteBuffer, _ range: Range<Int>, into output: inout ByteBuffer
  ) throws(ZstdError) -> SeekTable.Entry {
    let capacity = ZSTD_compressBound(range.count)
    let target = unsafe output.reserve(capacity)
    let code = unsafe input.span.extracting(range).withUnsafeBytes { source in
      unsafe ZSTD_compress2(context, target, capacity, source.baseAddress, source.count)
    }
    do throws(LibraryFault) {
      let count = try LibraryFault.check(code)
      unsafe output.advance(by: count)
      return SeekTable.Entry(
        compressedBytes: UInt32(count), contentBytes: UInt32(range.count))
    } catch {
      throw ZstdError(
        error.isOutOfMemory ? .temporary : .bug, "could not compress: \(error.reason)")
    }
  }
}
