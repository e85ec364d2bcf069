internal import CZstd
public import Posix

/// A stream that is no whole, undamaged zstd, or a library that cannot go on.
public struct ZstdError: Diagnosable, Equatable {
  public let exitCode: ExitCode
  public let message: String

  init(_ exitCode: ExitCode, _ message: String) {
    self.exitCode = exitCode
    self.message = message
  }

  /// The input is to blame.
  init(_ message: String) { self.init(.badInput, message) }

  /// What libzstd said of a frame.
  init(_ fault: LibraryFault, _ frame: Frame) {
    self.init(
      fault.isOutOfMemory ? .temporary : .badInput, "could not decompress \(frame): \(fault.reason)"
    )
  }
}

/// A return code of libzstd that means failure.
struct LibraryFault: Error {
  let reason: String
  /// True where the input is not to blame.
  let isOutOfMemory: Bool

  /// Passes a good `code` on and throws a bad one.
  ///
  /// The corresponding C function is `ZSTD_isError`.
  static func check(_ code: Int) throws(LibraryFault) -> Int {
    guard ZSTD_isError(code) == 0 else {
      throw LibraryFault(
        reason: unsafe String(cString: ZSTD_getErrorName(code)),
        isOutOfMemory: ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation)
    }
    return code
  }
}
