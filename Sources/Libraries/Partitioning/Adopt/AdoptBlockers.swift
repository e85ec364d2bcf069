internal import Posix
internal import Postgres

/// What a table has that could not come along, each told as a reason.
enum AdoptBlockers {
  /// Of a table that is to become a partition; `column` is the key.
  static func ofAdoption(
    _ oid: String, column: String, on connection: borrowing Connection
  ) throws -> [String] {
    try texts(
      """
      SELECT 'it is unlogged or temporary' FROM pg_catalog.pg_class c
        WHERE c.oid = $1::oid AND c.relpersistence <> 'p'
      UNION ALL SELECT 'it is of a type' FROM pg_catalog.pg_class c
        WHERE c.oid = $1::oid AND c.reloftype <> 0
      UNION ALL SELECT 'it has row security' FROM pg_catalog.pg_class c WHERE c.oid = $1::oid
        AND (c.relrowsecurity OR EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polrelid = c.oid))
      UNION ALL SELECT 'it inherits from another table, or another one from it'
        WHERE EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE $1::oid IN (inhrelid, inhparent))
      UNION ALL SELECT pg_catalog.format('column %I has privileges of its own', attname)
        FROM pg_catalog.pg_attribute WHERE attrelid = $1::oid AND attacl IS NOT NULL
      UNION ALL SELECT pg_catalog.format('column %I is generated and cannot be a key', attname)
        FROM pg_catalog.pg_attribute
        WHERE attrelid = $1::oid AND attname = $2 AND attgenerated <> ''
      UNION ALL SELECT pg_catalog.format('%s %I does not include the key column %I',
          CASE WHEN i.indisprimary THEN 'primary key' ELSE 'unique index' END, c.relname, $2::text)
        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
        WHERE i.indrelid = $1::oid AND i.indisunique AND NOT EXISTS (
          SELECT FROM pg_catalog.unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (n, o)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n
          WHERE a.attname = $2 AND k.o <= i.indnkeyatts)
      UNION ALL SELECT pg_catalog.format('index %I is %s', c.relname,
          CASE WHEN i.indisexclusion THEN 'an exclusion constraint'
            WHEN NOT i.indisvalid THEN 'invalid' ELSE 'unique on an expression' END)
        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
        WHERE i.indrelid = $1::oid AND (i.indisexclusion OR NOT i.indisvalid
          OR (i.indisunique AND i.indexprs IS NOT NULL))
      UNION ALL SELECT pg_catalog.format('constraint %I is %s', conname,
          CASE WHEN connoinherit THEN 'not inherited' ELSE 'not validated' END)
        FROM pg_catalog.pg_constraint WHERE conrelid = $1::oid AND conname <> 'sluice_history'
          AND (contype IN ('c', 'f') AND NOT convalidated OR contype = 'c' AND connoinherit)
      UNION ALL SELECT 'constraint sluice_history of an earlier plan is there (--undo removes it)'
        FROM pg_catalog.pg_constraint WHERE conrelid = $1::oid AND conname = 'sluice_history'
      UNION ALL SELECT pg_catalog.format('trigger %I is %s', tgname,
          CASE WHEN tgenabled <> 'O' THEN 'switched off, or to fire on replicas'
            ELSE 'a constraint trigger, or has transition tables' END)
        FROM pg_catalog.pg_trigger WHERE tgrelid = $1::oid AND NOT tgisinternal
          AND (tgenabled <> 'O' OR tgconstraint <> 0
            OR tgoldtable IS NOT NULL OR tgnewtable IS NOT NULL)
      UNION ALL SELECT pg_catalog.format('publication %I takes only a part of it', p.pubname)
        FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
        WHERE r.prrelid = $1::oid AND coalesce(pg_catalog.to_jsonb(r) ->> 'prqual',
          pg_catalog.to_jsonb(r) ->> 'prattrs') IS NOT NULL
      UNION ALL \(dependents)
      """, [oid, column], on: connection)
  }

  /// Of a partitioned table that is to go.
  static func ofUndoing(
    _ oid: String, on connection: borrowing Connection
  ) throws -> [String] { try texts(dependents, [oid], on: connection) }

  static func refuse(_ table: QualifiedName, _ reasons: [String]) throws(Failure) {
    guard !reasons.isEmpty else { return }
    throw Failure(
      .badInput, "\(table.sql) cannot change its form as it is",
      detail: reasons.joined(separator: "; "))
  }

  /// What is bound to the table itself and not to its name.
  private static var dependents: String {
    """
    SELECT DISTINCT pg_catalog.pg_describe_object(
        'pg_catalog.pg_class'::pg_catalog.regclass, r.ev_class, 0)
        || CASE WHEN r.ev_class = $1::oid THEN ' has a rule' ELSE ' reads it' END
      FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
      WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1::oid
    UNION ALL SELECT DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
        || ' uses it, or its type'
      FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = $1::oid
      LEFT JOIN pg_catalog.pg_type a ON a.typelem = c.reltype
      WHERE d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass
        AND d.refobjid IN (c.reltype, a.oid) AND d.deptype = 'n'
        OR d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = c.oid
        AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
    UNION ALL SELECT pg_catalog.format('foreign key %I of %s points to it', conname,
        conrelid::pg_catalog.regclass)
      FROM pg_catalog.pg_constraint
      WHERE confrelid = $1::oid AND contype = 'f' AND conparentid = 0
    """
  }

  private static func texts(
    _ query: String, _ parameters: [String], on connection: borrowing Connection
  ) throws -> [String] {
    let rows = try connection.query(query, parameters)
    return (0..<rows.count).map { rows.text($0, 0) }
  }
}
