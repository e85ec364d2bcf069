/// Values of settings as `SHOW` prints them: a number and a unit.
public enum SettingValue {
  /// `16MB`, `1GB`; nil for what is no such value.
  public static func bytes(_ text: String) -> Int? {
    value(text, ["B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40])
  }

  /// `1min`, `30s`, `500ms`, and `0`, which has no unit; nil for what is no such value.
  public static func milliseconds(_ text: String) -> Int? {
    value(text, ["": 1, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000])
  }

  private static func value(_ text: String, _ units: [String: Int]) -> Int? {
    let digits = text.prefix { ("0"..."9").contains($0) }
    guard let number = Int(digits), let unit = units[String(text.dropFirst(digits.count))] else {
      return nil
    }
    return number * unit
  }
}
