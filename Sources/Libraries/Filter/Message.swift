internal import JSON
public import Posix

/// Messages to people, on standard error, in PostgreSQL's form; `SLUICE_LOG=json` makes them
/// NDJSON.
public struct Message: Sendable {
  /// The name in front of each message.
  public let tool: String

  public init(tool: String) { self.tool = tool }

  public func error(_ error: any Diagnosable) { self.error(error, of: nil) }

  /// `subject` is what the error is about, such as one table of many; nil says nothing.
  public func error(_ error: any Diagnosable, of subject: String?) {
    var lines = [("error", (subject.map { "\($0): " } ?? "") + error.message)]
    if let detail = error.detail { lines.append(("detail", detail)) }
    if let hint = error.hint { lines.append(("hint", hint)) }
    if error.exitCode == .usage {
      lines.append(("hint", "Try \"\(tool) --help\" for more information."))
    }
    write(lines, code: error.exitCode)
  }

  public func warning(_ text: String) { write([("warning", text)], code: nil) }
  public func info(_ text: String) { write([("info", text)], code: nil) }

  private func write(_ lines: [(severity: String, text: String)], code: ExitCode?) {
    let text = environment("SLUICE_LOG") == "json" ? json(lines, code) : plain(lines)
    // Nothing is left to tell the user if standard error itself fails.
    try? Descriptor.standardError.writeAll(text.utf8.span)
  }

  private func plain(_ lines: [(severity: String, text: String)]) -> String {
    lines.map { "\(tool): \($0.severity): \($0.text)\n" }.joined()
  }

  private func json(_ lines: [(severity: String, text: String)], _ code: ExitCode?) -> String {
    var record = Record(type: "message")
    record.set("tool", tool)
    record.set("severity", lines[0].severity)
    record.set("message", lines[0].text)
    for line in lines.dropFirst() where line.severity != lines[0].severity {
      record.set(line.severity, line.text)
    }
    if let code { record.set("code", code.rawValue) }
    record.set("at", Timestamp.now())
    return record.text + "\n"
  }
}
