import Testing

@testable import Changes

@Suite struct TargetStatementTests {
  static let orders = TargetTable(
    sqlName: #""public"."orders""#,
    columns: [
      .init(name: "id", cast: "bigint"), .init(name: "note", cast: "text"),
      .init(name: "doc", cast: "jsonb", isJSON: true),
      .init(name: "at", cast: "xml", comparesText: true),
      .init(name: "sum", cast: "integer", isGenerated: true),
    ], match: .key([0]))

  @Test func rowsAreInsertedByValueOfTheirTypes() {
    #expect(
      Self.orders.insertStatement([0, 2], .error) == """
        INSERT INTO "public"."orders" ("id", "doc") OVERRIDING SYSTEM VALUE \
        SELECT v.c0::bigint, v.c1::jsonb FROM unnest($1::text[], $2::text[]) AS v(c0, c1)
        """)
    #expect(
      Self.orders.insertStatement([0, 1], .upsert).hasSuffix(
        #" ON CONFLICT ("id") DO UPDATE SET "note" = excluded."note""#))
    #expect(Self.orders.insertStatement([0], .upsert).hasSuffix(#"ON CONFLICT ("id") DO NOTHING"#))
    #expect(Self.orders.insertStatement([0], .skip).hasSuffix(" ON CONFLICT DO NOTHING"))
  }

  @Test func updatesJoinTheKeysThatComeFirst() {
    #expect(
      Self.orders.updateStatement(key: [0], set: [1, 2]) == """
        UPDATE "public"."orders" AS t SET "note" = v.c1::text, "doc" = v.c2::jsonb \
        FROM unnest($1::text[], $2::text[], $3::text[]) AS v(c0, c1, c2) WHERE t."id" = v.c0::bigint
        """)
    #expect(
      Self.orders.deleteStatement(key: [0, 3]) == """
        DELETE FROM "public"."orders" AS t USING unnest($1::text[], $2::text[]) AS v(c0, c1) \
        WHERE t."id" = v.c0::bigint AND t."at"::text = v.c1::xml::text
        """)
  }

  @Test func oneOfEqualRowsIsDeleted() {
    #expect(
      Self.orders.deleteOneStatement(row: [1, 3]) == """
        DELETE FROM "public"."orders" AS t WHERE t.ctid = (SELECT x.ctid FROM "public"."orders" AS x \
        WHERE x."note" IS NOT DISTINCT FROM ($1::text[])[1]::text AND \
        x."at"::text IS NOT DISTINCT FROM ($2::text[])[1]::xml::text LIMIT 1)
        """)
  }

  @Test func aColumnThatAnUpdateMayNotSetIsWrittenAnew() {
    let table = TargetTable(
      sqlName: #""t""#,
      columns: [
        .init(name: "id", cast: "bigint", isAlwaysIdentity: true), .init(name: "n", cast: "text"),
      ], match: .key([0]))
    #expect(
      table.updateStatement(key: [0], set: [0]) == """
        WITH d AS (DELETE FROM "t" AS t USING unnest($1::text[], $2::text[]) AS v(c0, c1) \
        WHERE t."id" = v.c0::bigint RETURNING t.*, v.c0 AS n0, v.c1 AS n1) \
        INSERT INTO "t" ("id", "n") OVERRIDING SYSTEM VALUE SELECT d.n1::bigint, d."n" FROM d
        """)
  }
}
