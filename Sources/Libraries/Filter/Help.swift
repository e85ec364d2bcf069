internal import Posix

extension Tool {
  /// The text of `--help`, 80 columns wide.
  public static var help: String {
    var text = "\(name) \(summary).\n\nUsage:\n  \(name) \(usage)\n\nOptions:\n"
    for flag in allFlags {
      let short = flag.shortForm.map { "-\($0), " } ?? "    "
      let head = "  \(short)--\(flag.long)" + (flag.value.map { "=\($0)" } ?? "")
      let lines = wrap(flag.help, width: 50)
      if head.count < 29 {
        text += head + String(repeating: " ", count: 29 - head.count) + lines[0] + "\n"
      } else {
        text += head + "\n" + indent + lines[0] + "\n"
      }
      for line in lines.dropFirst() { text += indent + line + "\n" }
    }
    return text
      + "\nEach option can also be given as a variable, SLUICE_<OPTION>; see sluice(7).\n"
  }

  private static var indent: String { String(repeating: " ", count: 29) }

  /// SYNOPSIS, OPTIONS and EXIT STATUS of the man page, in roff.
  static var manText: String {
    var text = ".SH SYNOPSIS\n.B \(name)\n\(escape(usage))\n.SH OPTIONS\n"
    for flag in allFlags {
      let short = flag.shortForm.map { "\\fB\\-\($0)\\fP, " } ?? ""
      let long = "\\fB\\-\\-\(escape(flag.long))\\fP"
      let value = flag.value.map { "=\\fI\(escape($0))\\fP" } ?? ""
      text += ".TP\n\(short)\(long)\(value)\n\(escape(flag.help))\n"
    }
    text += ".SH EXIT STATUS\n"
    let always: [ExitCode] = [.success, .usage, .bug, .io]
    for code in Set(exitCodes + always).sorted() {
      text += ".TP\n\(code.rawValue)\n\(escape(code.meaning))\n"
    }
    return text + ".TP\n128+n\nended by signal n\n"
  }

  private static func escape(_ text: String) -> String {
    var escaped = ""
    for character in text {
      switch character {
      case "-": escaped += "\\-"
      case "\\": escaped += "\\e"
      default: escaped.append(character)
      }
    }
    // A leading dot or quote would be read as a request.
    return escaped.hasPrefix(".") || escaped.hasPrefix("'") ? "\\&" + escaped : escaped
  }

  private static func wrap(_ text: String, width: Int) -> [String] {
    var lines = [""]
    for word in text.split(separator: " ") {
      let last = lines[lines.count - 1]
      if last.isEmpty {
        lines[lines.count - 1] = String(word)
      } else if last.count + 1 + word.count <= width {
        lines[lines.count - 1] += " \(word)"
      } else {
        lines.append(String(word))
      }
    }
    return lines
  }
}

extension ExitCode {
  fileprivate var meaning: String {
    switch self {
    case .success: "done, and everything written was accepted"
    case .negative: "ran well, and the answer is no: something differs, is missing, or failed"
    case .usage: "wrong usage"
    case .badInput:
      "bad input: malformed, refused by the target, or from a stage that never finished"
    case .unavailable: "server or store unreachable, or the connection was lost; try later"
    case .bug: "a bug: an error nobody classified"
    case .io: "a read or write failed: disk full, I/O error"
    case .temporary: "busy: try again"
    case .notPermitted: "not permitted: credentials or privileges"
    case .configuration: "configuration: something is missing or set wrongly on the other side"
    }
  }
}
