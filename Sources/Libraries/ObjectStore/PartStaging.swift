internal import Posix

/// Where the parts of an upload lie until the store has them, how large they are and how many.
///
/// A store takes large parts faster than small ones, but memory is dear. So they lie in files without a name, which stay
/// in the system's cache for the moment they are needed; in memory, smaller and fewer, where there is no folder or no
/// room for files.
struct PartStaging: Sendable {
  /// Nil for memory.
  let folder: String?
  let partBytes: Int
  let concurrency: Int

  init(_ options: PutOptions) {
    let wanted = options.partBytes ?? PartPlan.defaultPartBytes
    folder = options.isInMemory ? nil : Self.folder(withRoomFor: wanted)
    partBytes = options.partBytes ?? (folder == nil ? PartPlan.smallPartBytes : wanted)
    concurrency = options.concurrency ?? (folder == nil ? 3 : 5)
  }

  /// What parts on their way may take.
  var budgetBytes: Int { partBytes * concurrency }

  private static func folder(withRoomFor bytes: Int) -> String? {
    let folder = temporaryFolder ?? "/var/tmp"
    return (try? PartBuffer(capacity: bytes, in: folder)).map { _ in folder }
  }
}
