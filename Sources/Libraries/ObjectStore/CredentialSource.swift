internal import Bytes
internal import Filter
internal import Posix

/// Where the keys come from; asks again before they expire.
///
/// In this order: the environment, a web identity's token, the profile, the container's service, the
/// machine's metadata.
final class CredentialSource: Sendable {
  private let profile: Profile
  private let exchange: CredentialExchange
  private let held: Monitor<Credentials?>

  init(_ settings: HTTPSettings, profile: Profile, region: String) {
    self.profile = profile
    exchange = CredentialExchange(settings, region: region)
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
    if let token = Profile.variable("AWS_WEB_IDENTITY_TOKEN_FILE"),
      let role = Profile.variable("AWS_ROLE_ARN")
    {
      let session = Profile.variable("AWS_ROLE_SESSION_NAME")
      return try exchange.assume(role, session: session, withTokenIn: token)
    }
    if let found = try find(in: profile, depth: 0) { return found }
    if let found = try exchange.fromContainer() { return found }
    if let found = try exchange.fromMachine() { return found }
    throw Failure(
      .notPermitted, "no credentials for the store",
      hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.")
  }

  /// What a profile says, by itself or through another one.
  private func find(in profile: Profile, depth: Int) throws -> Credentials? {
    guard depth < 8 else {
      throw Failure(.notPermitted, "the profile \"\(profile.name)\" leads back to itself")
    }
    if let role = profile["role_arn"] {
      let session = profile["role_session_name"]
      if let token = profile["web_identity_token_file"] {
        return try exchange.assume(role, session: session, withTokenIn: token)
      }
      guard let source = try source(of: profile, depth) else {
        throw Failure(
          .notPermitted, "the profile \"\(profile.name)\" has a role, but no keys to ask for it")
      }
      return try exchange.assume(
        role, session: session, externalID: profile["external_id"], with: source.key)
    }
    if let id = profile["aws_access_key_id"], let secret = profile["aws_secret_access_key"] {
      let token = profile["aws_session_token"]
      return Credentials(
        key: SigningKey(accessKey: id, secretKey: secret, sessionToken: token), expires: nil)
    }
    guard let command = profile["credential_process"] else { return nil }
    return try Credentials(
      json: try ChildProcess.output(of: ["/bin/sh", "-c", command], limit: 1 << 20),
      names: .process, of: "credential_process")
  }

  private func source(of profile: Profile, _ depth: Int) throws -> Credentials? {
    if let name = profile["source_profile"], let other = profile.other(name) {
      // A profile may name itself: its own keys then, without the role.
      return name == profile.name
        ? try find(in: profile.without("role_arn"), depth: depth + 1)
        : try find(in: other, depth: depth + 1)
    }
    switch profile["credential_source"] {
    case "Environment": return Credentials.fromEnvironment()
    case "EcsContainer": return try exchange.fromContainer()
    case "Ec2InstanceMetadata": return try exchange.fromMachine()
    default: return nil
    }
  }
}
