# pg-extract-jsonl prints what row_to_json prints.

load support

setup_file() {
  start_postgres
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --file "$REPO/Tests/EndToEnd/types.sql"
  sql "create table numbers as select i as id, md5(i::text) as text, case when i % 3 = 0 then i end as maybe
    from generate_series(1, 60000) i; create table nothing (a int); create table bare ();
    insert into bare default values; insert into bare default values"
}

# What the server itself makes of the rows; only line breaks inside json are its caller's to replace.
oracle() {
  psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 --command \
    "set timezone = 'UTC'; set lc_monetary = 'C'; set bytea_output = 'hex'; set extra_float_digits = 1; set search_path = '';
     select translate(row_to_json(t)::text, e'\n\r', '  ') from public.$1 t"
}

@test "every type gives what row_to_json gives" {
  oracle zoo >"$SCRATCH/oracle"
  pg-extract-jsonl --relation zoo >"$SCRATCH/ours"
  assert_same_file "$SCRATCH/ours" "$SCRATCH/oracle"
  assert_equal "$(wc -l <"$SCRATCH/ours")" 5
}

@test "settings of the user, the database or the environment change nothing" {
  pg-extract-jsonl --relation zoo >"$SCRATCH/before"
  sql "alter database $PGDATABASE set datestyle = 'German'; alter database $PGDATABASE set timezone = 'Asia/Tokyo';
    alter database $PGDATABASE set intervalstyle = 'iso_8601'; alter database $PGDATABASE set extra_float_digits = -5;
    alter database $PGDATABASE set bytea_output = 'escape'; alter database $PGDATABASE set client_encoding = 'LATIN1'"
  PGTZ=America/New_York PGDATESTYLE='SQL, DMY' pg-extract-jsonl --relation zoo >"$SCRATCH/after"
  for setting in datestyle timezone intervalstyle extra_float_digits bytea_output client_encoding; do
    sql "alter database $PGDATABASE reset $setting"
  done
  assert_same_file "$SCRATCH/after" "$SCRATCH/before"
}

@test "extension types with a cast to json are embedded" {
  if [[ ${SLUICE_PG_VERSION:-15} != 15 ]]; then skip "these servers come without contrib"; fi
  sql "create extension if not exists hstore; drop table if exists pairs;
    create table pairs as select 'a=>1,b=>NULL'::hstore as h, array['c=>2'::hstore] as list"
  oracle pairs >"$SCRATCH/oracle"
  pg-extract-jsonl --relation pairs >"$SCRATCH/ours"
  assert_same_file "$SCRATCH/ours" "$SCRATCH/oracle"
}

@test "several connections give what row_to_json gives, of every type and with a condition" {
  sql "create table herd as select z.* from zoo z, generate_series(1, 400) n where z.id < 5 or n < 5"
  oracle herd >"$SCRATCH/oracle"
  for jobs in 1 3; do
    pg-extract-jsonl --relation herd -j "$jobs" >"$SCRATCH/ours"
    assert_same_file "$SCRATCH/ours" "$SCRATCH/oracle"
  done
  record='{"type":"partition","partition_schema":"public","partition":"herd","where":"id <> 5"}'
  pg-extract-jsonl --record "$record" -j 3 >"$SCRATCH/ours"
  assert_same_file "$SCRATCH/ours" <(grep -v '^{"id":5,' "$SCRATCH/oracle")
  sql "drop table herd"
}

# A server that may work in parallel, or by an index, does so here whatever that costs.
@test "rows come in the same order each time, whatever plans the server may make" {
  sql "create table ordered as select i as id, i % 10 as k, array[i] as list from generate_series(1, 200000) i;
    create index on ordered (k); create index on ordered (id desc)"
  sql "vacuum analyze ordered"
  eager='-c parallel_setup_cost=0 -c parallel_tuple_cost=0 -c min_parallel_table_scan_size=0 -c random_page_cost=0'
  pg-extract-jsonl --relation ordered >"$SCRATCH/all"
  for _ in 1 2 3; do
    PGOPTIONS=$eager pg-extract-jsonl --relation ordered | cmp - "$SCRATCH/all"
    PGOPTIONS=$eager pg-extract-jsonl --relation ordered -j 2 --where 'k = 5' | cmp - <(grep '"k":5,' "$SCRATCH/all")
    PGOPTIONS="$eager -c enable_indexscan=off -c enable_bitmapscan=off" pg-extract-jsonl --relation ordered --where 'k = 5' |
      cmp - <(grep '"k":5,' "$SCRATCH/all")
  done
}

@test "a role with so many connections: -j N takes N, and one too many is temporary: 75" {
  sql "create role few login connection limit 3; grant select on numbers to few"
  PGUSER=few pg-extract-jsonl --relation numbers -j 3 | cmp - <(pg-extract-jsonl --relation numbers)
  PGUSER=few run --separate-stderr pg-extract-jsonl --relation numbers -j 4
  assert_status 75
  sql "drop owned by few; drop role few"
}

@test "the right to read a column is enough to read it" {
  sql "create role peeper login; grant select (id) on numbers to peeper"
  assert_equal "$(PGUSER=peeper pg-extract-jsonl --relation numbers --columns id --where 'id < 3' | wc -l)" 2
  PGUSER=peeper run --separate-stderr pg-extract-jsonl --relation numbers
  assert_status 77
  sql "drop owned by peeper; drop role peeper"
}

@test "the progress of several connections is that of all of them" {
  SLUICE_JOB=$SCRATCH/progress pg-extract-jsonl --relation numbers -j 3 >/dev/null
  jq -s -e '[.[] | select(.rows) | .rows] | . == sort and last == 60000' "$SCRATCH/progress" >/dev/null
}

@test "several connections give the same bytes as one" {
  pg-extract-jsonl --relation numbers >"$SCRATCH/one"
  for jobs in 2 3 7; do
    pg-extract-jsonl --relation numbers -j "$jobs" >"$SCRATCH/many"
    assert_same_file "$SCRATCH/many" "$SCRATCH/one"
  done
  oracle numbers >"$SCRATCH/oracle"
  assert_same_file "$SCRATCH/one" "$SCRATCH/oracle"
}

@test "empty tables, tables without columns and views" {
  assert_equal "$(pg-extract-jsonl --relation nothing | wc -c)" 0
  assert_equal "$(pg-extract-jsonl --relation bare)" $'{}\n{}'
  sql "create or replace view v as select id, maybe from numbers where id <= 3"
  assert_equal "$(pg-extract-jsonl --relation v -j 4)" \
    $'{"id":1,"maybe":null}\n{"id":2,"maybe":null}\n{"id":3,"maybe":3}'
}

@test "columns are chosen, left out and ordered" {
  assert_equal "$(pg-extract-jsonl --relation numbers --columns 'maybe, "id"' --where 'id = 3')" '{"maybe":3,"id":3}'
  assert_equal "$(pg-extract-jsonl --relation numbers --exclude-columns text --where 'id = 1')" '{"id":1,"maybe":null}'
  assert_equal "$(pg-extract-jsonl --relation numbers --columns id --where 'id < 3' --order-by 'id desc' --quote-numbers)" \
    $'{"id":"2"}\n{"id":"1"}'
  assert_equal "$(pg-extract-jsonl --relation numbers --columns id --where 'id = 5 -- a comment')" '{"id":5}'
  # Names are bytes: these two look the same.
  apart=$'e\u0301'
  sql "create table accents as select 1 as \"é\", 2 as \"$apart\""
  assert_equal "$(pg-extract-jsonl --relation accents --columns "\"$apart\"")" "{\"$apart\":2}"
  assert_equal "$(pg-extract-jsonl --relation accents --exclude-columns "\"$apart\"")" '{"é":1}'
  run --separate-stderr pg-extract-jsonl --relation numbers --columns nope
  assert_status 65
  assert_stderr_has 'column "nope"'
}

@test "a record says what to read, on standard input or as an option" {
  record='{"type":"partition","partition_schema":"public","partition":"numbers","where":"id <= 2"}'
  assert_equal "$(pg-extract-jsonl <<<"$record" | wc -l)" 2
  assert_equal "$(pg-extract-jsonl --record "$record" </dev/null | wc -l)" 2
  run --separate-stderr pg-extract-jsonl --record '{"type":"partition","partition":"numbers","partition_schema":"public","columns":[{"name":"id","type":"bigint"}]}'
  assert_status 65
  assert_stderr_has 'not those of the record'
  run --separate-stderr pg-extract-jsonl <<<'{"a":1} x'
  assert_status 65
  assert_stderr_has 'line 1'
  run --separate-stderr pg-extract-jsonl </dev/null
  assert_status 65
}

@test "what cannot be read is an error, and rows that a policy hides are too" {
  sql "drop role if exists nobody_$$; create role nobody_$$ login; drop table if exists hidden;
    create table hidden (a int); insert into hidden values (1); grant select on hidden to nobody_$$;
    alter table hidden enable row level security"
  run --separate-stderr env PGUSER="nobody_$$" pg-extract-jsonl --relation numbers
  assert_status 77
  run --separate-stderr env PGUSER="nobody_$$" pg-extract-jsonl --relation hidden
  assert_status 77
  run --separate-stderr pg-extract-jsonl --relation nope
  assert_status 65
  run --separate-stderr pg-extract-jsonl --relation numbers --where 'nope = 1'
  assert_status 65
  run --separate-stderr env PGHOST=/nonexistent pg-extract-jsonl --relation numbers
  assert_status 69
  run --separate-stderr pg-extract-jsonl --relation numbers --where 'pg_sleep(5) is null' --statement-timeout 50ms
  assert_status 75
  sql "drop owned by nobody_$$; drop role nobody_$$"
}

@test "usage errors come before any connection" {
  for words in '--jobs 0' '--relation a --record {}' '--where x' '--order-by a -j 2 --relation a' '--snapshot 1;x' '--columns a, ' 'operand'; do
    # shellcheck disable=SC2086  # several words
    run --separate-stderr env PGHOST=/nonexistent pg-extract-jsonl $words
    assert_status 64
  done
}

@test "the job log has start and done with rows, bytes and digest" {
  SLUICE_JOB=$SCRATCH/job pg-extract-jsonl --relation numbers >"$SCRATCH/out"
  digest=$(sha256sum <"$SCRATCH/out")
  assert_equal "$(jq -r 'select(.type == "done") | "\(.rows) \(.out_bytes) \(.out_sha256)"' "$SCRATCH/job")" \
    "60000 $(wc -c <"$SCRATCH/out") ${digest%% *}"
  rm "$SCRATCH/job"
  run env SLUICE_JOB="$SCRATCH/job" bash -c 'pg-extract-jsonl --relation numbers >/dev/full'
  assert_status 74
  assert_equal "$(jq -r .type "$SCRATCH/job" | tail -n 1)" failed
}

sessions_are() {
  [[ $(sql "select count(*) from pg_stat_activity where application_name = 'pg-extract-jsonl'
    and datname = current_database() $2") == "$1" ]]
}

@test "the reader goes away: 141; SIGTERM: 143, and the statement ends" {
  # shellcheck disable=SC2016  # the inner shell expands it
  run bash -c 'pg-extract-jsonl --relation numbers | head -n 1 >/dev/null; exit "${PIPESTATUS[0]}"'
  assert_status 141
  pg-extract-jsonl --relation numbers --where "pg_sleep(30) is null" >/dev/null 3>&- &
  pid=$!
  eventually 5 sessions_are 1 "and state = 'active'"
  kill -TERM $pid
  status=0
  wait $pid || status=$?
  assert_equal "$status" 143
  eventually 5 sessions_are 0 ''
}

@test "memory stays bounded, whatever the number of rows" {
  sql "create table if not exists wide as select i, repeat(md5(i::text), 30) as t from generate_series(1, 150000) i"
  for jobs in 1 3; do
    peak=$(/usr/bin/time -f %M pg-extract-jsonl --relation wide -j "$jobs" 2>&1 >/dev/null)
    limit=$((65536 + (jobs - 1) * 32768))
    [[ $peak -le $limit ]] || fail "$peak KiB with $jobs connections, more than $limit"
  done
}

@test "a snapshot is one moment" {
  sql "drop table if exists instant; create table instant as select 1 as id"
  pg-snapshot -- bash -c "
    psql -qc 'insert into instant values (2)'
    pg-extract-jsonl --relation instant
    pg-extract-jsonl --relation instant -j 2" >"$SCRATCH/out"
  assert_equal "$(cat "$SCRATCH/out")" $'{"id":1}\n{"id":1}'
}

@test "the rows of heirs are read too, as row_to_json does" {
  sql "create table forebear (a int); create table heir (b int) inherits (forebear);
    insert into forebear values (1); insert into heir values (2, 3)"
  for options in '' '-j 2' '--where true'; do
    # shellcheck disable=SC2086  # several words
    assert_equal "$(pg-extract-jsonl --relation forebear $options | sort)" $'{"a":1}\n{"a":2}'
  done
}

@test "numbers as strings, those within arrays and composites too; documents as they are" {
  sql "create type couple as (a numeric, b text); create table quoted as select 1.50 as n, array[9007199254740993, null, -1] as l,
    row(12345678901234567890.5, 'say \"1\" \\ 2')::couple as c, '{\"a\":[1]}'::jsonb as d, 'NaN'::float8 as f, array[row(2,'x')::couple] as cs"
  assert_equal "$(pg-extract-jsonl --relation quoted --quote-numbers)" \
    '{"n":"1.50","l":["9007199254740993",null,"-1"],"c":{"a":"12345678901234567890.5","b":"say \"1\" \\ 2"},"d":{"a": [1]},"f":"NaN","cs":[{"a":"2","b":"x"}]}'
  sql "create table quoted_back (like quoted)"
  pg-extract-jsonl --relation quoted --quote-numbers | pg-load-jsonl --relation quoted_back >/dev/null
  assert_equal "$(pg-extract-jsonl --relation quoted_back)" "$(pg-extract-jsonl --relation quoted)"
}

@test "a record whose members are not what they should be is not passed over: 65" {
  base='{"type":"partition","partition_schema":"public","partition":"numbers"}'
  for change in '.where = ["id < 5"]' '.columns = {}' '.partition = 1' '.partition_schema = []'; do
    run --separate-stderr pg-extract-jsonl --record "$(jq -c "$change" <<<"$base")"
    assert_status 65
    assert_equal "$output" ""
  done
  run --separate-stderr pg-load-jsonl --record "$(jq -c '.rows = "7"' <<<"$base")" <<<'{"id":1,"text":"","maybe":null}'
  assert_status 65
  jq -c '.where = null' <<<"$base" >"$SCRATCH/record"
  assert_equal "$(pg-extract-jsonl --record "@$SCRATCH/record" | wc -l)" 60000
  run --separate-stderr pg-extract-jsonl --record "@$SCRATCH/none"
  assert_status 74
}

@test "types of records are those of one search path, whoever listed them" {
  sql "create schema app; create schema decoy; create type app.feeling as enum ('x'); create type decoy.feeling as enum ('x');
    create table felt (d date, f app.feeling, l app.feeling[]) partition by range (d);
    create table felt_1 partition of felt for values from ('2024-01-01') to ('2024-01-02');
    insert into felt values ('2024-01-01', 'x', '{x}')"
  PGOPTIONS='-c search_path=app,public' pg-partitions --table felt >"$SCRATCH/record"
  assert_equal "$(jq -c '[.columns[].type]' "$SCRATCH/record")" '["date","app.feeling","app.feeling[]"]'
  pg-extract-jsonl --record "@$SCRATCH/record" >"$SCRATCH/rows"
  sql "drop table felt"
  PGOPTIONS='-c search_path=decoy,public' pg-load-jsonl --record "@$SCRATCH/record" --create <"$SCRATCH/rows" >/dev/null
  assert_equal "$(sql "select pg_typeof(f) from felt_1")" app.feeling
}

@test "a condition cannot become another statement" {
  sql "create table victim (a int)"
  record=$(jq -nc '{type: "partition", partition_schema: "public", partition: "victim",
    where: "true\n)) TO STDOUT; COMMIT; DROP TABLE victim; COMMIT; COPY (SELECT 1 WHERE (true"}')
  run --separate-stderr pg-extract-jsonl --record "$record"
  assert_status 65
  assert_equal "$(sql "select count(*) from victim")" 0
}

@test "a table that was truncated after the snapshot is not taken for an empty one" {
  sql "create table emptied as select generate_series(1, 10) as a"
  for jobs in 1 2; do
    # shellcheck disable=SC2016  # the inner shell expands it
    run --separate-stderr pg-snapshot -- bash -c 'psql -qc "begin; create table kept as table emptied; truncate emptied; insert into emptied table kept; drop table kept; commit" &&
      pg-extract-jsonl --relation emptied -j "$1"' - "$jobs"
    assert_status 75
    assert_equal "$output" ""
    assert_equal "$(pg-extract-jsonl --relation emptied | wc -l)" 10
  done
}

@test "partitions that came or went after the snapshot, and a view that was refreshed: 75" {
  sql "create table moving (d int) partition by list (d); create table moving_1 partition of moving for values in (1);
    create table moving_2 partition of moving for values in (2); create table moving_3 (d int); insert into moving_3 values (3);
    insert into moving values (1), (2); create materialized view shown as table moving"
  for change in 'alter table moving detach partition moving_1' 'alter table moving attach partition moving_3 for values in (3)'; do
    # shellcheck disable=SC2016  # the inner shell expands it
    run --separate-stderr pg-snapshot -- bash -c 'psql -qc "$1" && pg-extract-jsonl --relation moving' - "$change"
    assert_status 75
    assert_equal "$output" ""
  done
  assert_equal "$(pg-extract-jsonl --relation moving | sort | xargs)" "{d:2} {d:3}"
  run --separate-stderr pg-snapshot -- bash -c 'psql -qc "refresh materialized view shown" && pg-extract-jsonl --relation shown'
  assert_status 75
  assert_equal "$output" ""
  assert_equal "$(pg-extract-jsonl --relation shown | sort | xargs)" "{d:2} {d:3}"
  # shellcheck disable=SC2016  # the inner shell expands it
  assert_equal "$(pg-snapshot -- sh -c 'pg-extract-jsonl --snapshot "$SLUICE_SNAPSHOT" --relation shown | wc -l')" 2
}

@test "a detach that is pending keeps nobody from reading the rest" {
  sql "create table halfway (d int) partition by list (d); create table halfway_1 partition of halfway for values in (1);
    create table halfway_2 partition of halfway for values in (2); insert into halfway values (1), (2)"
  psql -qc 'begin; table halfway; select pg_sleep(60)' >/dev/null 2>&1 3>&- &
  reader=$!
  # shellcheck disable=SC2016  # eval expands it
  eventually 10 eval '[[ $(sql "select count(*) from pg_stat_activity where datname = current_database() and wait_event = '"'PgSleep'"'") == 1 ]]'
  run psql -qc "set statement_timeout = 500" -c "alter table halfway detach partition halfway_1 concurrently"
  sql "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'" >/dev/null
  wait $reader || true
  assert_equal "$(sql "select inhdetachpending from pg_inherits where inhrelid = 'halfway_1'::regclass")" t
  assert_equal "$(pg-extract-jsonl --relation halfway)" '{"d":2}'
}

@test "what one connection reads it may read by an index, however many there may be" {
  sql "create table looked (id int primary key, note text); insert into looked select i, 'n' from generate_series(1, 3000) i;
    create view looking as select a.id, b.note from looked a, lateral (select note from looked b where b.id = a.id offset 0) b"
  sql "vacuum analyze looked"
  pg-extract-jsonl --relation looking -j 2 | wc -l | grep -qx 3000
  # shellcheck disable=SC2016  # eval expands it
  eventually 10 eval '[[ $(sql "select idx_scan from pg_stat_user_tables where relname = '"'looked'"'") -ge 3000 ]]'
}

@test "SIGTERM ends several connections too while their reader stands still" {
  mkfifo "$SCRATCH/stalled"
  # shellcheck disable=SC2217  # it holds the FIFO open and does not read
  sleep 60 <"$SCRATCH/stalled" 3>&- &
  sleeper=$!
  pg-extract-jsonl --relation numbers -j 3 >"$SCRATCH/stalled" 3>&- &
  pid=$!
  sleep 0.5
  kill -TERM $pid
  status=0
  wait $pid || status=$?
  kill $sleeper
  assert_equal "$status" 143
}

@test "closed standard streams are errors, and never the connection" {
  run --separate-stderr bash -c 'pg-extract-jsonl --relation numbers >&-'
  assert_status 74
  run --separate-stderr bash -c 'pg-load-jsonl --relation numbers <&-'
  assert_status 74
  assert_equal "$(sql "select count(*) from numbers")" 60000
}

@test "a connection string that cannot be read is not quoted" {
  run --separate-stderr pg-extract-jsonl --relation numbers -d 'postgresql://u:s3cr3t@[bad/db'
  assert_status 64
  # shellcheck disable=SC2154  # run sets it
  [[ $stderr != *s3cr3t* ]]
}

@test "a connection string that is none: 64" {
  for string in 'postgresql://?foo' 'host=/nope foo=bar' "host='x"; do
    run --separate-stderr pg-extract-jsonl --relation numbers -d "$string foo"
    assert_status 64
  done
}

@test "what a database is set to changes no value, there or back" {
  sql "create schema b; create table b.t1 (); create table named (c regclass, a text[]); insert into named values ('b.t1', array['a', null]);
    alter database $PGDATABASE set search_path = b, public; alter database $PGDATABASE set array_nulls = off;
    alter database $PGDATABASE set quote_all_identifiers = on"
  assert_equal "$(pg-extract-jsonl --relation public.named)" '{"c":"b.t1","a":["a",null]}'
  pg-extract-jsonl --relation public.named >"$SCRATCH/named"
  sql "truncate public.named"
  pg-load-jsonl --relation public.named <"$SCRATCH/named" >/dev/null
  assert_equal "$(sql "select c = 'b.t1'::regclass, a[2] is null from public.named")" "t|t"
  sql "alter database $PGDATABASE reset all"
}
