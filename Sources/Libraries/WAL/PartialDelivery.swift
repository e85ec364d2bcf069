internal import Posix
internal import Postgres

/// Delivers the tail of a segment that was never completed.
struct PartialDelivery {
  init(_ fetch: WALFetch, _ digits: SegmentName) {}
  func run() throws -> Delivered? { nil }
}
