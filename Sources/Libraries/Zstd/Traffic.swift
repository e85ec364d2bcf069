/// What went through a pipeline, in bytes.
public struct Traffic: Equatable, Sendable {
  public var inBytes: Int
  public var outBytes: Int

  public init(inBytes: Int = 0, outBytes: Int = 0) {
    self.inBytes = inBytes
    self.outBytes = outBytes
  }
}
