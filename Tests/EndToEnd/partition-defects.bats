# The defects of the systems that partition maintenance replaces (P1 to P13, G1 to G10), each with the test here that
# would have caught it; and the cases of their own tests that no other file has.
#
#     P1   a table without tenants gets nothing           pg-partplan.bats: "what is missing …", "tenants from …"
#     P2   bounds that hang on the present moment         pg-partplan-clock.bats, all; pg-partplan.bats: "… (P2)"
#     P3   victims by name, with wildcards                pg-partplan.bats: "retention goes by … never by names (P3)"
#     P4   dropped an interval too early                  pg-partplan.bats: "retention goes by the upper bound (P4)"
#     P5   bookkeeping that only grows                    below: nothing is kept but the catalog
#     P6   work that grows with the square                below; bench: partplan
#     P7   names unquoted, values interpolated            pg-partplan.bats and pg-partapply-faults.bats: "… (P7, P8)"
#     P8   names cut short, or used twice                 as P7
#     P9   a changed setting is ignored                   below
#     P10  one failure stops all; any table of the name   pg-partapply.bats: "P10, …", "… (P10)"; partition-run.bats: "two at once …"
#     P11  hooks without a deadline                       pg-partapply-faults.bats: "P11: …"
#     P12  a page that shows nothing                      there is no page: pg-partcheck.bats, and its OpenMetrics
#     P13  no default, detach, lock time or true counts   pg-partapply.bats: "P10, P13: …", "G2: …"; pg-partapply-faults.bats: "under a long SELECT …"
#     G1   24 hours with one name                         pg-partplan.bats: "hours have names of their own (G1)"
#     G2   a row in the default stops it for ever         pg-partplan.bats and pg-partapply.bats: "… (G2)", "G2: …"
#     G3   no retention drops everything                  pg-partplan.bats: "… a missing one keeps all (G3)"; below for zero
#     G4   tenants a and A are one                        pg-partplan.bats: "tenants from a list … (… G4)"
#     G5   as P9                                          below
#     G6   DROP … CASCADE                                 pg-partapply-faults.bats: "G6: …"
#     G7   the first run after an hour                    partition-run.bats: "--every begins at once …"
#     G8   retention though making failed                 pg-partapply.bats: "G8: …"
#     G9   keeping the table without effect               below
#     G10  a dry run that calls the hook                  pg-partapply.bats: "G10: …"
#
# Of the cases whose titles say nothing here: test_bgw is partition-run.bats, "--every begins at once …"; PostgreSQL's
# detach-partition-concurrently-1 to 4 are partition-detach.bats.

load support
load partitioning

setup_file() { start_postgres; }

setup() { sql "set client_min_messages = warning; drop schema public cascade; create schema public"; }

apply() { pg-partapply <"$PLAN" | jq -r '[.action, .partition, .outcome] | join(" ")'; }

daily() { sql "create table ${1:-events} (at timestamptz not null, id bigint) partition by range (at)"; }

@test "P9, G5: a changed policy takes effect at once, and P5: nothing is kept beside the catalog" {
  daily
  policy <<<'- {table: events, key: at, interval: 1 day, premake: 1}'
  plan --at 2024-02-10T10:00:00Z
  apply
  policy <<<'- {table: events, key: at, interval: 1 day, premake: 3, retention: 1 day, retire: drop, default: keep}'
  plan --at 2024-02-12T10:00:00Z
  assert_equal "$(members action partition | xargs)" \
    "create events_20240212 create events_20240213 create events_20240214 create events_20240215 create events_default drop events_20240210"
  apply
  # The interval as well, from where its partitions end.
  policy <<<'- {table: events, key: at, interval: 1 week, premake: 1, default: keep}'
  plan --at 2024-02-19T10:00:00Z
  apply
  assert_equal "$(sql "select bool_and(tableoid = 'events_default'::regclass) from events")" ""
  sql "insert into events values ('2024-02-21', 1)"
  assert_equal "$(sql "select tableoid <> 'events_default'::regclass from events")" t
  assert_equal "$(sql "select count(*) from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
    and oid not in (select inhrelid from pg_inherits)")" 0
}

@test "P6: the number of queries does not grow with tables, partitions or tenants" {
  local table
  for table in a b c d e f; do
    daily "$table"
    echo "- {table: $table, key: at, interval: 1 day, premake: 10}"
  done >"$BATS_TEST_TMPDIR/tables"
  policy <"$BATS_TEST_TMPDIR/tables"
  plan && apply >/dev/null
  queries_of few 'a'
  queries_of many 'a b c d e f'
  assert_equal "$(<"$BATS_TEST_TMPDIR/many")" "$(<"$BATS_TEST_TMPDIR/few")"
  (($(<"$BATS_TEST_TMPDIR/many") > 0 && $(<"$BATS_TEST_TMPDIR/many") <= 7))
}

# queries_of NAME TABLES: how many statements a plan over these tables is made with, into a file of that name.
queries_of() {
  local table log=$BATS_TEST_TMPDIR/trace
  for table in $2; do echo "- {table: $table, key: at, interval: 1 day, premake: 10}"; done >"$BATS_TEST_TMPDIR/tables"
  policy <"$BATS_TEST_TMPDIR/tables"
  strace -f -qq -e trace=sendto -s 1 -o "$log" pg-partplan "$POLICY" >/dev/null
  grep -c '"[QP]"' "$log" >"$BATS_TEST_TMPDIR/$1" || true
}

@test "G3: a retention of zero keeps everything" {
  daily
  sql "create table old partition of events for values from ('2024-02-01') to ('2024-02-02')"
  policy <<<'- {table: events, key: at, interval: 1 day, premake: 0, retention: 0, retire: drop}'
  plan --at 2024-02-10T10:00:00Z
  assert_equal "$(members action | sort -u)" create
}

@test "G9: a table that is to stay when it is retired stays, with its rows" {
  daily
  sql "create table old partition of events for values from ('2000-01-01') to ('2000-01-02'); insert into old values ('2000-01-01', 7)"
  policy <<<'- {table: events, key: at, interval: 1 day, premake: 0, retention: 1 day, retire: detach, keep_at_least: 0}'
  plan --at 2024-02-10T10:00:00Z
  apply >"$BATS_TEST_TMPDIR/said"
  assert_equal "$(grep detach "$BATS_TEST_TMPDIR/said")" "detach old done"
  assert_equal "$(sql "table old" | cut -d'|' -f2)" 7
  plan --at 2024-02-10T10:00:00Z
  assert_equal "$(members action)" ""
}

@test "a hundred years of days, and of years (test-time-100years)" {
  daily
  policy <<<'- {table: events, key: at, interval: 100 years, premake: 4}'
  plan --at 2024-02-10T10:00:00Z
  apply >/dev/null
  assert_equal "$(sql "select count(*) from pg_inherits where inhparent = 'events'::regclass")" 5
  sql "insert into events values ('2023-01-01'), ('2399-12-31')"
}

@test "numeric keys count like integers, or are refused by name (test-id-numeric)" {
  sql "create table numbered (id numeric not null) partition by range (id)"
  policy <<<'- {table: numbered, key: {column: id, type: integer}, interval: 10, premake: 2}'
  local status=0
  pg-partplan "$POLICY" >"$BATS_TEST_TMPDIR/plan" 2>"$BATS_TEST_TMPDIR/error" || status=$?
  [[ $status == 0 ]] || { ((status == 65)) && grep -q 'column "id" of table .* is of type numeric' "$BATS_TEST_TMPDIR/error"; }
}

@test "partitions lie in the tablespace of their siblings, or in the declared one (test_tablespace)" {
  local space
  space=$(mktemp -d) && chown postgres "$space"
  sql "create tablespace away location '$space'"
  daily
  sql "create table first partition of events for values from ('2024-02-09') to ('2024-02-10') tablespace away"
  policy <<<'- {table: events, key: at, interval: 1 day, premake: 1}'
  plan --at 2024-02-10T10:00:00Z
  apply >/dev/null
  assert_equal "$(sql "select count(*) from pg_class c join pg_tablespace t on t.oid = c.reltablespace where spcname = 'away' and relname like 'events_%'")" 2
  sql "drop table events"
  sql "drop tablespace away"
}

@test "an empty partition is archived and dropped like any other (ColdFront)" {
  daily
  sql "create table old partition of events for values from ('2000-01-01') to ('2000-01-02')"
  policy <<<'- {table: events, key: at, interval: 1 day, premake: 0, retention: 1 day, retire: archive then drop, keep_at_least: 0}'
  partition-run --policy "$POLICY" --store "file://$BATS_TEST_TMPDIR/store/" --manifest "$BATS_TEST_TMPDIR/manifest" --cool 0s \
    >"$BATS_TEST_TMPDIR/said"
  assert_equal "$(sql "select to_regclass('old') is null")" t
  assert_equal "$(jq -r '"\(.step) \(.rows)"' "$BATS_TEST_TMPDIR/manifest" | head -n 1)" "archived 0"
}

@test "a session whose search path is empty or strange plans and applies the same (test_no_search_path)" {
  daily
  sql "create schema other; create table other.events (at timestamptz not null) partition by range (at)"
  policy <<<'- {table: public.events, key: at, interval: 1 day, premake: 1}'
  PGOPTIONS='-c search_path=other' plan --at 2024-02-10T10:00:00Z
  PGOPTIONS='-c search_path=' apply >/dev/null
  assert_equal "$(sql "select count(*) from pg_inherits where inhparent = 'public.events'::regclass")" 2
  assert_equal "$(sql "select count(*) from pg_inherits where inhparent = 'other.events'::regclass")" 0
  sql "drop schema other cascade"
}
