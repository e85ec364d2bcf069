internal import Posix

/// A profile of AWS's shared files: `~/.aws/credentials` and `~/.aws/config`.
struct Profile: Sendable {
  let name: String
  private let values: [String: String]
  /// The other profiles, for those that take their keys from one of them.
  private let files: [String: [String: String]]

  subscript(key: String) -> String? { values[key] }

  /// The profile that `AWS_PROFILE` names, or `default`; empty when there are no such files.
  static func current() throws -> Profile {
    let name = variable("AWS_PROFILE") ?? "default"
    let files = try read()
    if files[name] == nil, variable("AWS_PROFILE") != nil {
      throw Failure(.notPermitted, "the profile \"\(name)\" is in neither of AWS's shared files")
    }
    return Profile(name: name, files: files)
  }

  init(name: String, files: [String: [String: String]]) {
    self.name = name
    self.files = files
    values = files[name] ?? [:]
  }

  /// Another profile of the same files.
  func other(_ name: String) -> Profile? {
    files[name] == nil ? nil : Profile(name: name, files: files)
  }

  /// The same profile, as if it did not have that setting.
  func without(_ key: String) -> Profile {
    var files = files
    files[name]?[key] = nil
    return Profile(name: name, files: files)
  }

  /// A variable of the environment; empty counts as unset.
  static func variable(_ name: String) -> String? {
    environment(name).flatMap { $0.isEmpty ? nil : $0 }
  }

  private static func read() throws -> [String: [String: String]] {
    let folder = (environment("HOME") ?? "") + "/.aws"
    var files: [String: [String: String]] = [:]
    for (path, isConfig) in [
      (variable("AWS_CONFIG_FILE") ?? folder + "/config", true),
      (variable("AWS_SHARED_CREDENTIALS_FILE") ?? folder + "/credentials", false),
    ] {
      guard let text = try contents(of: path) else { continue }
      for (name, values) in parse(text, isConfig: isConfig) {
        files[name, default: [:]].merge(values) { _, later in later }
      }
    }
    return files
  }

  /// The text of a small file; nil when there is none.
  static func contents(of path: String) throws(SystemError) -> String? {
    guard let facts = try FileFacts.of(path), facts.isRegular else { return nil }
    let file = try File(reading: path)
    let bytes = try file.descriptor.read(count: Int(min(facts.size, 1 << 20)), at: 0)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The sections of such a file; in `config` the names have `profile` before them.
  static func parse(_ text: String, isConfig: Bool) -> [String: [String: String]] {
    var sections: [String: [String: String]] = [:]
    var section: String? = nil
    for line in text.split(whereSeparator: \.isNewline) {
      // Indented lines belong to a nested setting, which none of ours is.
      if line.first == "#" || line.first == ";" || line.first?.isWhitespace == true { continue }
      if line.first == "[", let end = line.firstIndex(of: "]") {
        section = profileName(line[line.index(after: line.startIndex)..<end], isConfig: isConfig)
        if let section { sections[section, default: [:]] = sections[section] ?? [:] }
      } else if let section, let equals = line.firstIndex(of: "=") {
        let key = trimmed(line[..<equals]).lowercased()
        sections[section, default: [:]][key] = trimmed(line[line.index(after: equals)...])
      }
    }
    return sections
  }

  private static func profileName(_ header: Substring, isConfig: Bool) -> String? {
    let words = header.split(whereSeparator: \.isWhitespace)
    if words.count == 1, !isConfig || words[0] == "default" { return String(words[0]) }
    guard isConfig, words.count == 2, words[0] == "profile" else { return nil }
    return String(words[1])
  }

  private static func trimmed(_ text: Substring) -> String {
    var text = text.drop(while: \.isWhitespace)
    while text.last?.isWhitespace == true { text = text.dropLast() }
    return String(text)
  }
}
