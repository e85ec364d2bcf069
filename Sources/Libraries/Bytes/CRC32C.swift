internal import CBytes

/// The CRC-32C (Castagnoli) of a byte string: what S3 stores and PostgreSQL's WAL records carry.
public struct CRC32C: Equatable, Sendable {
  public private(set) var value: UInt32
  /// The number of bytes taken in.
  public private(set) var count: Int

  public init() { (value, count) = (0, 0) }

  /// Takes in the next bytes.
  public mutating func update(_ bytes: Span<UInt8>) {
    value = unsafe bytes.withUnsafeBufferPointer {
      unsafe cbytes_crc32c(value, $0.baseAddress, $0.count)
    }
    count += bytes.count
  }

  /// Takes in the bytes that `next` was computed over, without seeing them.
  ///
  /// A CRC is linear: appending n bytes multiplies what was there by x^8n, modulo the polynomial.
  public mutating func append(_ next: CRC32C) {
    var shifted = value
    var power = Self.shiftByOneByte
    var remaining = next.count
    while remaining > 0 {
      if remaining & 1 == 1 { shifted = Self.apply(power, shifted) }
      power = Self.square(power)
      remaining >>= 1
    }
    value = shifted ^ next.value
    count += next.count
  }

  /// The four bytes in network order, as S3's headers carry them.
  public var bytes: [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
  }

  // A linear map over GF(2): the image of each of the 32 bits.
  private typealias Matrix = [UInt32]

  private static func apply(_ matrix: Matrix, _ vector: UInt32) -> UInt32 {
    var (sum, vector, row) = (UInt32(0), vector, 0)
    while vector != 0 {
      if vector & 1 == 1 { sum ^= matrix[row] }
      vector >>= 1
      row += 1
    }
    return sum
  }

  private static func square(_ matrix: Matrix) -> Matrix { matrix.map { apply(matrix, $0) } }

  private static var shiftByOneByte: Matrix {
    // One zero bit: shift right, and reduce by the reflected polynomial when a bit falls out.
    var matrix: Matrix = [0x82F6_3B78] + (0..<31).map { 1 << $0 }
    for _ in 0..<3 { matrix = square(matrix) }
    return matrix
  }
}
