internal import Filter

/// The dates of HTTP's headers, `Fri, 24 May 2013 00:00:00 GMT`.
enum HTTPDate {
  /// Microseconds since 1970; nil for another form.
  static func microseconds(of text: String) -> Int64? {
    let words = text.split(separator: " ")
    let months = [
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    guard words.count == 6, let month = months.firstIndex(of: String(words[2])) else { return nil }
    let number = month + 1 < 10 ? "0\(month + 1)" : "\(month + 1)"
    return Timestamp.microseconds(of: "\(words[3])-\(number)-\(words[1])T\(words[4]).000000Z")
  }

  /// A time as S3's XML has it, with any number of decimals, as records carry it.
  static func timestamp(ofXML text: String) -> String? {
    guard text.utf8.count >= 20, text.hasSuffix("Z") else { return nil }
    let seconds = text.prefix(19)
    let decimals = text.dropFirst(19).dropLast().drop { $0 == "." }.prefix(6)
    let padded = decimals + String(repeating: "0", count: 6 - decimals.count)
    let whole = "\(seconds).\(padded)Z"
    return Timestamp.microseconds(of: whole).map { _ in whole }
  }
}
