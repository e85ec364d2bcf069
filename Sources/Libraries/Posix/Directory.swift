internal import CPosix
internal import Glibc

/// Folders and the names in them.
public enum Directory {
  /// Makes `path` and the folders above it that are missing.
  public static func make(_ path: String) throws(SystemError) {
    if try FileFacts.of(path)?.isDirectory == true { return }
    let above = parent(of: path)
    if above != path { try make(above) }
    let result = unsafe cposix_mkdir(path, 0o777)
    if result == -EEXIST { return }
    _ = try checked(result, "could not make the directory \"\(path)\"")
    try sync(above)
  }

  /// Makes `path` a directory that only this user may look into, or takes one that is there.
  ///
  /// Throws an error that `isRefusal` when it is somebody else's, open to others, or a link.
  public static func makePrivate(_ path: String) throws(SystemError) {
    let result = unsafe cposix_mkdir_private(path)
    _ = try checked(result, "could not have the directory \"\(path)\" for ourselves alone")
  }

  /// The names in `path`, sorted by their bytes.
  public static func names(in path: String) throws(SystemError) -> [String] {
    final class Names { var all: [String] = [] }  // shared with a C callback
    let names = Names()
    let context = unsafe Unmanaged.passUnretained(names).toOpaque()
    let result = unsafe cposix_list(
      path,
      { name, context in
        guard let name = unsafe name, let context = unsafe context else { return }
        unsafe Unmanaged<Names>.fromOpaque(context).takeUnretainedValue().all.append(
          String(cString: name))
      }, context)
    _ = try checked(result, "could not list \"\(path)\"")
    return names.all.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// Makes the names in `path` durable: a rename is on the disk only after this.
  public static func sync(_ path: String) throws(SystemError) {
    let folder = try File(reading: path)
    try folder.sync()
  }

  /// The process's present directory; nil when it cannot be told.
  public static var current: String? {
    guard let path = unsafe getcwd(nil, 0) else { return nil }
    defer { unsafe free(path) }
    return unsafe String(cString: path)
  }

  /// The folder a path lies in: `/` for `/a`, `.` for `a`.
  public static func parent(of path: String) -> String {
    let (bytes, separator) = (path.utf8, UInt8(ascii: "/"))
    let trimmed = bytes.count > 1 && bytes.last == separator ? bytes.dropLast() : bytes[...]
    guard let slash = trimmed.lastIndex(of: separator) else { return "." }
    return slash == trimmed.startIndex ? "/" : String(Substring(trimmed[..<slash]))
  }

  /// The last part of a path: `b` for `/a/b`.
  public static func name(of path: String) -> String {
    path.utf8.split(separator: UInt8(ascii: "/")).last.map { String(Substring($0)) } ?? path
  }

  /// Removes a file; one that is missing is no failure.
  public static func remove(file path: String) throws(SystemError) {
    let result = unsafe cposix_unlink(path)
    if result == -ENOENT { return }
    _ = try checked(result, "could not remove \"\(path)\"")
  }
}
