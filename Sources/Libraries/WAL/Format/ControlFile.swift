internal import Bytes
internal import Posix

/// What a cluster's `global/pg_control` says of it.
public enum ControlFile {
  /// The identifier that `initdb` gave the cluster.
  ///
  /// Throws a `SystemError`, or a `Failure` (78) when the file is none that a server wrote.
  public static func systemIdentifier(inDataDirectory path: String) throws -> UInt64 {
    let name = "\(path)/global/pg_control"
    let file = try File(reading: name)
    let bytes = try file.descriptor.read(count: 12, at: 0)
    guard bytes.count == 12, isVersion(bytes.span.littleEndian(UInt32.self, at: 8)) else {
      throw Failure(
        .configuration, "\"\(name)\" is no control file of PostgreSQL 13 or later",
        detail: "It may be of a machine with another byte order.")
    }
    return bytes.span.littleEndian(UInt64.self, at: 0)
  }

  /// It has been a hundred times a major version since 8.3, and 1300 for 13 to 16.
  private static func isVersion(_ number: UInt32) -> Bool { (1300..<10_000).contains(number) }
}
