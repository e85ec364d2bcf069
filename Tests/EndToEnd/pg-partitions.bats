# pg-partitions lists what the catalog declares, what names say, and windows that miss nothing.

# Tests are subshells, and what they eval or hand to other shells is in single quotes.
# shellcheck disable=SC2016,SC2030,SC2031

load support
load archiving

setup_file() {
  start_postgres
  sql "create table two (id int, at timestamptz, region text) partition by list (region);
    create table two_de partition of two for values in ('de', null) partition by range (at);
    create table two_de_1 partition of two_de for values from (minvalue) to ('2024-01-01');
    create table two_de_2 partition of two_de for values from ('2024-01-01') to ('2024-02-01') partition by range (id);
    create table two_de_2_a partition of two_de_2 for values from (minvalue) to (100);
    create table two_de_2_b partition of two_de_2 for values from (100) to (maxvalue);
    create table two_de_3 partition of two_de for values from ('2024-02-01') to (maxvalue);
    create table two_us partition of two for values in ('us') partition by hash (id);
    create table two_us_0 partition of two_us for values with (modulus 2, remainder 0);
    create table two_us_1 partition of two_us for values with (modulus 2, remainder 1);
    create table two_rest partition of two default;
    create table days (d date) partition by range (d);
    create table days_1 partition of days for values from ('2024-01-30') to ('2024-01-31');
    create table days_2 partition of days for values from ('2024-01-31') to ('2024-02-01');
    create table days_3 partition of days for values from ('2024-02-01') to ('2024-02-02');
    create table days_late partition of days for values from ('2999-01-01') to ('2999-01-02');
    create table days_rest partition of days default;
    create table walls (t timestamp) partition by range (t);
    create table walls_1 partition of walls for values from ('2024-01-01 06:30:00.5') to ('2024-01-02 00:00');
    create table ids (id bigint) partition by range (id);
    create table ids_1 partition of ids for values from (-5) to (1000);
    create table ids_2 partition of ids for values from (1000) to (maxvalue);
    create schema other;
    create table other.elsewhere (d date) partition by range (d);
    create table other.elsewhere_1 partition of other.elsewhere for values from ('2024-01-01') to ('2024-01-02');
    create table calls (id int, at timestamptz, wall timestamp, day date);
    insert into calls select i, t, t at time zone 'Europe/Berlin', (t at time zone 'UTC')::date
      from (select i, timestamptz '2019-12-25 00:00+00' + i * interval '7 hours 13 minutes' as t
        from generate_series(0, 7700) i) x"
  settle
}

setup() { enter_work; }

# of TABLE EXPRESSION OPTION…: the expression of each record, a line each.
of() {
  local table=$1 expression=$2
  shift 2
  pg-partitions --table "$table" "$@" | jq -r "$expression"
}

@test "every leaf at any depth, with the bounds of the level that is cut by time" {
  assert_equal "$(of two '"\(.partition) \(.from) \(.to) \(.closed)"' --include-open --key '{partition}')" \
    "two_de_1 null 2024-01-01T00:00:00.000000Z true
two_rest null null false
two_us_0 null null false
two_us_1 null null false
two_de_2_a 2024-01-01T00:00:00.000000Z 2024-02-01T00:00:00.000000Z true
two_de_2_b 2024-01-01T00:00:00.000000Z 2024-02-01T00:00:00.000000Z true
two_de_3 2024-02-01T00:00:00.000000Z null false"
  assert_equal "$(of two '"\(.partition) \(.schema).\(.table) \(.parent) \(.bound)"' --key '{partition}' |
    grep two_de_2_a)" "two_de_2_a public.two two_de_2 FOR VALUES FROM (MINVALUE) TO (100)"
  assert_equal "$(of two_de .partition --key '{partition}' | xargs)" "two_de_1 two_de_2_a two_de_2_b"
}

@test "what is open or default is listed only when asked for" {
  assert_equal "$(of days .partition | xargs)" "days_1 days_2 days_3"
  assert_equal "$(of days .partition --include-open | xargs)" "days_rest days_1 days_2 days_3 days_late"
}

@test "A5: the first and the last day are inclusive, on the edges too" {
  assert_equal "$(of days .partition --from 2024-01-31 | xargs)" "days_2 days_3"
  assert_equal "$(of days .partition --to 2024-01-31 | xargs)" "days_1 days_2"
  assert_equal "$(of days .partition --from 2024-01-31 --to 2024-01-31)" days_2
  assert_equal "$(of days .partition --from 2024-02-02)" ""
  assert_equal "$(of two .partition --from 2024-01-31 --to 2024-01-31 --key '{partition}' | xargs)" "two_de_2_a two_de_2_b"
  assert_equal "$(of two .partition --from 2023-12-31 --to 2023-12-31 --key '{partition}')" two_de_1
  # A day of another zone begins and ends at other moments.
  assert_equal "$(of two .partition --from 2024-01-01 --to 2024-01-01 --key '{partition}' --time-zone Asia/Tokyo | xargs)" \
    "two_de_1 two_de_2_a two_de_2_b"
  run --separate-stderr pg-partitions --table days --from 2024-02-02 --to 2024-02-01
  assert_status 64
  run --separate-stderr pg-partitions --table days --from 2024-02-30
  assert_status 64
}

@test "wall clocks and integers" {
  assert_equal "$(of walls '"\(.from) \(.to) \(.key)"')" \
    "2024-01-01T06:30:00.500000 2024-01-02T00:00:00.000000 export/walls/2024/01/2024-01-01.jsonl.zst"
  assert_equal "$(of ids '"\(.from) \(.to) \(.closed) \(.key)"')" "-5 1000 false export/ids/ids_1.jsonl.zst
1000 null false export/ids/ids_2.jsonl.zst"
}

@test "the key's date is that of the zone" {
  sql "drop table if exists zoned; create table zoned (at timestamptz) partition by range (at);
    create table zoned_1 partition of zoned for values from ('2023-12-31 23:00+00') to ('2024-01-01 23:00+00')"
  assert_equal "$(of zoned .key --key '{YYYY}-{MM}-{DD}T{HH} Q{Q} {IYYY}W{IW}')" "2023-12-31T23 Q4 2023W52"
  assert_equal "$(of zoned .key --key '{YYYY}-{MM}-{DD}T{HH} Q{Q} {IYYY}W{IW}' --time-zone Europe/Berlin)" \
    "2024-01-01T00 Q1 2024W01"
  run --separate-stderr pg-partitions --table zoned --time-zone Mars/Olympus
  [[ $status != 0 && -z $output ]] || fail "a zone that does not exist is accepted"
}

@test "A3: two partitions never share a key: nothing is printed, and both are named" {
  run --separate-stderr pg-partitions --table days --key '{YYYY}-{MM}'
  assert_status 65
  assert_output ""
  assert_stderr_has days_1
  assert_stderr_has days_2
  run --separate-stderr pg-partitions --table two
  assert_status 65
  assert_output ""
  assert_stderr_has two_de_2_a
  assert_stderr_has two_de_2_b
  run --separate-stderr archive --store "$STORE" --manifest "$MANIFEST" --table days --key '{YYYY}-{MM}'
  assert_status 65
  assert_equal "$(stored_files)" ""
}

@test "tables of several schemas, on the path or not, and tables that are not there" {
  assert_equal "$(of other.elsewhere '"\(.schema) \(.partition_schema) \(.partition)"')" "other other elsewhere_1"
  run --separate-stderr pg-partitions --table elsewhere --table days --from 2024-01-31 --to 2024-01-31
  assert_status 65
  assert_stderr_has 'table elsewhere does not exist'
  assert_equal "$(jq -r .partition <<<"$output")" days_2
  assert_equal "$(PGOPTIONS='-c search_path=other' of elsewhere .partition)" elsewhere_1
  run --separate-stderr pg-partitions --table calls
  assert_status 65
  assert_stderr_has 'is not partitioned'
}

@test "what may not be read is named, and the rest is listed" {
  sql "drop role if exists lister_$$; create role lister_$$ login; grant select on days_1, days_3 to lister_$$;
    grant select on other.elsewhere_1 to lister_$$"
  run --separate-stderr env PGUSER="lister_$$" pg-partitions --table days --table other.elsewhere
  sql "drop owned by lister_$$; drop role lister_$$"
  assert_status 77
  assert_equal "$(jq -r .partition <<<"$output" | xargs)" "days_1 days_3"
  assert_stderr_has days_2
  assert_stderr_has elsewhere_1
}

@test "odd names: quotes, spaces, slashes, Unicode, 63 bytes" {
  long=$(printf 'ü%.0s' {1..31})
  sql "create schema if not exists \"my schema\";
    create table \"my schema\".\"a \"\"b\"\" / c'\" (\"at; --\" date) partition by range (\"at; --\");
    create table \"my schema\".\"..\" partition of \"my schema\".\"a \"\"b\"\" / c'\" for values from ('2024-01-01') to ('2024-01-02');
    create table \"$long\" (d date) partition by range (d);
    create table \"${long}x\" partition of \"$long\" for values from ('2024-01-01') to ('2024-01-02')"
  assert_equal "$(of "\"my schema\".\"a \"\"b\"\" / c'\"" '"\(.schema)|\(.table)|\(.partition)|\(.columns[0].name)|\(.key)"')" \
    "my schema|a \"b\" / c'|..|at; --|export/a \"b\" %2F c'/2024/01/2024-01-01.jsonl.zst"
  assert_equal "$(of "\"$long\"" .partition)" "${long}x"
  sql "insert into \"my schema\".\"a \"\"b\"\" / c'\" values ('2024-01-01')"
  settle
  archived "\"my schema\".\"a \"\"b\"\" / c'\""
  verify_all
  assert_status 0
  sql 'drop table "my schema".".."'
  run --separate-stderr restore --manifest "$MANIFEST" --partition .. --attach
  assert_status 0
  assert_equal "$(sql "select * from \"my schema\".\"a \"\"b\"\" / c'\"")" 2024-01-01
}

@test "keys that are expressions or of domains are of their types" {
  sql "create domain birthday as date; create table by_domain (d birthday) partition by range (d);
    create table by_expression (at timestamptz) partition by range (((at at time zone 'UTC')::date));
    create table by_function (at timestamp) partition by range (date_trunc('day', at))"
  for table in by_domain by_expression by_function; do
    sql "create table ${table}_1 partition of $table for values from ('2024-01-01') to ('2024-02-01');
      create table ${table}_2 partition of $table for values from ('2999-01-01') to ('2999-02-01')"
    assert_equal "$(of "$table" '"\(.partition) \(.from[:10]) \(.closed)"')" "${table}_1 2024-01-01 true"
    assert_equal "$(of "$table" .partition --from 2024-01-31 --to 2024-01-31)" "${table}_1"
    assert_equal "$(of "$table" .partition --from 2024-02-01 --to 2024-02-01)" ""
  done
}

@test "what fails of one table is told of it, and the rest is listed" {
  sql "create table hidden (d date) partition by range (d); create table hidden_1 partition of hidden for values from ('2024-01-01') to ('2024-01-02');
    alter table hidden_1 enable row level security; create policy none on hidden_1 using (false);
    create table far (d date) partition by range (d); create table far_1 partition of far for values from ('5874897-12-30') to ('5874897-12-31');
    create role looker login; grant select on all tables in schema public to looker"
  PGUSER=looker run --separate-stderr pg-partitions --table hidden --table days --count exact
  assert_status 77
  assert_equal "$(jq -r .partition <<<"$output" | xargs)" "days_1 days_2 days_3"
  assert_stderr_has '"public"."hidden_1": '
  run --separate-stderr pg-partitions --table far --table days --include-open
  assert_status 65
  assert_equal "$(jq -r .partition <<<"$output" | head -n 3 | xargs)" "days_rest days_1 days_2"
  assert_stderr_has "far: "
  psql -qc 'begin; lock table walls_1; select pg_sleep(60)' 3>&- &
  locker=$!
  eventually 10 eval '[[ $(sql "select count(*) from pg_locks where mode = '"'AccessExclusiveLock' and relation = 'walls_1'::regclass"'") == 1 ]]'
  run --separate-stderr pg-partitions --table walls --table days --statement-timeout 300ms --key '{database}/{schema}/{partition}'
  sql "select pg_terminate_backend(pid) from pg_locks where mode = 'AccessExclusiveLock' and relation = 'walls_1'::regclass" >/dev/null
  wait $locker || true
  assert_status 75
  assert_equal "$(jq -r .key <<<"$output" | xargs)" "$PGDATABASE/public/days_1 $PGDATABASE/public/days_2 $PGDATABASE/public/days_3"
  sql "drop owned by looker; drop role looker"
}

@test "names date tables that have no bounds, and only those that are dates" {
  sql "create table log_20240131 (a int); create table log_p20240201 (a int); create table log_2024_02_29 (a int);
    create table log_2024_03 (a int); create table log_20240230 (a int); create table log_2023_02_29 (a int);
    create table log_2024_13 (a int); create table log_archive (a int); create table logs_20240101 (a int);
    create table log_2024 (a int); create table log_20240131_old (a int); create table \"log_2024-01-31\" (a int);
    create view log_20240202 as select 1 as a"
  assert_equal "$(of log '"\(.table) \(.partition) \(.from) \(.to)"' --by-name)" \
    "log log_20240131 2024-01-31 2024-02-01
log log_p20240201 2024-02-01 2024-02-02
log log_2024_02_29 2024-02-29 2024-03-01
log log_2024_03 2024-03-01 2024-04-01"
  assert_equal "$(of log .partition --by-name --from 2024-03-31)" log_2024_03
  run --separate-stderr pg-partitions --table nolog --by-name
  assert_status 65
}

@test "rows are counted exactly, estimated, or not at all" {
  sql "create table counted (d date) partition by range (d);
    create table counted_1 partition of counted for values from ('2024-01-01') to ('2024-01-02') with (autovacuum_enabled = off);
    create table counted_2 partition of counted for values from ('2024-01-02') to ('2024-01-03') with (autovacuum_enabled = off);
    insert into counted select '2024-01-01' from generate_series(1, 500); analyze counted_1"
  assert_equal "$(of counted '[.rows, .rows_estimate] | tostring' --count exact | xargs)" "[500,null] [0,null]"
  assert_equal "$(of counted '[.rows, .rows_estimate] | tostring' | xargs)" "[null,500] [null,null]"
  assert_equal "$(of counted '[.rows, .rows_estimate] | tostring' --count none | xargs)" "[null,null] [null,null]"
}

@test "A13: counts are kept while they hold, and a damaged cache is an error that leaves it as it is" {
  sql "create table kept (d date) partition by range (d);
    create table kept_1 partition of kept for values from ('2024-01-01') to ('2024-01-02');
    create table kept_open partition of kept for values from ('2024-01-02') to ('2999-01-02');
    insert into kept values ('2024-01-01'), ('2024-01-03')"
  settle
  cached() { of kept '"\(.partition)=\(.rows)"' --count exact --count-cache "$WORK/cache" --include-open "$@" | xargs; }
  assert_equal "$(cached)" "kept_1=1 kept_open=1"
  assert_equal "$(jq -r .partition "$WORK/cache" | wc -l)" 1
  # What the cache says is believed, but not of an open partition.
  sed -i 's/"rows":1/"rows":777/' "$WORK/cache"
  assert_equal "$(cached)" "kept_1=777 kept_open=1"
  assert_equal "$(cached --count-ttl 1ms)" "kept_1=1 kept_open=1"
  sed -i 's/"rows":1/"rows":777/' "$WORK/cache"
  change "insert into kept values ('2024-01-01')"
  assert_equal "$(cached)" "kept_1=2 kept_open=1"
  size=$(stat -c %s "$WORK/cache")
  for cut in 1 10 $((size - 1)); do
    head -c "$cut" "$WORK/cache" >"$WORK/torn"
    cp "$WORK/torn" "$WORK/torn.before"
    run --separate-stderr pg-partitions --table kept --count exact --count-cache "$WORK/torn"
    assert_status 65
    assert_output ""
    assert_same_file "$WORK/torn" "$WORK/torn.before"
  done
}

@test "the fingerprint stays when rows are read or vacuumed, and changes when they may have changed" {
  change "create table print (id int, t text, d date) partition by range (d);
    create table print_1 partition of print for values from ('2024-01-01') to ('2024-01-02') with (autovacuum_enabled = off);
    create table print_2 partition of print for values from ('2024-01-02') to ('2024-01-03') with (autovacuum_enabled = off);
    insert into print select i, 'x', date '2024-01-01' + i % 2 from generate_series(1, 100) i"
  first=$(of print .fingerprint)
  for harmless in "select count(*) from print" "vacuum print_1" "vacuum (analyze, freeze) print_1" \
    "create index on print_1 (id)" "comment on table print_1 is 'x'" "begin; select * from print for share; rollback"; do
    change "$harmless"
    assert_equal "$(of print .fingerprint)" "$first" "fingerprint after $harmless"
  done
  last=$first
  for change in "update print_1 set t = 'y' where id = 2" "insert into print_1 values (200, 'z', '2024-01-01')" \
    "delete from print_1 where id = 200" "alter table print_1 add column extra int" "truncate print_1" \
    "insert into print_1 select i, 'x', '2024-01-01' from generate_series(2, 100, 2) i" "vacuum full print_1"; do
    if [[ $change == alter* ]]; then change="alter table print add column extra int"; fi
    change "$change"
    now=$(of print .fingerprint)
    [[ $(head -n 1 <<<"$now") != $(head -n 1 <<<"$last") ]] || fail "not noticed: $change"
    if [[ $change != *"table print add"* ]]; then assert_equal "$(tail -n 1 <<<"$now")" "$(tail -n 1 <<<"$last")" other; fi
    last=$now
  done
}

@test "an upper bound with further key columns includes its first value" {
  sql "create table several (d date, id int) partition by range (d, id);
    create table several_1 partition of several for values from ('2024-06-01', minvalue) to ('2024-06-01', 1000);
    create table several_2 partition of several for values from ('2024-06-01', 1000) to ('2024-06-02', minvalue);
    create table several_3 partition of several for values from (current_date, minvalue) to (current_date, 1000)"
  assert_equal "$(pg-partitions --table several --from 2024-06-01 --to 2024-06-01 --key '{partition}' | jq -r '"\(.partition) \(.to)"' | xargs)" \
    "several_1 2024-06-02 several_2 2024-06-02"
  assert_equal "$(pg-partitions --table several --key '{partition}' --include-open | jq -r 'select(.partition == "several_3") | .closed')" false
}

@test "partitions are not listed under a snapshot" {
  run --separate-stderr env SLUICE_SNAPSHOT=00000003-00000001-1 pg-partitions --table several
  assert_status 64
  assert_stderr_has snapshot
}

@test "bounds before the first year are written as in ISO 8601" {
  sql "create table bc (d date) partition by range (d);
    create table bc_1 partition of bc for values from ('0044-03-15 BC') to ('0043-01-01 BC');
    create table bc_2 partition of bc for values from ('0001-03-15 BC') to ('0001-01-01')"
  assert_equal "$(pg-partitions --table bc | jq -r '"\(.from) \(.to)"' | sort)" "-0043-03-15 -0042-01-01
0000-03-15 0001-01-01"
}
