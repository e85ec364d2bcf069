internal import Bytes
public import Filter

/// The name of a new partition, from what it is.
///
/// Placeholders: `{table}`, `{tenant}`, `{from}` (a number, or as many parts of the date as the interval needs),
/// `{YYYY} {MM} {DD} {HH} {MI} {IYYY} {IW} {Q}`.
public struct NamingTemplate: Equatable, Sendable {
  public let text: String
  public static let standard = NamingTemplate(unchecked: "{table}_{from}")

  private init(unchecked text: String) { self.text = text }

  /// Throws where a placeholder is unknown.
  public init(parsing text: String) throws(UsageError) {
    self.init(unchecked: text)
  }
}
