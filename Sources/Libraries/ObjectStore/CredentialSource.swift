internal import Filter
internal import Posix

/// Where the keys come from; asks again before they expire.
final class CredentialSource: Sendable {
  private let settings: HTTPSettings
  private let profile: Profile
  private let region: String
  private let held: Monitor<Credentials?>

  init(_ settings: HTTPSettings, profile: Profile, region: String) {
    (self.settings, self.profile, self.region) = (settings, profile, region)
    held = Monitor(nil)
  }

  /// The keys to sign with now.
  func current() throws -> SigningKey {
    // Under the lock, so that of many threads one asks.
    try held.update { held throws in
      if let held, !held.isExpiring(at: Clock.now()) { return held.key }
      let fresh = try find()
      held = fresh
      return fresh.key
    }
  }

  /// Forgets what a store called expired.
  func forget() { held.update { $0 = nil } }

  private func find() throws -> Credentials {
    if let found = Credentials.fromEnvironment() { return found }
    throw Failure(
      .notPermitted, "no credentials for the store",
      hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.")
  }
}

/// Keys, and until when they are good.
struct Credentials: Equatable, Sendable {
  let key: SigningKey
  /// Microseconds since 1970; nil for ever.
  let expires: Int64?

  /// True in the last minutes of their life.
  func isExpiring(at now: Int64) -> Bool { expires.map { $0 - 120_000_000 < now } ?? false }

  static func fromEnvironment() -> Credentials? {
    guard let id = Profile.variable("AWS_ACCESS_KEY_ID"),
      let secret = Profile.variable("AWS_SECRET_ACCESS_KEY")
    else { return nil }
    let token = Profile.variable("AWS_SESSION_TOKEN")
    return Credentials(
      key: SigningKey(accessKey: id, secretKey: secret, sessionToken: token), expires: nil)
  }
}
