internal import Bytes
internal import Filter
public import JSON
internal import Posix

/// What became of holding a receipt against the store.
public struct Verdict: Equatable, Sendable {
  public enum Kind: String, Sendable {
    case ok, missing, size, etag, sha256, rows, changed, conflict, unknown
  }

  public let kind: Kind
  /// Why, in words; nil for `ok`.
  public let detail: String?

  public static var ok: Verdict { Verdict(.ok, nil) }

  public init(_ kind: Kind, _ detail: String?) { (self.kind, self.detail) = (kind, detail) }

  /// `record` with the verdict behind its members.
  public func record(addedTo record: Record) -> Record {
    var record = record
    record.retype("verdict")
    record.set("verdict", kind.rawValue)
    record.set("detail", detail)
    return record
  }
}

/// How closely an object is looked at.
public enum CheckDepth: String, CaseIterable, Sendable {
  /// Size, ETag and stored checksums.
  case head
  /// Also read back and its SHA-256 compared.
  case content
  /// Also decompressed and its rows counted.
  case rows
}

/// The rows of an object, counted while it is read back; made by who knows how to decompress it.
public protocol RowCounter: AnyObject {
  func update(_ bytes: Span<UInt8>) throws
  /// Rows, bytes and SHA-256 of what was compressed; throws what is wrong with the object.
  func finish() throws -> (rows: Int, bytes: Int, sha256: String)
}

/// Holds receipts against the store, one after the other.
public struct ObjectCheck: ~Copyable {
  private let depth: CheckDepth
  private let options: S3Options
  private let makeCounter: @Sendable () throws -> any RowCounter
  private var look: ObjectLook

  public init(
    _ depth: CheckDepth, store: S3Options,
    counter: @escaping @Sendable () throws -> any RowCounter
  ) {
    self.depth = depth
    options = store
    makeCounter = counter
    look = ObjectLook(store: store)
  }

  /// The verdict on one receipt.
  ///
  /// What could not be found out is the verdict `unknown`, as it is of a receipt whose URL is none, whose file may not be
  /// looked at, or whose bucket is gone. Credentials and settings of a store that are wrong are errors, because they
  /// are wrong for every receipt.
  public mutating func verdict(on receipt: Record) throws -> Verdict {
    do {
      guard let url = receipt.string("url") else {
        return Verdict(.missing, "the record has no url")
      }
      let location = try Location(parsing: url)
      let first = try checkHead(location, receipt)
      if first != .ok || depth == .head { return first }
      return try checkContent(location, receipt)
    } catch let error as UsageError {
      return Verdict(.unknown, error.message)
    } catch let error as MissingBucket {
      return Verdict(.unknown, error.message)
    } catch let error as S3Error where error.code == "NoSuchBucket" {
      // It went while the object was read.
      return Verdict(.unknown, error.message)
    } catch let error as SystemError {
      if error.isInterrupt { throw error }
      return Verdict(.unknown, error.message)
    } catch let error as any Diagnosable
      where [.unavailable, .temporary, .io].contains(error.exitCode)
    {
      return Verdict(.unknown, error.message)
    }
  }

  private mutating func checkHead(_ location: Location, _ receipt: Record) throws -> Verdict {
    guard let facts = try look.facts(of: location) else {
      return Verdict(.missing, "there is no such object")
    }
    if let bytes = receipt.integer("object_bytes"), bytes != facts.bytes {
      return Verdict(.size, "it should have \(bytes) bytes, but has \(facts.bytes)")
    }
    if let etag = receipt.string("etag"), let found = facts.etag, etag != found {
      return Verdict(.etag, "its ETag should be \(etag), but is \(found)")
    }
    for (name, found) in [("sha256", facts.sha256), ("crc32c", facts.crc32c)] {
      if let digest = receipt.string(name), let found, digest != found {
        return Verdict(.sha256, "its \(name) should be \(digest), but the store has \(found)")
      }
    }
    return .ok
  }

  private func checkContent(_ location: Location, _ receipt: Record) throws -> Verdict {
    let get = ObjectGet(
      location, expected: Expectation(receipt), concurrency: 2, store: options)
    let counter = depth == .rows ? try makeCounter() : nil
    do {
      // A damaged object fails the counter first; which digest differs is then found by the end.
      var broken: (any Error)?
      _ = try get.run { bytes in
        guard broken == nil else { return }
        do { try counter?.update(bytes) } catch { broken = error }
      }
      if let broken { throw broken }
    } catch let error as Failure where error.exitCode == .negative {
      return Verdict(.missing, error.message)
    } catch let error as Failure where error.exitCode == .badInput {
      return Verdict(.sha256, error.detail ?? error.message)
    } catch let error as any Diagnosable where error.exitCode == .badInput {
      return Verdict(.rows, error.message)
    }
    guard let counter else { return .ok }
    return try checkRows(counter, receipt)
  }

  private func checkRows(_ counter: any RowCounter, _ receipt: Record) throws -> Verdict {
    let found: (rows: Int, bytes: Int, sha256: String)
    do { found = try counter.finish() } catch let error as any Diagnosable
      where error.exitCode == .badInput
    {
      return Verdict(.rows, error.message)
    }
    if let rows = receipt.integer("rows"), rows != found.rows {
      return Verdict(.rows, "it should have \(rows) rows, but has \(found.rows)")
    }
    if let bytes = receipt.integer("raw_bytes"), bytes != found.bytes {
      return Verdict(.rows, "its rows should have \(bytes) bytes, but have \(found.bytes)")
    }
    if let digest = receipt.string("raw_sha256"), digest != found.sha256 {
      return Verdict(.rows, "the SHA-256 of its rows should be \(digest), but is \(found.sha256)")
    }
    return .ok
  }
}
