# pg-partplan: policies become actions, and nothing else is touched.

load support
load partitioning

setup_file() { start_postgres; }

# Each test has the public schema to itself.
setup() { sql "set client_min_messages = warning; drop schema public cascade; create schema public"; }

teardown() {
  sql "set client_min_messages = warning; drop schema if exists other cascade"
}

daily() {
  sql "create table ${1:-events} (at timestamptz not null, id bigint, note text) partition by range (at)"
}

@test "what is missing is created from the present moment on, and a second plan is empty" {
  daily
  policy <<<'- {table: events, key: at, interval: 1 day, premake: 2}'
  plan --at 2024-02-28T10:00:00Z
  assert_equal "$(members action partition from to)" \
    "create events_20240228 2024-02-28T00:00:00.000000Z 2024-02-29T00:00:00.000000Z
create events_20240229 2024-02-29T00:00:00.000000Z 2024-03-01T00:00:00.000000Z
create events_20240301 2024-03-01T00:00:00.000000Z 2024-03-02T00:00:00.000000Z"
  assert_equal "$(command jq -c 'del(.sql, .facts)' "$PLAN" | head -n 1)" \
    '{"type":"action","action":"create","database":"'"$PGDATABASE"'","schema":"public","table":"events","parent_schema":"public","parent":"events","partition_schema":"public","partition":"events_20240228","from":"2024-02-28T00:00:00.000000Z","to":"2024-02-29T00:00:00.000000Z","bound":"FOR VALUES FROM ('"'2024-02-28 00:00:00+00'"') TO ('"'2024-02-29 00:00:00+00'"')","reason":"holds the present moment"}'
  carry_out
  plan --at 2024-02-28T10:00:00Z
  assert_equal "$(cat "$PLAN")" ""
  assert_equal "$(bounds events | sed -n 2p)" "FOR VALUES FROM ('2024-02-29 00:00:00+00') TO ('2024-03-01 00:00:00+00')"
}

@test "the plan of a session in another time zone is the same (P2)" {
  daily
  policy <<<'- {table: events, key: at, interval: 1 day}'
  plan --at 2024-02-28T10:00:00Z
  cp "$PLAN" "$BATS_TEST_TMPDIR/first"
  PGTZ=America/New_York PGOPTIONS='-c datestyle=german' plan --at 2024-02-28T10:00:00Z
  assert_same_file "$BATS_TEST_TMPDIR/first" "$PLAN"
  { echo "set timezone = 'Asia/Kolkata'; set datestyle = 'SQL, DMY';" && jq -r '.sql[] + ";"' "$PLAN"; } | psql -qX --set ON_ERROR_STOP=1
  plan --at 2024-02-28T10:00:00Z
  assert_equal "$(cat "$PLAN")" ""
}

@test "a horizon makes more than premake says" {
  daily
  policy <<<'- {table: events, key: at, interval: 1 day, premake: 1, horizon: 7 days}'
  plan --at 2024-02-28T10:00:00Z
  assert_equal "$(members partition | tail -n 1)" events_20240306
}

@test "hours have names of their own (G1)" {
  daily
  policy <<<'- {table: events, key: at, interval: 1 hour, premake: 30}'
  plan --at 2024-02-28T22:30:00Z
  assert_equal "$(members partition | sort -u | wc -l)" 31
  assert_equal "$(members partition | sed -n 3p)" events_2024022900
}

@test "the hour that a clock shows twice has two names" {
  daily
  policy <<<'- {table: events, key: at, interval: 1 hour, premake: 5, time_zone: Europe/Berlin}'
  plan --at 2024-10-26T22:30:00Z
  assert_equal "$(members partition | sort -u | wc -l)" 6
  carry_out
}

@test "gaps are filled back to the retention, and what a user made is respected" {
  daily
  sql "create table h partition of events for values from (minvalue) to ('2024-01-01');
    create table wide partition of events for values from ('2024-02-03') to ('2024-02-06 12:00+00');
    create table future partition of events for values from ('2024-02-12') to (maxvalue)"
  policy <<<'- {table: events, key: at, interval: 1 day, premake: 9, retention: 10 days, retire: drop, keep_at_least: 2}'
  plan --at 2024-02-09T01:00:00Z
  # What ended on 30 January at one o'clock is too old.
  assert_equal "$(members partition reason -- '.action == "create"')" \
    "events_20240130 a gap
events_20240131 a gap
events_20240201 a gap
events_20240202 a gap
events_2024020612 a gap
events_20240207 a gap
events_20240208 a gap
events_20240209 holds the present moment
events_20240210 ahead
events_20240211 ahead"
  carry_out
  plan --at 2024-02-09T01:00:00Z
  assert_equal "$(members action partition)" "drop h"
}

@test "retention goes by the upper bound (P4), never by names (P3), and a missing one keeps all (G3)" {
  daily
  daily events_audit
  sql "create table events_19990101 partition of events for values from ('2024-02-01') to ('2024-02-10');
    create table x partition of events for values from ('2024-01-01') to ('2024-02-01');
    create table events_audit_20240101 partition of events_audit for values from ('2024-01-01') to ('2024-01-02');
    create table events_20240101 (a int)"
  policy <<<'- {table: events, key: at, interval: 1 day, retention: 1 month, retire: drop, keep_at_least: 0, premake: 0}
- {table: events_audit, key: at, interval: 1 day, retention: 0, retire: drop, keep_at_least: 0, premake: 0}'
  plan --at 2024-02-29T23:59:59Z
  assert_equal "$(members action partition -- '.action != "create"')" ""
  plan --at 2024-03-01T00:00:00Z
  assert_equal "$(members action partition -- '.action != "create"')" "drop x"
  plan --at 2024-03-20
  assert_equal "$(members action partition -- '.action != "create"')" "drop x
drop events_19990101"
}

@test "the newest partitions stay, those ahead not counted" {
  daily
  policy <<<'- {table: events, key: at, interval: 1 day, premake: 3}'
  plan --at 2024-01-01
  carry_out
  policy <<<'- {table: events, key: at, interval: 1 day, premake: 0, retention: 2 days, retire: detach, keep_at_least: 2}'
  plan --at 2024-01-06
  assert_equal "$(members action partition -- '.action != "create"')" "detach events_20240101
detach events_20240102"
  plan --at 2024-01-02
  assert_equal "$(members action partition)" ""
}

@test "moved: to another schema; archived: with all that archive-one needs, and dropped with proof" {
  daily
  sql "create schema other; create table events_1 partition of events for values from ('2024-01-01') to ('2024-01-02')"
  policy <<<'- {table: events, key: at, interval: 1 day, premake: 0, retention: 2 days, retire: move to other, keep_at_least: 0}'
  plan --at 2024-01-06
  assert_equal "$(jq -c 'select(.action == "move") | [.to_schema, .sql]' "$PLAN")" \
    '["other",["ALTER TABLE \"public\".\"events\" DETACH PARTITION \"public\".\"events_1\" CONCURRENTLY","ALTER TABLE \"public\".\"events_1\" SET SCHEMA \"other\""]]'
  policy <<<'- {table: events, key: at, interval: 1 day, premake: 0, retention: 2 days, retire: archive then drop, keep_at_least: 0}'
  plan --at 2024-01-06
  assert_equal "$(members action needs_proof -- '.action != "create"')" "archive null
drop true"
  listed=$(pg-partitions --table events --include-open | head -n 1)
  jq -c 'select(.action == "archive") | .type = "partition" | del(.action, .sql, .reason, .facts)' "$PLAN" >"$BATS_TEST_TMPDIR/listed"
  assert_equal "$(jq . "$BATS_TEST_TMPDIR/listed")" "$(jq . <<<"$listed")"
}

@test "a default partition is made last, and its rows are drained, or said to be in the way (G2)" {
  daily
  policy <<<'- {table: events, key: at, interval: 1 day, premake: 1, default: keep}'
  plan --at 2024-01-06
  assert_equal "$(members partition bound | tail -n 1)" "events_default DEFAULT"
  jq -c 'select(.bound == "DEFAULT")' "$PLAN" >"$BATS_TEST_TMPDIR/default"
  PLAN=$BATS_TEST_TMPDIR/default carry_out
  sql "insert into events select timestamptz '2024-01-06 10:00+00' from generate_series(1, 3)"
  run --separate-stderr pg-partplan "$POLICY" --at 2024-01-06
  assert_status 1
  assert_equal "$(jq -r .partition <<<"$output")" events_20240107
  assert_stderr_has "3 of its rows are in"
  policy <<<'- {table: events, key: at, interval: 1 day, premake: 1, default: drain}'
  plan --at 2024-01-06
  assert_equal "$(members action partition facts.rows facts.default)" "create events_20240107 null null
drain events_20240106 3 events_default"
}

@test "a detach that was cut off is finished, and beside a default none is concurrent" {
  daily
  sql "create table events_1 partition of events for values from ('2024-01-01') to ('2024-01-02');
    create table events_2 partition of events for values from ('2024-01-02') to ('2024-01-03');
    set allow_system_table_mods = on; update pg_inherits set inhdetachpending = true where inhrelid = 'events_1'::regclass"
  policy <<<'- {table: events, key: at, interval: 1 day, premake: 0, retention: 1 day, retire: drop, keep_at_least: 0}'
  plan --at 2024-01-10
  assert_equal "$(jq -r 'select(.action == "drop") | .sql[0], .facts.finalize' "$PLAN")" \
    'ALTER TABLE "public"."events" DETACH PARTITION "public"."events_1" FINALIZE
true
ALTER TABLE "public"."events" DETACH PARTITION "public"."events_2" CONCURRENTLY
null'
  policy <<<'- {table: events, key: at, interval: 1 day, premake: 0, retention: 1 day, retire: drop, keep_at_least: 0, default: keep}'
  plan --at 2024-01-10
  assert_equal "$(jq -r 'select(.partition == "events_2" and .action == "drop") | .sql[0]' "$PLAN")" \
    'ALTER TABLE "public"."events" DETACH PARTITION "public"."events_2"'
  sql "set allow_system_table_mods = on; update pg_inherits set inhdetachpending = false"
}

@test "dates, timestamps and epochs; weeks begin where they are told to" {
  sql "create table d (d date) partition by range (d); create table t (t timestamp) partition by range (t);
    create table s (s int) partition by range (s); create table ms (ms bigint) partition by range (ms);
    create table us (us bigint) partition by range (us); create table ns (ns numeric) partition by range (ns)"
  policy <<<'- {table: d, key: d, interval: 1 month, premake: 0}
- {table: t, key: t, interval: 1 week, premake: 0, time_zone: America/New_York, week_start: sunday}
- {table: s, key: {column: s, type: epoch-s}, interval: 1 week, premake: 0}
- {table: ms, key: {column: ms, type: epoch-ms}, interval: 1 week, premake: 0}
- {table: us, key: {column: us, type: epoch-us}, interval: 1 day, premake: 0, time_zone: Europe/Berlin}
- {table: ns, key: {column: ns, type: epoch-ns}, interval: 1 hour, premake: 0}'
  plan --at 2024-07-15T00:30:00Z
  assert_equal "$(members partition bound from)" \
    "d_202407 FOR VALUES FROM ('2024-07-01') TO ('2024-08-01') 2024-07-01
t_20240714 FOR VALUES FROM ('2024-07-14 00:00:00') TO ('2024-07-21 00:00:00') 2024-07-14T00:00:00.000000
s_20240715 FOR VALUES FROM (1721001600) TO (1721606400) 2024-07-15T00:00:00.000000Z
ms_20240715 FOR VALUES FROM ('1721001600000') TO ('1721606400000') 2024-07-15T00:00:00.000000Z
us_20240715 FOR VALUES FROM ('1720994400000000') TO ('1721080800000000') 2024-07-14T22:00:00.000000Z
ns_2024071500 FOR VALUES FROM ('1721001600000000000') TO ('1721005200000000000') 2024-07-15T00:00:00.000000Z"
  carry_out
  assert_equal "$(for table in d t s ms us ns; do bounds $table; done)" "$(members bound)"
  plan --at 2024-07-15T00:30:00Z
  assert_equal "$(cat "$PLAN")" ""
}

# uuid7 MS, ulid MS: an ID of that millisecond whose other bits are ones.
uuid7() { printf '%08x-%04x-7fff-bfff-ffffffffffff' $(($1 >> 16)) $(($1 & 65535)); }

ulid() {
  local text='' shift
  for shift in 45 40 35 30 25 20 15 10 5 0; do
    text+=$(printf '%s' 0123456789ABCDEFGHJKMNPQRSTVWXYZ | cut -c $((($1 >> shift & 31) + 1)))
  done
  echo "${text}ZZZZZZZZZZZZZZZZ"
}

@test "UUIDv7, ULID and snowflake values fall into the partition that their time says" {
  sql "create table u (u uuid) partition by range (u); create table l (l text collate \"C\") partition by range (l);
    create table lu (l uuid) partition by range (l); create table s (s bigint) partition by range (s)"
  policy <<<'- {table: u, key: {column: u, type: uuid7}, interval: 1 day, premake: 20}
- {table: l, key: {column: l, type: ulid}, interval: 1 day, premake: 20}
- {table: lu, key: {column: l, type: ulid}, interval: 1 day, premake: 20}
- {table: s, key: {column: s, type: snowflake, epoch: 2015-01-01T00:00:00Z}, interval: 1 day, premake: 20}'
  plan --at 2024-02-20
  carry_out
  plan --at 2024-02-20
  assert_equal "$(cat "$PLAN")" ""
  midnight=$(($(date -u -d 2024-02-28 +%s) * 1000))
  for ms in $((midnight - 1)) "$midnight" $((midnight + 86399999)) $((midnight + 86400000)); do
    sql "insert into u values ('$(uuid7 $ms)'); insert into l values ('$(ulid $ms)'); insert into lu values ('$(uuid7 $ms)');
      insert into s values ((($ms - 1420070400000)::bigint << 22) + 4194303)"
  done
  for table in u l lu s; do
    assert_equal "$(sql "select tableoid::regclass, count(*) from $table group by tableoid order by tableoid::regclass::text collate \"C\"" | tr '\n' ' ')" \
      "${table}_20240227|1 ${table}_20240228|2 ${table}_20240229|1 "
  done
}

@test "integer keys count from the highest value" {
  sql "create table i (i int) partition by range (i); create table b (b bigint) partition by range (b)"
  policy <<<'- {table: i, key: i, interval: 100, premake: 1, retention: 250, retire: drop, keep_at_least: 0}
- {table: b, key: b, interval: 1000, start: 5, premake: 0}'
  plan
  assert_equal "$(members partition bound)" "i_0 FOR VALUES FROM (0) TO (100)
i_100 FOR VALUES FROM (100) TO (200)
b_-995 FOR VALUES FROM ('-995') TO ('5')"
  carry_out
  sql "insert into i values (150)"
  plan
  assert_equal "$(members partition)" i_200
  carry_out
  sql "insert into i values (299)"
  plan
  assert_equal "$(members action partition)" "create i_300"
  carry_out
  sql "insert into i values (350)"
  plan
  assert_equal "$(members action partition)" "create i_400
drop i_0"
}

@test "a stray value in the default partition does not make all others old" {
  sql "create table stray (i bigint) partition by range (i); create table stray_default partition of stray default;
    create table stray_0 partition of stray for values from (0) to (100); create table stray_100 partition of stray for values from (100) to (200);
    insert into stray values (150), (900000000000)"
  policy <<<'- {table: stray, key: {column: i, type: integer}, interval: 100, premake: 1, retention: 100, retire: drop, keep_at_least: 0, default: keep}'
  plan
  assert_equal "$(members action partition)" "create stray_200"
  # Where there is nothing else it is all that there is to count from.
  sql "drop table stray_0, stray_100"
  plan || true
  assert_equal "$(members action partition | head -n 1)" "create stray_900000000100"
}

@test "mixed case, quotes and 63 bytes (P7, P8)" {
  long=$(printf 'x%.0s' {1..60})äh
  sql "create schema other; create table other.\"My \"\"Events\" (\"At\" timestamptz not null) partition by range (\"At\");
    create table \"$long\" (at timestamptz) partition by range (at)"
  policy <<<'- {table: "other.\"My \"\"Events\"", key: At, interval: 1 day, premake: 1, default: keep}
- {table: "\"'"$long"'\"", key: at, interval: 1 day, premake: 1, default: keep}'
  plan --at 2024-01-06
  assert_equal "$(members partition | head -n 1)" 'My "Events_20240106'
  assert_equal "$(members partition | LC_ALL=C awk '{ print (length($0) > 63) }' | sort -u)" 0
  carry_out
  plan --at 2024-01-06
  assert_equal "$(cat "$PLAN")" ""
}

@test "a name that is taken, or wanted twice, stops its table and no other (P10)" {
  daily
  daily beta
  sql "create table events_20240106 (a int)"
  policy <<<'- {table: events, key: at, interval: 1 day, premake: 1}
- {table: beta, key: at, interval: 1 day, premake: 0}'
  run --separate-stderr pg-partplan "$POLICY" --at 2024-01-06
  assert_status 65
  assert_stderr_has events_20240106
  assert_equal "$(jq -r .partition <<<"$output")" beta_20240106
}

@test "what is wrong with one table does not stop another" {
  daily
  sql "create table plain (at timestamptz); create table other_key (a int, at timestamptz) partition by range (a);
    create table listed (a int) partition by list (a); create table d (d date) partition by range (d)"
  policy <<<'- {table: nowhere, key: at, interval: 1 day}
- {table: plain, key: at, interval: 1 day}
- {table: other_key, key: at, interval: 1 day}
- {table: listed, key: a, interval: 10}
- {table: d, key: d, interval: 1 hour}
- {table: other_key, key: at, interval: 1 day}' || true
  sed -i '$d' "$POLICY"
  echo '- {table: events, key: at, interval: 1 day, premake: 0}' >>"$POLICY"
  run --separate-stderr pg-partplan "$POLICY" --at 2024-01-06
  assert_status 65
  assert_equal "$(jq -r .partition <<<"$output")" events_20240106
  for words in "nowhere does not exist" "is not partitioned" "is not the policy's" "is not partitioned by range" "have no hours"; do
    assert_stderr_has "$words"
  done
  run --separate-stderr pg-partplan "$POLICY" --at 2024-01-06 --table events
  assert_status 0
  run --separate-stderr pg-partplan "$POLICY" --table unknown
  assert_status 65
}

@test "a server that refuses one table's zone plans the others" {
  daily
  daily beta
  policy <<<'- {table: events, key: at, interval: 1 day, premake: 0, time_zone: Europe/Nowhere}
- {table: beta, key: at, interval: 1 day, premake: 0}'
  run --separate-stderr pg-partplan "$POLICY" --at 2024-01-06
  assert_status 65
  assert_stderr_has Europe/Nowhere
  assert_equal "$(jq -r .partition <<<"$output")" beta_20240106
}

@test "tenants from a list and from a query, each with gaps and retention of its own (P1, P6, G4)" {
  sql "create table events (tenant text not null, at timestamptz not null) partition by range (tenant, at);
    create table customers (id uuid); insert into customers values ('AAAAAAAA-0000-0000-0000-000000000001'), (null);
    create table visits (c uuid, at timestamptz) partition by range (c, at)"
  policy <<<"- {table: events, key: at, tenant_key: tenant, tenants: [a, A, \"it's\"], interval: 1 day, premake: 0, retention: 3 days, retire: drop}
- {table: visits, key: at, tenant_key: c, tenants: {query: select id from customers}, interval: 1 day, premake: 0}"
  plan --at 2024-01-01
  assert_equal "$(members partition bound)" \
    "events_a_20240101 FOR VALUES FROM ('a', '2024-01-01 00:00:00+00') TO ('a', '2024-01-02 00:00:00+00')
events_A_20240101 FOR VALUES FROM ('A', '2024-01-01 00:00:00+00') TO ('A', '2024-01-02 00:00:00+00')
events_it's_20240101 FOR VALUES FROM ('it''s', '2024-01-01 00:00:00+00') TO ('it''s', '2024-01-02 00:00:00+00')
visits_aaaaaaaa-0000-0000-0000-000000000001_20240101 FOR VALUES FROM ('aaaaaaaa-0000-0000-0000-000000000001', '2024-01-01 00:00:00+00') TO ('aaaaaaaa-0000-0000-0000-000000000001', '2024-01-02 00:00:00+00')"
  carry_out
  plan --at 2024-01-01
  assert_equal "$(cat "$PLAN")" ""
  sql "drop table \"events_A_20240101\""
  plan --at 2024-01-05 --table events
  # The last partition of a tenant stays until there is a newer one, and A's history begins now.
  assert_equal "$(members action partition)" "create events_a_20240102
create events_a_20240103
create events_a_20240104
create events_a_20240105
create events_A_20240105
create events_it's_20240102
create events_it's_20240103
create events_it's_20240104
create events_it's_20240105"
  carry_out
  plan --at 2024-01-05T12:00:00Z --table events
  assert_equal "$(members action partition)" "drop events_a_20240101
drop events_it's_20240101"
}

@test "partitions are cut in turn by list, hash and range, and what is missing below is made" {
  sql "create table events (at date not null, region text, id int) partition by range (at)"
  policy <<<'- table: events
  key: at
  interval: 1 month
  premake: 0
  sub: {key: region, list: [[de, at], us, null], sub: {key: id, hash: 2}}'
  plan --at 2024-02-10
  assert_equal "$(members partition)" events_202402
  carry_out
  assert_equal "$(sql "select relid from pg_partition_tree('events') where isleaf order by relid::text collate \"C\"" | tr '\n' ' ')" \
    "events_202402_de_at_0 events_202402_de_at_1 events_202402_null_0 events_202402_null_1 events_202402_us_0 events_202402_us_1 "
  plan --at 2024-02-10
  assert_equal "$(cat "$PLAN")" ""
  sql "drop table events_202402_us, events_202402_null_1"
  plan --at 2024-02-10
  assert_equal "$(members parent partition)" "events_202402 events_202402_us
events_202402_null events_202402_null_1"
  carry_out
  plan --at 2024-02-10
  assert_equal "$(cat "$PLAN")" ""
  policy <<<'- {table: events, key: at, interval: 1 month, premake: 0, retention: 1 month, retire: archive then drop, keep_at_least: 0}'
  plan --at 2024-04-10
  assert_equal "$(members partition -- '.action == "archive"' | wc -l)" 6
  assert_equal "$(members partition -- '.action == "drop"')" events_202402
}

@test "finer ranges fill the partition that they are in, and are contiguous" {
  sql "create table events (at timestamptz not null) partition by range (at)"
  policy <<<'- {table: events, key: at, interval: 1 month, premake: 1, time_zone: Europe/Berlin, sub: {key: at, interval: 1 day}}'
  plan --at 2024-03-10
  carry_out
  assert_equal "$(sql "select count(*) from pg_partition_tree('events') where isleaf")" 61
  plan --at 2024-03-10
  assert_equal "$(cat "$PLAN")" ""
  sql "insert into events select t from generate_series(timestamptz '2024-03-01 00:00+01', '2024-04-30 23:59+02', '15 minutes') t"
}

@test "parts of a range of integers that are cut by time begin where they are told to (test-id-time-subpart-custom-start)" {
  sql "create table events (id bigint not null, at timestamptz not null) partition by range (id)"
  policy <<<'- {table: events, key: id, interval: 10, start: 3, premake: 1, sub: {key: at, interval: 2 days, start: 2024-03-02, premake: 1}}'
  plan --at 2024-03-10
  carry_out
  assert_equal "$(bounds events)" "FOR VALUES FROM ('-7') TO ('3')
FOR VALUES FROM ('3') TO ('13')"
  assert_equal "$(sql "select distinct pg_get_expr(c.relpartbound, c.oid) from pg_partition_tree('events') join pg_class c on c.oid = relid where isleaf order by 1")" \
    "FOR VALUES FROM ('2024-03-10 00:00:00+00') TO ('2024-03-12 00:00:00+00')
FOR VALUES FROM ('2024-03-12 00:00:00+00') TO ('2024-03-14 00:00:00+00')"
  sql "insert into events select i, timestamptz '2024-03-13 23:59:59+00' from generate_series(-7, 12) i"
  plan --at 2024-03-10
  assert_equal "$(members bound)" "FOR VALUES FROM ('13') TO ('23')"
}

@test "a new partition is like its newest sibling" {
  sql "create table events (at timestamptz not null, id int not null, unique (at, id)) partition by range (at);
    create role reader; create role owning; grant all on schema public to owning;
    create unlogged table events_20240101 partition of events for values from ('2024-01-01') to ('2024-01-02')
      with (fillfactor = 70, autovacuum_enabled = off);
    alter table events_20240101 replica identity using index events_20240101_at_id_key;
    grant select, insert on events_20240101 to reader with grant option; grant select on events_20240101 to public;
    alter table events_20240101 owner to owning"
  policy <<<'- {table: events, key: at, interval: 1 day, premake: 0}'
  plan --at 2024-01-02
  carry_out
  assert_equal "$(sql "select relpersistence, reloptions, relreplident, relowner::regrole, replace(relacl::text, 'postgres', 'x') from pg_class where relname = 'events_20240102'")" \
    "$(sql "select relpersistence, reloptions, relreplident, relowner::regrole, replace(relacl::text, 'postgres', 'x') from pg_class where relname = 'events_20240101'")"
  policy <<<'- {table: events, key: at, interval: 1 day, premake: 1, inherit: {from_sibling: false, owner: reader, storage: {fillfactor: 50}}}'
  plan --at 2024-01-02
  carry_out
  assert_equal "$(sql "select relpersistence, reloptions, relowner::regrole from pg_class where relname = 'events_20240103'")" "p|{fillfactor=50}|reader"
  sql "drop table events; drop owned by reader; drop owned by owning; drop role reader; drop role owning"
}

@test "publications, generated columns, identities, defaults and checks" {
  sql "create table events (at timestamptz not null, id bigint generated always as identity, a int default 5 check (a > 0),
      twice int generated always as (a * 2) stored, primary key (at, id)) partition by range (at);
    create index on events (a);
    create table events_20240101 partition of events for values from ('2024-01-01') to ('2024-01-02');
    create publication pub_plan for table events_20240101; create publication pub_all for table events"
  policy <<<'- {table: events, key: at, interval: 1 day, premake: 0, retention: 1 year}'
  plan --at 2024-01-02
  carry_out
  sql "insert into events (at) values ('2024-01-02 05:00+00')"
  assert_equal "$(sql "select a, twice, id from events")" "5|10|1"
  assert_equal "$(sql "select count(*) from pg_publication_rel where prrelid = 'events_20240102'::regclass")" 1
  assert_equal "$(sql "select count(*) from pg_index where indrelid = 'events_20240102'::regclass")" 2
  assert_equal "$(sql "select count(*) from pg_constraint where conrelid = 'events_20240102'::regclass and contype = 'c'")" 1
  sql "drop publication pub_plan; drop publication pub_all"
}

@test "an owner who is no superuser plans and carries out" {
  sql "create role worker login; create schema other authorization worker"
  PGUSER=worker sql "create table other.events (at timestamptz) partition by range (at)"
  policy <<<'- {table: other.events, key: at, interval: 1 day, premake: 1, default: keep}'
  PGUSER=worker plan
  PGUSER=worker carry_out
  PGUSER=worker plan
  assert_equal "$(cat "$PLAN")" ""
  sql "drop schema other cascade; drop role worker"
}

@test "nothing but reading: the session's transaction is read only" {
  daily
  policy <<<'- {table: events, key: at, tenant_key: x, tenants: {query: "select 1"}, interval: 1 day}'
  sed -i 's/tenant_key: x, tenants: {[^}]*}, //' "$POLICY"
  before=$(sql "select pg_current_xact_id_if_assigned() is null, count(*) from pg_class")
  plan
  assert_equal "$(sql "select pg_current_xact_id_if_assigned() is null, count(*) from pg_class")" "$before"
  sql "create table tenants (t text); drop table events; create table events (t text, at timestamptz) partition by range (t, at)"
  policy <<<'- {table: events, key: at, tenant_key: t, tenants: {query: "insert into tenants values (1) returning t"}, interval: 1 day}'
  run --separate-stderr pg-partplan "$POLICY"
  [[ $status != 0 ]]
}

@test "a policy of too many ranges is refused, not carried out" {
  daily
  sql "create table old partition of events for values from ('1990-01-01') to ('1990-01-02')"
  policy <<<'- {table: events, key: at, interval: 1 second}'
  run --separate-stderr pg-partplan "$POLICY"
  assert_status 65
  assert_stderr_has "more than 100000 ranges"
}

@test "wrong usage" {
  run --separate-stderr pg-partplan
  assert_status 64
  policy <<<'- {table: a, key: b, interval: 1 day}'
  run --separate-stderr pg-partplan "$POLICY" more
  assert_status 64
  run --separate-stderr pg-partplan "$POLICY" --at yesterday
  assert_status 64
}
