# From one database into another: the snapshot, the pipelines and the comparison, on a real server. The cases of PostgreSQL's
# subscription tests are named by their numbers.
# shellcheck disable=SC2154  # run sets stderr

load support
load replicating

setup_file() { start_postgres --own --setting max_prepared_transactions=10; }

# -- the snapshot

@test "rows look as they do in the stream, by several connections, tables never analysed and empty ones too" {
  both "create table t (id int primary key, n numeric, b bool, at timestamptz, j jsonb, note text, a int[], d date, by bytea, i interval); create table none (id int)"
  at_source "create publication p for table t, none"
  at_source "select pg_create_logical_replication_slot('$slot', 'pgoutput')" >/dev/null
  at_source "insert into t select i, i / 7.0, i % 2 = 0, '2024-01-31 12:00+00'::timestamptz + i * interval '1 hour', json_build_object('i', i),
    case i % 3 when 0 then null when 1 then '' else repeat('\"x\\' || chr(10), 20) end, array[i, null], '0044-03-15 BC', '\\xff00', '1 day 02:03' from generate_series(1, 5000) i"
  changes --source "dbname=$source" --publication p --slot "$slot" --until now | jq -c 'select(.new) | .new' | sort >streamed
  snapshot -j 3 | jq -c 'select(.type == "read") | .new' | sort >rows
  assert_equal "$(wc -l <rows)" 5000
  assert_same_file rows streamed
  assert_equal "$(snapshot | jq -r .type | uniq -c | awk '{ print $1 $2 }' | xargs)" "1begin 2relation 5000read 1commit"
}

@test "row filters, lists of columns, partitions, and partitions as their root (013, 028, 031)" {
  at_source "create table t (id int primary key, secret text, n int) partition by range (id); create table t1 partition of t for values from (0) to (10);
    create table t2 (n int, id int not null, secret text, primary key (id)); alter table t attach partition t2 for values from (10) to (20);
    insert into t select i, 'hidden', i from generate_series(0, 19) i; create publication p for table t"
  assert_equal "$(snapshot | jq -r 'select(.type == "read") | "\(.table) \(.new | keys)"' | sort | uniq -c | awk '{ print $1, $2, $3 }')" '10 t1 ["id","n","secret"]
10 t2 ["id","n","secret"]'
  at_source "drop publication p; create publication p for table t (id, n) where (id % 2 = 0) with (publish_via_partition_root)"
  assert_equal "$(snapshot | jq -c 'select(.type == "read") | [.table, .new.id, .new.n, .new.secret]' | wc -l)" 10
  assert_equal "$(snapshot | jq -c 'select(.type == "read") | [.table, .new.id, .new.n, .new.secret]' | tail -n 1)" '["t",18,18,null]'
}

@test "the snapshot and the slot's stream are every change once, whatever is written meanwhile (F4)" {
  both "create table t (id bigint primary key, n int)"
  at_source "create publication p for table t"
  echo '\set id random(1, 1000000000)
    insert into t values (:id, 1) on conflict do nothing;' >insert.sql
  pgbench --no-vacuum --client 3 --time 4 --file insert.sql "$source" >/dev/null 2>&1 3>&- &
  local writer=$!
  sleep 0.5
  catch_up
  wait $writer
  catch_up
  assert_equal_sides
}

@test "a snapshot that fails leaves no slot" {
  at_source "create table t (id int primary key, note text); insert into t select i, repeat('x', 1000) from generate_series(1, 5000) i; create publication p for table t"
  run bash -c "set -o pipefail; cdc-snapshot --dbname 'dbname=$source' --publication p --slot $slot --create-slot | head -c 1000 >/dev/null"
  assert_status 141
  assert_equal "$(at_source "select count(*) from pg_replication_slots where slot_name = '$slot'")" 0
}

# -- the pipeline

@test "every kind of change arrives, and goes on where it was (001, 003, 010, 011)" {
  both "create table t (id int primary key, note text); create table full_id (a int, b text); alter table full_id replica identity full;
    create table idx (a int not null, b text); create unique index i on idx (a); alter table idx replica identity using index i;
    create table parent (id int primary key); create table child (id int primary key, p int references parent)"
  both "create table gen (id int primary key, a int, twice int generated always as (a * 2) stored)"
  at_source "insert into t select i, 'row ' || i from generate_series(1, 100) i; create publication p for all tables"
  catch_up
  assert_equal_sides
  at_source "insert into full_id values (1, null), (1, null), (2, 'x'); insert into idx values (1, 'a'), (2, 'b'); insert into parent values (1); insert into child values (1, 1);
    insert into gen (id, a) values (1, 5)"
  at_source "update t set id = id + 1000 where id % 3 = 0; delete from t where id % 5 = 0; update t set note = '' where id = 1; update t set note = null where id = 2;
    update full_id set b = 'one' where ctid = (select min(ctid) from full_id); delete from full_id where a = 2; update idx set a = 3 where a = 2; delete from idx where a = 1; update gen set a = 6"
  catch_up
  assert_equal_sides
  assert_equal "$(at_target 'select twice from gen')" 12
  at_source "truncate parent, child; truncate t"
  catch_up
  assert_equal_sides
  assert_equal "$(at_target 'select count(*) from t')" 0
}

@test "all types arrive as they were (002, 014)" {
  both "create type mood as enum ('sad', 'happy'); create domain pos as int check (value > 0); create type pair as (a int, b text)"
  both "create table t (id int primary key, c1 smallint, c2 bigint, c3 real, c4 double precision, c5 numeric, c6 money, c7 char(5), c8 varchar(9), c9 bytea, c10 timestamp, c11 timestamptz, c12 date,
    c13 time, c14 timetz, c15 interval, c16 bool, c17 mood, c18 point, c19 box, c20 inet, c21 macaddr, c22 bit(4), c23 varbit, c24 tsvector, c25 uuid, c26 $(xml), c27 json, c28 jsonb, c29 int[], c30 text[],
    c31 pair, c32 int4range, c33 pos, c34 mood[], c35 pair[], c36 jsonpath, c37 pg_lsn, c38 \"char\", c39 int4multirange, c40 name)"
  at_source "create publication p for table t"
  values="1, -32768, 9223372036854775807, 'NaN', '-Infinity', '1e-30', '1.50', 'ab', '', '\\x00ff', 'infinity', '0044-03-15 12:00 BC', '-infinity', '24:00', '01:02:03+05:30', '-1 mon +2 days', false,
    'happy', '(1,2)', '(1,2),(0,0)', '::1/64', '08:00:2b:01:02:03', '1010', '1', 'a:1 b', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '<a>é</a>', '{\"a\" :  [1,  2.0]}', '\"text\"', '{{1,NULL},{3,4}}',
    '{\"\",NULL,\"a,b\",\"q\\\"\"}', '(1,\"x y\")', '[1,5)', 7, '{sad,NULL}', '{\"(1,a)\",\"(,)\"}', '\$.a', '16/B374D848', 'z', '{[1,2),[5,9)}', 'n'"
  at_source "insert into t values ($values)"
  catch_up
  at_source "insert into t values (2${values#1}); insert into t (id) values (3); update t set c5 = 12345678901234567890.123456789 where id = 2; update t set id = 4 where id = 2"
  catch_up
  assert_equal_sides
  assert_equal "$(at_target 'select count(*) from t')" 3
}

@test "large values that an update leaves as they were stay as they were (TOAST)" {
  both "create table t (id int primary key, n int, big text); alter table t alter big set storage external"
  at_source "create publication p for table t; insert into t select i, 0, repeat(md5(i::text), 500) from generate_series(1, 20) i"
  catch_up
  at_source "update t set n = n + 1; update t set id = id + 100 where id <= 5; update t set big = null where id = 10; update t set big = '' where id = 11"
  catch_up
  assert_equal_sides
}

@test "columns in another order, more of them at the target, some dropped, and changes of the table in mid-stream (007, 008)" {
  at_source "create table t (id int primary key, gone int, a text, b int); alter table t drop column gone; create publication p for table t; insert into t values (1, 'a', 2)"
  at_target "create table t (b int, extra text default 'mine', a text, id int primary key)"
  catch_up
  at_target "alter table t add column c int"
  at_source "update t set b = 3; alter table t add column c int default 7; insert into t values (2, 'x', 4, 5); alter table t drop column b; insert into t values (3, 'y', 6)"
  at_source "alter table t rename column a to note"
  at_target "alter table t rename column a to note"
  at_source "insert into t values (4, 'z', 8)"
  run --separate-stderr catch_up
  [[ $status == 0 || $stderr == *'column'* ]] || fail "$stderr"
}

@test "transactions that the server streams, rolled back in part or whole, and prepared ones (015 to 023)" {
  both "create table t (id int primary key, note text)"
  at_source "create publication p for table t"
  catch_up
  export PGOPTIONS='-c client_min_messages=warning -c logical_decoding_work_mem=64kB'
  at_source "begin; insert into t select i, repeat('x', 100) from generate_series(1, 3000) i; savepoint a; delete from t; rollback to a; savepoint b; update t set note = 'b' where id % 2 = 0; release b; commit"
  at_source "begin; insert into t select -i, repeat('x', 100) from generate_series(1, 3000) i; rollback"
  at_source "begin; insert into t values (9001, 'prepared'); prepare transaction 'one'"
  at_source "commit prepared 'one'"
  at_source "begin; insert into t values (9002, 'prepared'); prepare transaction 'two'"
  at_source "rollback prepared 'two'"
  # Up to a position nothing comes in parts, if not asked.
  catch_up --receive-options '--streaming on'
  assert_equal_sides
  assert_equal "$(at_target 'select count(*) from t')" 3001
}

@test "what is in the way is named before anything is made: 78" {
  at_source "create table t (id int); create table u (id int primary key, more text)"
  at_target "create table u (id int primary key)"
  run --separate-stderr catch_up
  assert_status 78
  assert_equal "$(jq -r .finding <<<"$output")" publication
  at_source "create publication p for table t, u"
  run --separate-stderr catch_up
  assert_status 78
  assert_equal "$(jq -r '[.severity, .finding, .detail] | join(" ")' <<<"$output")" 'warning replica_identity t has nothing that tells its rows apart: its updates and deletes will fail at the source
error target the target lacks the column more of public.u
error target the target lacks the table public.t'
  assert_equal "$(sql_in postgres "select count(*) from pg_replication_slots where slot_name = '$slot'")" 0
}

@test "it follows until it is stopped, tells how far it is, and leaves nothing running" {
  both "create table t (id int primary key)"
  at_source "create publication p for table t"
  replicate --source "dbname=$source" --target "dbname=$target" --publication p --slot "$slot" --status-interval 200ms >records 2>errors 3>&- &
  local pid=$!
  eventually 10 at_target "select 1 from sluice.progress"
  at_source "insert into t select generate_series(1, 1000)"
  eventually 10 is_there 1000
  eventually 5 grep -q '"type":"status"' records
  kill -TERM $pid
  local status=0
  wait $pid || status=$?
  assert_equal "$status" 143
  eventually 5 nobody_left
  assert_equal "$(jq -r 'select(.type == "status") | .slot' records | uniq)" "$slot"
}

is_there() { [[ $(at_target 'select count(*) from t') == "$1" ]]; }

nobody_left() { [[ $(sql_in postgres "select count(*) from pg_stat_activity where application_name like 'cdc-%' and datname in ('$source', '$target')") == 0 ]]; }

@test "a copy that is killed leaves nothing, and begins anew; a slot that was made anew is noticed: 78" {
  both "create table t (id int primary key, note text)"
  at_source "create publication p for table t; insert into t select i, repeat('x', 500) from generate_series(1, 60000) i"
  catch_up 3>&- >/dev/null 2>&1 &
  local pid=$!
  eventually 10 slot_is_there
  pkill -9 -f "cdc-apply --dbname dbname=$target" || true
  wait $pid || true
  assert_equal "$(at_target 'select count(*) from t')" 0
  catch_up
  assert_equal_sides
  eventually 5 drop_slot "$slot"
  at_source "insert into t values (0, 'lost')"
  at_source "select pg_create_logical_replication_slot('$slot', 'pgoutput')" >/dev/null
  run --separate-stderr catch_up
  assert_status 78
  [[ $stderr == *'changes were lost'* ]] || fail "$stderr"
}

slot_is_there() { [[ -n $(sql_in postgres "select 1 from pg_replication_slots where slot_name = '$slot'") ]]; }

@test "a slot that somebody else made is left alone, and a second run at once ends: 78, 75" {
  both "create table t (id int primary key)"
  at_source "create publication p for table t"
  at_source "select pg_create_logical_replication_slot('$slot', 'pgoutput')" >/dev/null
  run --separate-stderr catch_up
  assert_status 78
  [[ $stderr == *'which this target has nothing of'* ]] || fail "$stderr"
  assert_equal "$(sql_in postgres "select plugin from pg_replication_slots where slot_name = '$slot'")" pgoutput
  eventually 5 drop_slot "$slot"
  replicate --source "dbname=$source" --target "dbname=$target" --publication p --slot "$slot" >/dev/null 2>&1 3>&- &
  local pid=$!
  eventually 10 at_target "select 1 from sluice.progress where source = '$slot'"
  run --separate-stderr catch_up
  assert_status 75
  [[ $stderr == *'another replicate is at work'* ]] || fail "$stderr"
  kill -TERM $pid
  wait $pid || true
}

@test "a target that is gone for a while is waited for, and its slot stays" {
  local other=$BATS_TEST_TMPDIR/other here port
  here=$PGHOST port=$PGPORT
  (eval "$("$SUPPORT/postgres" start "$other")" && psql -qX -d postgres -c 'create table t (id int primary key)' && echo "host=$PGHOST port=$PGPORT user=$PGUSER dbname=postgres" >conninfo)
  at_source "create table t (id int primary key); create publication p for table t"
  replicate --source "dbname=$source host=$here port=$port" --target "$(<conninfo)" --publication p --slot "$slot" >/dev/null 2>errors 3>&- &
  local pid=$!
  eventually 10 copied
  "$SUPPORT/postgres" stop "$other" --mode immediate
  at_source 'insert into t values (1)'
  sleep 2
  (eval "$("$SUPPORT/postgres" start "$other")")
  eventually 20 arrived
  kill -TERM $pid
  wait $pid || true
  "$SUPPORT/postgres" remove "$other"
  ! grep -q 'begins anew' errors || fail "$(<errors)"
}

copied() { [[ -n $(psql -qXAtd "$(<conninfo)" -c "select 1 from sluice.progress where source = '$slot'" 2>/dev/null) ]]; }

arrived() { [[ $(psql -qXAtd "$(<conninfo)" -c "select count(*) from t" 2>/dev/null) == 1 ]]; }

@test "what refers to a table at the target only is not emptied with it; heirs are no rows of their parent" {
  both "create table a (id int primary key); create table par (id int primary key); create table chi () inherits (par); alter table chi add primary key (id)"
  at_target "create table mine (id int references a)"
  at_source "insert into a values (1); insert into par values (1); insert into chi values (2); create publication p for table a, par, chi"
  catch_up
  assert_equal "$(at_target 'select count(*) from only par')" 1
  at_target 'insert into mine values (1)'
  at_source 'truncate a cascade'
  run --separate-stderr catch_up
  assert_status 65
  assert_equal "$(at_target 'select count(*) from mine')" 1
}

@test "a whole row tells rows apart where the primary key may be broken for a moment" {
  both "create table t (id int primary key deferrable initially deferred, v text); alter table t replica identity full"
  at_source "create publication p for table t; insert into t values (1, 'a'), (2, 'b'), (11, 'x'), (12, 'y')"
  catch_up
  at_source "begin; update t set id = 2 where v = 'a'; delete from t where v = 'b'; commit"
  at_source "update t set id = 23 - id where id in (11, 12)"
  catch_up
  assert_equal_sides
  assert_equal "$(at_target "select string_agg(id || v, ' ' order by id) from t")" "2a 11y 12x"
}

@test "tables that trade their names, and trade them back" {
  both "create table t (id int primary key, v text); create table u (k int primary key, w text)"
  at_source "create publication p for table t, u; insert into t values (1, 'a'); insert into u values (1, 'b')"
  catch_up
  both "alter table t rename to s"
  both "alter table u rename to t"
  at_source "update t set w = 'c'"
  catch_up
  both "alter table t rename to u"
  both "alter table s rename to t"
  at_source "update t set v = 'd'; update u set w = 'e'"
  catch_up
  assert_equal_sides
}

@test "what is acknowledged is durable, whatever the target is set to" {
  both "create table t (id int primary key)"
  at_source "create publication p for table t"
  sql_in postgres "alter database $target set synchronous_commit = off"
  at_target "create table seen (v text); create function see() returns trigger language plpgsql as 'begin insert into seen values (current_setting(''synchronous_commit'')); return null; end'"
  at_target "create trigger sees after insert on t execute function see(); alter table t enable always trigger sees"
  at_source 'insert into t values (1)'
  catch_up
  assert_equal "$(at_target 'select distinct v from seen')" on
}

@test "a prepared transaction that never came is not taken for done: 78" {
  both "create table t (id int primary key)"
  at_source "create publication p for table t"
  cdc-recv --dbname "dbname=$source" --slot "$slot" --publication p --create-slot --two-phase >/dev/null
  at_source "begin; insert into t values (1); prepare transaction 'g'"
  at_source "commit prepared 'g'"
  cdc-recv --dbname "dbname=$source" --slot "$slot" --publication p --two-phase --endpos "$(at_source 'select pg_current_wal_lsn()')" | cdc-decode >events
  cdc-apply --dbname "dbname=$target" <events >acks
  assert_equal "$(at_target 'select count(*) from t')" 1
  at_target 'truncate t, sluice.progress'
  run --separate-stderr cdc-apply --dbname "dbname=$target" < <(grep commit_prepared events)
  assert_status 78
}

# -- the comparison

@test "rows that differ, are missing or too many are named by their keys, and counted" {
  both "create table t (a int, b text, note text, primary key (a, b)); insert into t select i, 'é' || i, 'x' from generate_series(1, 50000) i; create table u (n int); insert into u values (1), (1), (null)"
  at_source "create publication p for table t"
  assert_equal_sides
  at_target "delete from t where a = 7; update t set note = null where a = 20001; insert into t values (1, 'zz', ''), (60000, 'x', 'x'); insert into u values (2)"
  run cdc-diff --source "dbname=$source" --target "dbname=$target" --table t --table u
  assert_status 1
  assert_equal "$(jq -c '[.table, .verdict, .key // .differing_rows]' <<<"$output")" '["t","missing",{"a":7,"b":"é7"}]
["t","extra",{"a":1,"b":"zz"}]
["t","differs",{"a":20001,"b":"é20001"}]
["t","extra",{"a":60000,"b":"x"}]
["t","differs",4]
["u","differs",1]'
  run cdc-diff --source "dbname=$source" --target "dbname=$target" --table t --max-rows 1
  assert_equal "$(jq -r .verdict <<<"$output" | xargs)" "missing differs"
  run --separate-stderr cdc-diff --source "dbname=$source" --target "dbname=$target" --table nowhere
  assert_status 65
}
