# pg-partcheck: each way in which partitions are not as their policy says.

# Tests are subshells, and what they eval or hand to other shells is in single quotes.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154

load support

setup_file() { start_postgres; }

setup() {
  WORK=$BATS_TEST_TMPDIR/work
  mkdir -p "$WORK"
  cd "$WORK" || return
}

# make_days TABLE FIRST LAST: partitions for these days, which new ones are made after.
make_days() {
  sql "create table $1 (id bigint, at timestamptz not null, note text) partition by range (at);
    create index on $1 (id);
    do \$\$ declare d date; begin
      for d in select generate_series(date '$2', date '$3', interval '1 day') loop
        execute format('create table $1_%s partition of $1 for values from (%L) to (%L)',
          to_char(d, 'YYYYMMDD'), d::timestamp at time zone 'UTC', (d + 1)::timestamp at time zone 'UTC');
      end loop; end \$\$"
}

# policy TABLE LINE…: of daily partitions, four ahead.
policy() {
  local line
  printf 'tables:\n  - table: %s\n    key: at\n    interval: 1 day\n    premake: 4\n' "$1" >policy.yaml
  for line in "${@:2}"; do printf '    %s\n' "$line" >>policy.yaml; done
}

check() { run --separate-stderr pg-partcheck --at 2024-01-05T12:00:00Z "$@" policy.yaml; }

# The findings as `KIND SEVERITY PARTITION`, a line each.
findings() { jq -r '"\(.finding) \(.severity) \(.partition // "-")"' <<<"$output" | sort; }

assert_findings() { assert_equal "$(findings)" "$1" findings; }

@test "what is as the policy says has no findings, and twice neither" {
  make_days well 2024-01-01 2024-01-09
  policy well
  check
  assert_status 0
  assert_output ""
  check --format openmetrics
  assert_status 0
  assert_equal "$(tail -n 1 <<<"$output")" "# EOF"
  grep -qF "sluice_partition_horizon_seconds{database=\"$PGDATABASE\",schema=\"public\",table=\"well\"} 388800" <<<"$output"
  grep -qF "sluice_partition_errors{database=\"$PGDATABASE\",schema=\"public\",table=\"well\"} 0" <<<"$output"
}

@test "a horizon that is too short is a warning, and an error where less than half or nothing is left" {
  make_days short 2024-01-01 2024-01-07
  policy short
  check
  assert_status 0
  assert_findings "horizon warning -"
  assert_equal "$(jq -c '[.ranges, .wanted, .until]' <<<"$output")" '[3,5,"2024-01-08T00:00:00.000000Z"]'
  sql "drop table short_20240107"
  check
  assert_status 1
  assert_findings "horizon error -"
  sql "drop table short_20240105"
  check
  assert_status 1
  assert_equal "$(jq -r .ranges <<<"$output")" 0
}

@test "gaps of the past are found, and those that follow one another are one" {
  make_days holes 2024-01-01 2024-01-09
  sql "drop table holes_20240102, holes_20240103"
  policy holes
  check
  assert_status 0
  assert_findings "gap warning -"
  assert_equal "$(jq -c '[.from, .to, .ranges]' <<<"$output")" '["2024-01-02T00:00:00.000000Z","2024-01-04T00:00:00.000000Z",2]'
}

@test "a partition that lies across the ranges to come is an overlap" {
  make_days across 2024-01-01 2024-01-06
  sql "create table across_own partition of across for values from ('2024-01-07 00:00+00') to ('2024-01-09 12:00+00');
    create table across_rest partition of across for values from ('2024-01-09 12:00+00') to ('2024-01-10 00:00+00')"
  policy across
  check
  assert_status 0
  assert_findings "overlap warning across_own
overlap warning across_rest"
}

@test "rows in the default partition are counted, and a default that is missing is missed" {
  make_days rest 2024-01-01 2024-01-09
  sql "create table rest_others partition of rest default; insert into rest select i, '2030-01-01', '' from generate_series(1, 7) i"
  policy rest 'default: keep'
  check
  assert_status 0
  assert_findings "default_rows warning rest_others"
  assert_equal "$(jq .rows <<<"$output")" 7
  sql "insert into rest select i, '2031-01-01', '' from generate_series(1, 10500) i"
  check
  assert_equal "$(jq .rows <<<"$output")" 10000
  check --format openmetrics
  grep -qF "sluice_partition_default_rows{database=\"$PGDATABASE\",schema=\"public\",table=\"rest\"} 10000" <<<"$output"
  sql "drop table rest_others"
  check
  assert_findings "default_missing warning -"
}

@test "retention is overdue after the grace, and what is archived has twice the time" {
  make_days old 2024-01-01 2024-01-09
  policy old 'retention: 2 days' 'retire: drop'
  check --grace 100d
  assert_status 0
  assert_output ""
  check
  assert_status 1
  assert_findings "overdue error old_20240101"
  check --grace 0
  assert_findings "overdue error old_20240101
overdue error old_20240102"
  policy old 'retention: 2 days' 'retire: archive then drop'
  check
  assert_status 0
}

@test "a detach that was cut off is an error" {
  make_days pending 2024-01-01 2024-01-09
  psql -qc "begin; select count(*) from pending; select pg_sleep(60)" >/dev/null 3>&- &
  reader=$!
  eventually 10 eval '[[ $(sql "select count(*) from pg_locks where relation = '"'pending'::regclass and mode = 'AccessShareLock'"'") == 1 ]]'
  run psql -qc "set statement_timeout = 500" -c "alter table pending detach partition pending_20240102 concurrently"
  sql "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(60)%' and datname = current_database() and pid <> pg_backend_pid()" >/dev/null
  wait $reader || true
  policy pending
  check
  assert_status 1
  assert_findings "detach_pending error pending_20240102"
}

@test "tables that look like partitions are found; those of another table are not" {
  make_days events 2024-01-01 2024-01-09
  sql "create table events_20231231 (like events); create table events_audit_20240101 (like events);
    create table events_20231230 (id int); create table left_over (like events);
    alter table left_over add constraint sluice_bound check (at < '2024-01-01')"
  policy events
  check
  assert_status 0
  assert_findings "orphan warning events_20231231
orphan warning left_over"
  policy events 'retention: 1 year' 'retire: detach'
  check
  assert_findings "orphan info events_20231231
orphan warning left_over"
  sql "drop table left_over"
}

@test "partitions that have not what the newest has are found: each aspect" {
  make_days drift 2024-01-01 2024-01-09
  sql "create role drifter_$$; create publication drift_$$ for table drift_20240105;
    create index on drift_20240101 (note); grant select on drift_20240102 to public; alter table drift_20240103 owner to drifter_$$;
    alter table drift_20240104 set (fillfactor = 50); alter table drift_20240106 replica identity full"
  policy drift
  check
  assert_status 0
  assert_equal "$(jq -r 'select(.finding == "drift") | "\(.partition): \(.aspects)"' <<<"$output" | sort)" \
    "drift_20240101: indexes
drift_20240102: privileges
drift_20240103: owner, privileges
drift_20240104: storage
drift_20240105: publications
drift_20240106: replica identity"
  sql "drop publication drift_$$; drop table drift; drop role drifter_$$"
}

@test "names that lie are found; other names say nothing" {
  make_days named 2024-01-03 2024-01-09
  sql "create table named_20240111 partition of named for values from ('2024-01-01 00:00+00') to ('2024-01-02 00:00+00');
    create table named_99999999 partition of named for values from ('2024-01-02 00:00+00') to ('2024-01-03 00:00+00');
    alter table named_20240103 rename to named_2024; alter table named_20240104 rename to \"named_p2024_01_04\""
  policy named
  check
  assert_status 0
  assert_findings "name warning named_20240111"
}

@test "invalid indexes and foreign keys in the way are found" {
  make_days keyed 2024-01-01 2024-01-09
  sql "insert into keyed values (1, '2024-01-02 01:00+00', ''), (1, '2024-01-02 02:00+00', '');
    alter table keyed add primary key (id, at); create table pointing (id bigint, at timestamptz, foreign key (id, at) references keyed)"
  run psql -qc "create unique index concurrently broken on keyed_20240102 (id)"
  policy keyed 'retention: 100 years'
  check
  assert_status 0
  assert_equal "$(findings | grep -v drift)" "foreign_key warning -
invalid_index warning keyed_20240102"
  assert_equal "$(jq -r 'select(.finding == "foreign_key").detail' <<<"$output")" \
    "foreign key pointing_id_at_fkey of pointing points at it"
}

@test "tenants of the registry without partitions are errors" {
  sql "create table tenants (name text); insert into tenants values ('a'), ('A'), ('it''s \"new\"');
    create table many (who text, at timestamptz) partition by range (who, at);
    do \$\$ declare d date; w text; begin
      for d in select generate_series(date '2024-01-01', date '2024-01-09', interval '1 day') loop
        foreach w in array array['a', 'A', 'gone'] loop
          execute format('create table %I partition of many for values from (%L, %L) to (%L, %L)',
            'many_' || w || to_char(d, '_YYYYMMDD'), w, d::timestamp at time zone 'UTC', w, (d + 1)::timestamp at time zone 'UTC');
        end loop; end loop; end \$\$"
  policy many 'tenant_key: who' 'tenants: {query: "select name from tenants"}'
  check
  assert_status 1
  assert_findings "tenant error -"
  assert_equal "$(jq -r .tenant <<<"$output")" "it's \"new\""
  sql "delete from tenants where name like 'it%'; drop table \"many_A_20240109\", \"many_gone_20240109\""
  check
  assert_status 0
  assert_findings "horizon warning -"
  assert_equal "$(jq -r .tenant <<<"$output")" A
}

@test "a table that is not there or not partitioned is an error, and the others are checked" {
  make_days there 2024-01-01 2024-01-07
  sql "create table plain (at timestamptz)"
  policy there
  printf '  - {table: %s, key: at, interval: 1 day}\n' nowhere plain public.nothing >>policy.yaml
  check
  assert_status 1
  assert_findings "horizon warning -
not_partitioned error -
not_partitioned error -
not_partitioned error -"
  assert_equal "$(jq -r 'select(.finding == "not_partitioned") | "\(.schema) \(.table)"' <<<"$output" | sort | xargs)" \
    "null nowhere public nothing public plain"
}

@test "labels of metrics are escaped" {
  sql 'create table "q""uo\te" (at timestamptz) partition by range (at)'
  printf 'tables:\n  - {table: '\''"q""uo\\te"'\'', key: at, interval: 1 day}\n' | sed 's/\\\\/\\/' >policy.yaml
  check --format openmetrics
  assert_status 1
  grep -qF 'table="q\"uo\\te",finding="horizon",severity="error"} 1' <<<"$output"
}

@test "a user who owns nothing can check, and changes nothing" {
  make_days seen 2024-01-01 2024-01-07
  sql "create role looker_$$ login"
  policy seen
  PGUSER=looker_$$ check
  assert_status 0
  assert_findings "horizon warning -"
  sql "drop role looker_$$"
}

@test "what the policy lacks is 65, a server that is away 69, and wrong usage 64" {
  echo 'tables: 1' >policy.yaml
  check
  assert_status 65
  policy nothing
  PGHOST=$WORK check
  assert_status 69
  run --separate-stderr pg-partcheck
  assert_status 64
  run --separate-stderr pg-partcheck --format xml policy.yaml
  assert_status 64
}

@test "a read replica is checked like any other server" {
  load servers
  # shellcheck disable=SC2034  # clone reads it
  server=main
  server main
  PGDATABASE=postgres
  make_days copied 2024-01-01 2024-01-07
  sql "create table copied_rest partition of copied default; insert into copied values (1, '2030-01-01', '')"
  clone replica
  assert_equal "$(sql 'select pg_is_in_recovery()')" t
  policy copied
  check
  assert_status 0
  assert_findings "default_rows warning copied_rest
horizon warning -"
  stop_server replica
  remove_server replica
}

@test "tables with many partitions are checked in a moment" {
  for schema in a b; do
    sql "create schema big_$schema"
    sql "do \$\$ begin for t in 1..5 loop
        execute format('create table big_$schema.t%s (at date not null, n int) partition by range (at)', t);
        for d in 0..399 loop
          execute format('create table big_$schema.t%s_%s partition of big_$schema.t%s for values from (%L) to (%L)', t,
            to_char(date '2022-12-06' + d, 'YYYYMMDD'), t, date '2022-12-06' + d, date '2022-12-06' + d + 1);
        end loop; commit; end loop; end \$\$"
  done
  { echo tables: && printf '  - {table: big_%s, key: at, interval: 1 day, premake: 4}\n' a.t{1..5} b.t{1..5}; } >policy.yaml
  start=$(date +%s)
  check
  assert_status 0
  assert_output ""
  (($(date +%s) - start <= 3)) || fail "it took $(($(date +%s) - start)) s"
}
