internal import CYaml

/// One step through the text of a document.
struct YAMLEvent {
  enum Kind {
    case end, document, documentEnd, scalar, sequence, sequenceEnd, mapping, mappingEnd, alias
  }

  let kind: Kind
  /// Of a scalar; otherwise empty.
  let text: String
  let style: YAMLNode.ScalarStyle
  let hasTag: Bool
  let hasAnchor: Bool
  let line: Int
  let column: Int
}

/// Reads a text event by event.
@safe
struct YAMLEvents: ~Copyable {
  private let reader: OpaquePointer

  init(_ text: Span<UInt8>) throws(YAMLError) {
    if let reason = unsafe cyaml_load() {
      let reason = unsafe String(cString: reason)
      throw YAMLError("could not load libyaml: \(reason)", line: 0, column: 0)
    }
    let reader = unsafe text.withUnsafeBufferPointer {
      unsafe cyaml_open($0.baseAddress, $0.count)
    }
    guard let reader = unsafe reader else {
      throw YAMLError("out of memory", line: 0, column: 0)
    }
    unsafe self.reader = reader
  }

  deinit { unsafe cyaml_close(reader) }

  /// The corresponding C function is `yaml_parser_parse`.
  mutating func next() throws(YAMLError) -> YAMLEvent {
    var found = unsafe cyaml_event()
    guard unsafe cyaml_next(reader, &found) == 0 else { throw problem() }
    let text = unsafe UnsafeBufferPointer(start: found.value, count: found.length)
    return unsafe YAMLEvent(
      kind: Self.kind(found.kind), text: String(decoding: text, as: UTF8.self),
      style: Int(found.style) == CYAML_PLAIN ? .plain : .quoted, hasTag: found.has_tag != 0,
      hasAnchor: found.has_anchor != 0, line: Int(found.line), column: Int(found.column))
  }

  private func problem() -> YAMLError {
    var (line, column) = (0, 0)
    guard let reason = unsafe cyaml_problem(reader, &line, &column) else {
      return YAMLError("not understood", line: line, column: column)
    }
    return YAMLError(unsafe String(cString: reason), line: line, column: column)
  }

  private static func kind(_ number: Int32) -> YAMLEvent.Kind {
    switch Int(number) {
    case CYAML_DOCUMENT: .document
    case CYAML_DOCUMENT_END: .documentEnd
    case CYAML_SCALAR: .scalar
    case CYAML_SEQUENCE: .sequence
    case CYAML_SEQUENCE_END: .sequenceEnd
    case CYAML_MAPPING: .mapping
    case CYAML_MAPPING_END: .mappingEnd
    case CYAML_ALIAS: .alias
    default: .end
    }
  }
}
