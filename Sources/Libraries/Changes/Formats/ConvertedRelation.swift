internal import Bytes
internal import JSON

/// A table as a relation event told of it, with what another format writes around its values.
///
/// A class, because it is looked up for every row and never changes.
final class ConvertedRelation: Sendable {
  struct Column: Sendable {
    /// As it stands in a line, without its quotes.
    let name: [UInt8]
    let isKey: Bool
    let isDomain: Bool
    let type: ValueType
    /// What stands before its value.
    let head: [UInt8]
  }

  let identity: SourceRelation.Identity
  /// `"schema":"public","table":"t"`.
  let names: [UInt8]
  let columns: [Column]

  init(_ relation: SourceRelation, head: (SourceRelation.Column) -> [UInt8]) {
    identity = relation.identity
    names = Self.names(relation.schema, relation.name)
    columns = relation.columns.map { column in
      var name = ByteBuffer()
      JSONText.appendEscaped(column.name.utf8.span, to: &name)
      return Column(
        name: [UInt8](copying: name.span), isKey: column.isKey, isDomain: column.isDomain,
        type: ValueType(column.type), head: head(column))
    }
  }

  static func names(_ schema: String, _ table: String) -> [UInt8] {
    var names = ByteBuffer()
    names.append(#""schema":"#)
    JSONText.appendString(schema, to: &names)
    names.append(#","table":"#)
    JSONText.appendString(table, to: &names)
    return [UInt8](copying: names.span)
  }

  /// The column of a name, looked for from `next` on, where rows mostly have it; nil when there is none.
  func place(of name: Span<UInt8>, from next: Int) -> Int? {
    for step in columns.indices {
      let place = (next + step) % columns.count
      let known = columns[place].name
      if known.span.equals(name) { return place }
    }
    return nil
  }
}
