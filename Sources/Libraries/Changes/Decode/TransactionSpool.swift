internal import Bytes
internal import Posix

/// The streamed transactions whose end has not come, in bounded memory.
struct TransactionSpool: ~Copyable {
  private let memoryBytes: Int
  private let folder: String
  private var transactions: [UInt32: StreamedTransaction] = [:]
  private var held = 0

  /// More than `memoryBytes` of all together goes to files in `folder`.
  init(memoryBytes: Int, folder: String) {
    (self.memoryBytes, self.folder) = (memoryBytes, folder)
  }

  /// A piece of a transaction begins; with `isFirst` what was there of it before is void.
  mutating func open(_ xid: UInt32, isFirst: Bool) {
    if isFirst || transactions[xid] == nil {
      forget(xid)
      transactions[xid] = StreamedTransaction()
    }
  }

  /// Holds a message of a transaction whose piece is open.
  mutating func append(
    to xid: UInt32, _ subtransaction: UInt32, _ position: UInt64, _ kind: UInt8,
    _ rest: Span<UInt8>
  ) throws(SystemError) {
    guard let transaction = transactions[xid] else { return }
    let before = transaction.memoryBytes
    transaction.append(subtransaction, position, kind, rest)
    held += transaction.memoryBytes - before
    if held > memoryBytes { try spillLargest() }
  }

  private mutating func spillLargest() throws(SystemError) {
    let largest = transactions.values.max { $0.memoryBytes < $1.memoryBytes }
    guard let largest else { return }
    held -= largest.memoryBytes
    try largest.spill(to: folder)
  }

  mutating func abort(_ xid: UInt32, _ subtransaction: UInt32) {
    if xid == subtransaction { forget(xid) } else { transactions[xid]?.abort(subtransaction) }
  }

  /// Takes out a transaction that has ended well; nil for one of which nothing was sent.
  mutating func take(_ xid: UInt32) -> StreamedTransaction? {
    guard let transaction = transactions.removeValue(forKey: xid) else { return nil }
    held -= transaction.memoryBytes
    return transaction
  }

  private mutating func forget(_ xid: UInt32) { _ = take(xid) }
}
