# Applying change events: every statement as it was made, each transaction once.

# Each test counts positions for itself.
# shellcheck disable=SC2030,SC2031

load support

setup_file() { start_postgres --own --setting max_prepared_transactions=5; }

setup() {
  EVENTS=$BATS_TEST_TMPDIR/events
  LSN=16
  : >"$EVENTS"
  sql "drop schema if exists sluice, other cascade; drop schema public cascade; create schema public;
       create table t (id bigint primary key, note text, doc jsonb)" 2>/dev/null
}

# -- events, written as the decoder writes them

event() { printf '%s\n' "$@" >>"$EVENTS"; }

position() { printf '0/%X' "$LSN"; }

begin() {
  LSN=$((LSN + 16))
  event "{\"type\":\"begin\",\"xid\":$LSN,\"lsn\":\"$(position)\",\"committed_at\":\"2026-01-31T10:00:00.000000Z\"}"
}

commit() {
  local lsn
  lsn=$(position)
  LSN=$((LSN + 8))
  event "{\"type\":\"commit\",\"xid\":$((LSN - 8)),\"lsn\":\"$lsn\",\"end_lsn\":\"$(position)\"}"
}

# relation TABLE IDENTITY COLUMN… with a column as NAME:TYPE, or NAME:TYPE:key
relation() {
  local column columns=() name type key table=$1 identity=$2
  shift 2
  for column in "$@"; do
    IFS=: read -r name type key <<<"$column"
    columns+=("{\"name\":$(quoted "$name"),\"type\":\"$type\",\"key\":$([[ $key == key ]] && echo true || echo false)}")
  done
  event "{\"type\":\"relation\",\"schema\":\"public\",\"table\":$(quoted "$table"),\"identity\":\"$identity\",\"columns\":[$(IFS=, && echo "${columns[*]}")]}"
}

relation_t() { relation t default id:bigint:key note:text doc:jsonb; }

# change TYPE TABLE MEMBERS
change() { event "{\"type\":\"$1\",\"schema\":\"public\",\"table\":$(quoted "$2"),\"lsn\":\"$(position)\",$3}"; }

# A process for each of thousands of names takes its time.
quoted() { if [[ $1 == +([a-z0-9_]) ]]; then echo "\"$1\""; else jq -n --arg text "$1" '$text'; fi; }

# transaction CHANGE…: a whole one, each change as "TYPE TABLE MEMBERS".
transaction() {
  local line type table members
  begin
  for line in "$@"; do
    read -r type table members <<<"$line"
    change "$type" "$table" "$members"
  done
  commit
}

apply() { run --separate-stderr timeout 60 cdc-apply "$@" <"$EVENTS"; }

apply_well() {
  apply "$@"
  assert_status 0
}

rows() { sql "select row_to_json(t) from t order by id"; }

has_rows() { [[ $(sql "select count(*) from t") == "$1" ]]; }

# -- statements

@test "inserts, updates and deletes do what they say" {
  relation_t
  transaction 'insert t "new":{"id":1,"note":"one","doc":{"a":[1, 2]}}' \
    'insert t "new":{"id":2,"note":"two","doc":null}' 'insert t "new":{"id":3,"note":"three","doc":"s"}'
  transaction 'update t "new":{"id":2,"note":"zwei","doc":[true]}' 'delete t "old":{"id":3}'
  apply_well
  assert_equal "$(rows)" '{"id":1,"note":"one","doc":{"a": [1, 2]}}
{"id":2,"note":"zwei","doc":[true]}'
  assert_output "{\"type\":\"ack\",\"lsn\":\"$(position)\"}"
}

@test "NULL, the empty string and what is unchanged stay apart" {
  relation_t
  transaction 'insert t "new":{"id":1,"note":"","doc":{"k":1}}' 'insert t "new":{"id":2,"note":null,"doc":"text"}' \
    'insert t "new":{"id":3,"note":"\\N","doc":{"k":3}}' 'insert t "new":{"id":4,"note":"a\tb\\c\nd\u00e9\ud83d\ude00","doc":null}'
  transaction 'update t "new":{"id":1,"note":null},"unchanged":["doc"]' 'update t "new":{"id":3,"doc":{"k":4}},"unchanged":["note"]'
  apply_well
  assert_equal "$(rows)" '{"id":1,"note":null,"doc":{"k": 1}}
{"id":2,"note":null,"doc":"text"}
{"id":3,"note":"\\N","doc":{"k": 4}}
{"id":4,"note":"a\tb\\c\ndé😀","doc":null}'
}

@test "a row that is changed again and again in one batch ends as the last change says" {
  relation_t
  transaction 'insert t "new":{"id":1,"note":"a","doc":null}' 'update t "new":{"id":1,"note":"b","doc":null}' \
    'delete t "old":{"id":1}' 'insert t "new":{"id":1,"note":"c","doc":null}' 'update t "new":{"id":1,"note":"d","doc":null}'
  transaction 'update t "new":{"id":1,"note":"e","doc":null}' 'insert t "new":{"id":2,"note":"x","doc":null}'
  transaction 'delete t "old":{"id":2}'
  apply_well
  assert_equal "$(rows)" '{"id":1,"note":"e","doc":null}'
  [[ -z $stderr ]] || fail "there were warnings"
}

@test "rows with other columns do not lose their place" {
  relation_t
  transaction 'insert t "new":{"id":1,"note":"a","doc":null}' 'insert t "new":{"id":2,"note":"b"}' \
    'update t "new":{"id":2,"note":"c","doc":null}' 'insert t "new":{"id":3}' 'delete t "old":{"id":3}'
  transaction 'update t "new":{"id":1,"note":"d"},"unchanged":["doc"]' 'update t "new":{"id":1,"doc":{}},"unchanged":["note"]'
  apply_well
  assert_equal "$(rows)" '{"id":1,"note":"d","doc":{}}
{"id":2,"note":"c","doc":null}'
  [[ -z $stderr ]] || fail "there were warnings"
}

@test "a key that comes again and again is in order where triggers fire, too" {
  relation_t
  transaction 'insert t "new":{"id":1,"note":"a","doc":null}' 'insert t "new":{"id":2,"note":"a","doc":null}' \
    'update t "new":{"id":1,"note":"b","doc":null}' 'update t "new":{"id":2,"note":"b","doc":null}' \
    'update t "new":{"id":1,"note":"c","doc":null}' 'update t "new":{"id":2,"note":"c","doc":null}'
  apply_well --fire-triggers
  assert_equal "$(sql "select id, note from t order by id")" '1|c
2|c'
}

@test "keys change, also in a chain and to one that was just freed" {
  relation_t
  transaction 'insert t "new":{"id":1,"note":"a","doc":null}' 'insert t "new":{"id":2,"note":"b","doc":null}'
  transaction 'update t "old":{"id":2},"new":{"id":3,"note":"b","doc":null}' \
    'update t "old":{"id":1},"new":{"id":2,"note":"a","doc":null}' 'update t "old":{"id":3},"new":{"id":4},"unchanged":["note","doc"]'
  apply_well
  assert_equal "$(sql "select id, note from t order by id")" '2|a
4|b'
}

@test "a unique value moves from row to row within a batch" {
  sql "create unique index on t (note)"
  relation_t
  transaction 'insert t "new":{"id":1,"note":"a","doc":null}' 'insert t "new":{"id":2,"note":"b","doc":null}'
  transaction 'update t "new":{"id":1,"note":"c","doc":null}' 'update t "new":{"id":2,"note":"a","doc":null}' \
    'insert t "new":{"id":3,"note":"b","doc":null}' 'update t "new":{"id":1,"note":"d","doc":null}' \
    'delete t "old":{"id":3}' 'update t "new":{"id":2,"note":"b","doc":null}' 'update t "new":{"id":1,"note":"a","doc":null}'
  apply_well
  assert_equal "$(sql "select id, note from t order by id")" '1|a
2|b'
}

@test "whole rows find theirs, one of several that are equal" {
  sql "create table bag (a int, j json, p point, x $(xml), n numeric, f float8)"
  relation bag full a:integer:key j:json:key p:point:key x:"$(xml)":key n:numeric:key f:'double precision':key
  row='"a":1,"j":{"b":1},"p":"(1,2)","x":"<a/>","n":1.50,"f":"NaN"'
  nulls='"a":null,"j":null,"p":null,"x":null,"n":null,"f":null'
  transaction "insert bag \"new\":{$row}" "insert bag \"new\":{$row}" "insert bag \"new\":{$row}" "insert bag \"new\":{$nulls}"
  transaction "delete bag \"old\":{$row}" "update bag \"old\":{$row},\"new\":{${row/1/2}}" "update bag \"old\":{$nulls},\"new\":{${nulls/null/7}}"
  apply_well
  assert_equal "$(sql "select * from bag order by a")" '1|{"b":1}|(1,2)|<a/>|1.50|NaN
2|{"b":1}|(1,2)|<a/>|1.50|NaN
7|||||'
  [[ -z $stderr ]] || fail "there were warnings"
}

@test "whole rows of a table with a primary key are found by it" {
  relation t full id:bigint:key note:text:key doc:jsonb:key
  transaction 'insert t "new":{"id":1,"note":"a","doc":{}}' 'insert t "new":{"id":2,"note":"b","doc":{}}'
  transaction 'update t "old":{"id":1,"note":"a","doc":{}},"new":{"id":1,"note":"z"},"unchanged":["doc"]' \
    'update t "old":{"id":2,"note":"b","doc":{}},"new":{"id":5,"note":"b","doc":[]}' 
  transaction 'delete t "old":{"id":1,"note":"z","doc":{}}'
  apply_well
  assert_equal "$(rows)" '{"id":5,"note":"b","doc":[]}'
}

@test "an index is as good an identity as a primary key" {
  sql "create table codes (a text not null, b int not null, c text, unique (a, b))"
  relation codes index a:text:key b:integer:key c:text
  transaction 'insert codes "new":{"a":"x","b":1,"c":"1"}' 'insert codes "new":{"a":"x","b":2,"c":"2"}'
  transaction 'update codes "new":{"a":"x","b":2,"c":"zwei"}' 'delete codes "old":{"a":"x","b":1}'
  apply_well
  assert_equal "$(sql "select * from codes")" 'x|2|zwei'
}

@test "rows without identity are inserted, but not updated" {
  sql "create table log (line text)"
  relation log nothing line:text
  transaction 'insert log "new":{"line":"a"}' 'insert log "new":{"line":"a"}'
  apply_well
  assert_equal "$(sql "select count(*) from log")" 2
  transaction 'delete log "old":{"line":"a"}'
  apply
  assert_status 65
  assert_stderr_has '"public"."log"'
}

@test "truncate empties several tables, restarts, and leaves alone what it does not name" {
  sql "create table a (id serial primary key); create table b (id int references a); insert into a default values; insert into b values (1)"
  relation_t
  begin
  change insert t '"new":{"id":1,"note":null,"doc":null}'
  event "{\"type\":\"truncate\",\"lsn\":\"$(position)\",\"relations\":[{\"schema\":\"public\",\"table\":\"t\"},{\"schema\":\"public\",\"table\":\"a\"},{\"schema\":\"public\",\"table\":\"b\"}],\"cascade\":true,\"restart_identity\":true}"
  change insert t '"new":{"id":2,"note":null,"doc":null}'
  commit
  apply_well
  assert_equal "$(sql "select (select count(*) from a), (select count(*) from b), nextval('a_id_seq'), (select string_agg(id::text, ',') from t)")" '0|0|1|2'
  sql "insert into a values (5); insert into b values (5)"
  begin
  event "{\"type\":\"truncate\",\"lsn\":\"$(position)\",\"relations\":[{\"schema\":\"public\",\"table\":\"a\"}],\"cascade\":true,\"restart_identity\":false}"
  commit
  run --separate-stderr cdc-apply <"$EVENTS"
  assert_status 65
  assert_equal "$(sql 'select count(*) from b')" 1
}

@test "messages are passed over, and rows of a snapshot are inserted" {
  relation_t
  event '{"type":"message","lsn":"0/1","prefix":"p","content":"c","transactional":false}'
  transaction 'read t "new":{"id":1,"note":"r","doc":null}' 'message t "prefix":"p"'
  apply_well
  assert_equal "$(rows)" '{"id":1,"note":"r","doc":null}'
}

# -- tables

@test "quoted names and names of 63 bytes are taken as they are" {
  long=$(printf 'n%.0s' {1..61})é
  sql "create table \"My \"\"T\"\"\" (\"Id é\" int primary key, \"$long\" text, \"a\\b\" text)"
  relation 'My "T"' default 'Id é:integer:key' "$long:text" 'a\b:text'
  begin
  change insert 'My "T"' "\"new\":{\"Id \\u00e9\":1,\"$long\":\"x\",\"a\\\\b\":\"y\"}"
  change insert 'My "T"' "\"new\":{\"Id é\":2,\"$long\":\"x\",\"a\\\\b\":\"y\"}"
  commit
  begin
  change update 'My "T"' "\"new\":{\"Id é\":1,\"$long\":\"z\",\"a\\\\b\":\"w\"}"
  commit
  apply_well
  assert_equal "$(sql "select * from \"My \"\"T\"\"\" order by 1")" '1|z|w
2|x|y'
}

@test "generated columns are left out, and identity columns are written" {
  sql "create table g (id int generated always as identity primary key, n int, twice int generated always as (n * 2) stored,
       seq int)"
  relation g default id:integer:key n:integer twice:integer seq:integer
  transaction 'insert g "new":{"id":7,"n":1,"twice":2,"seq":70}' 'insert g "new":{"id":8,"n":1,"twice":2,"seq":80}'
  transaction 'update g "new":{"id":7,"n":5,"twice":10,"seq":71}' 'update g "old":{"id":8},"new":{"id":9,"n":6,"seq":80}'
  apply_well
  assert_equal "$(sql "select id, n, twice, seq from g order by id")" '7|5|10|71
9|6|12|80'
}

@test "the target's columns may stand otherwise, be more, and have been dropped" {
  sql "drop table t; create table t (gone int, doc jsonb, extra text default 'd', note text, id bigint primary key); alter table t drop gone"
  relation_t
  transaction 'insert t "new":{"id":1,"note":"n","doc":[]}'
  transaction 'update t "new":{"id":1,"note":"m","doc":{}}'
  apply_well
  assert_equal "$(rows)" '{"doc":{},"extra":"d","note":"m","id":1}'
}

@test "lengths and scales are the target's to check" {
  sql "create table s (id int primary key, c char(3), v varchar(3), b bit(3), n numeric(4,1))"
  relation s default id:integer:key 'c:character(3)' 'v:character varying(5)' 'b:bit(3)' 'n:numeric'
  transaction 'insert s "new":{"id":1,"c":"a  ","v":"abc","b":"101","n":1.25}'
  transaction 'update s "new":{"id":1,"c":"b  ","v":"abd","b":"111","n":2.25}'
  apply_well
  assert_equal "$(sql "select * from s")" '1|b  |abd|111|2.3'
  transaction 'update s "new":{"id":1,"c":"b  ","v":"abcd","b":"111","n":2.25}'
  apply
  assert_status 65
  assert_stderr_has 'update in "public"."s", key (id)=(1): value too long'
}

@test "arrays, composites and ranges come as text or as JSON" {
  sql "create type pair as (a int, b text); create table k (id int primary key, a int[], p pair, r int4range, e text[])"
  relation k default id:integer:key 'a:integer[]' p:pair r:int4range 'e:text[]'
  transaction 'insert k "new":{"id":1,"a":"{1,NULL}","p":"(1,\"x y\")","r":"[1,5)","e":"{}"}' \
    'insert k "new":{"id":2,"a":[[1,2],[3,4]],"p":{"a":1,"b":"x y"},"r":"empty","e":["a\"b",null]}'
  apply_well
  assert_equal "$(sql "select * from k order by id")" '1|{1,NULL}|(1,"x y")|[1,5)|{}
2|{{1,2},{3,4}}|(1,"x y")|empty|{"a\"b",NULL}'
}

@test "a table changes between two transactions of a batch" {
  relation_t
  transaction 'insert t "new":{"id":1,"note":"a","doc":null}'
  relation t default id:bigint:key note:text
  transaction 'insert t "new":{"id":2,"note":"b"}' 'update t "new":{"id":1,"note":"c"}'
  apply_well
  assert_equal "$(sql "select id, note from t order by id")" '1|c
2|b'
}

@test "a missing table or column is named" {
  relation nowhere default id:integer:key
  transaction 'insert nowhere "new":{"id":1}'
  apply
  assert_status 65
  assert_stderr_has 'no table "public"."nowhere"'
  sql "create table nowhere (other int)"
  apply
  assert_status 65
  assert_stderr_has 'no column "id"'
}

@test "missing tables are made when asked" {
  relation made default a:bigint:key 'b:numeric(10,2)' c:text
  transaction 'insert made "new":{"a":1,"b":1.5,"c":"x"}'
  # Whatever a transaction sees there by default, it must see what was just made.
  PGOPTIONS='-c default_transaction_isolation=serializable' apply_well --create-tables --source tables
  assert_equal "$(sql "select * from made")" '1|1.50|x'
  assert_equal "$(sql "select pg_get_constraintdef(oid) from pg_constraint where conrelid = 'made'::regclass and contype = 'p'")" 'PRIMARY KEY (a)'
}

# -- once

@test "the same input twice changes nothing" {
  sql "create table applied (n int); create function tally() returns trigger language plpgsql as
       'begin insert into applied values (1); return null; end';
       create trigger c after insert or update or delete on t for each row execute function tally();
       alter table t enable always trigger c"
  relation_t
  transaction 'insert t "new":{"id":1,"note":"a","doc":null}' 'update t "new":{"id":1,"note":"b","doc":null}'
  transaction 'delete t "old":{"id":1}' 'insert t "new":{"id":2,"note":"b","doc":null}'
  apply_well
  assert_equal "$(sql "select count(*) from applied")" 4
  apply_well
  assert_equal "$(sql "select count(*) from applied")" 4
  assert_equal "$(tail -n 1 <<<"$output")" "{\"type\":\"ack\",\"lsn\":\"$(position)\"}"
  transaction 'delete t "old":{"id":2}'
  apply_well
  assert_equal "$(sql "select count(*) from applied")" 5
  apply_well --source other
  assert_equal "$(sql "select count(*) from applied")" 10
}

@test "triggers of the target fire when asked only" {
  sql "create function shout() returns trigger language plpgsql as 'begin new.note := upper(new.note); return new; end';
       create trigger s before insert on t for each row execute function shout()"
  relation_t
  transaction 'insert t "new":{"id":1,"note":"a","doc":null}'
  apply_well
  transaction 'insert t "new":{"id":2,"note":"b","doc":null}'
  apply_well --fire-triggers
  assert_equal "$(sql "select note from t order by id")" 'a
B'
}

@test "foreign keys do not matter, but with --fire-triggers the order of tables is kept" {
  sql "create table child (id int primary key, t bigint references t)"
  relation_t
  relation child default id:integer:key t:bigint
  transaction 'insert t "new":{"id":1,"note":"a","doc":null}' 'insert child "new":{"id":1,"t":1}' \
    'insert t "new":{"id":2,"note":"a","doc":null}' 'insert child "new":{"id":2,"t":2}' 'delete child "old":{"id":1}' 'delete t "old":{"id":1}'
  apply_well --fire-triggers
  assert_equal "$(sql "select t.id, child.id from t full join child on t = t.id")" '2|2'
}

@test "one who may not silence triggers is told" {
  sql "drop role if exists plain" && sql "create role plain login; grant all on t to plain; grant usage on schema public to plain; grant create on database $PGDATABASE to plain"
  relation_t
  transaction 'insert t "new":{"id":1,"note":"a","doc":null}'
  apply_well -U plain
  assert_stderr_has 'triggers and foreign keys of the target are in force'
  assert_equal "$(rows)" '{"id":1,"note":"a","doc":null}'
  sql "drop owned by plain cascade; drop role plain" 2>/dev/null
}

@test "killed in the middle and started again, nothing is lost or doubled" {
  relation_t
  for i in {1..400}; do transaction "insert t \"new\":{\"id\":$i,\"note\":\"n\",\"doc\":null}" "update t \"new\":{\"id\":$(((i + 1) / 2)),\"note\":\"u$i\",\"doc\":null}"; done
  # Forty lines in ten milliseconds, so that there is a middle.
  seen=
  for delay in 0.1 0.2 0.3 0.4; do
    awk '{ print } NR % 40 == 0 { fflush(); system("sleep 0.01") }' "$EVENTS" |
      timeout --signal KILL "$delay" cdc-apply --batch-changes 7 >>"$BATS_TEST_TMPDIR/acks" || true
    seen+=" $(sql "select count(*) from t")"
  done
  [[ $seen =~ \ [1-9][0-9]?[0-9]?\  ]] || fail "it was never killed in the middle:$seen"
  apply_well
  assert_equal "$(sql "select count(*), count(*) filter (where note = 'n'), max(note) filter (where id = 200) from t")" '400|200|u400'
}

has_acknowledged() { [[ $(tail -n 1 "$1") == *"\"$(sql "select lsn from sluice.progress")\""* ]]; }

@test "what is acknowledged is committed" {
  relation_t
  for i in {1..50}; do transaction "insert t \"new\":{\"id\":$i,\"note\":\"n\",\"doc\":null}"; done
  mkfifo "$BATS_TEST_TMPDIR/pipe"
  cdc-apply <"$BATS_TEST_TMPDIR/pipe" >"$BATS_TEST_TMPDIR/acks" &
  pid=$!
  exec 9>"$BATS_TEST_TMPDIR/pipe"
  head -n 31 "$EVENTS" >&9
  # Ten transactions are complete, and the applier waits for more.
  eventually 5 test -s "$BATS_TEST_TMPDIR/acks"
  eventually 5 has_rows 10
  eventually 5 has_acknowledged "$BATS_TEST_TMPDIR/acks"
  kill -9 "$pid"
  exec 9>&-
  wait "$pid" 2>/dev/null || true
}

has_lock() { [[ $(sql "select count(*) from pg_locks where locktype = 'advisory'") == 1 ]]; }

@test "two appliers of one source cannot run at once" {
  mkfifo "$BATS_TEST_TMPDIR/pipe"
  cdc-apply <"$BATS_TEST_TMPDIR/pipe" &
  pid=$!
  exec 9>"$BATS_TEST_TMPDIR/pipe"
  eventually 5 has_lock
  apply
  assert_status 75
  apply_well --source other
  exec 9>&-
  wait "$pid"
}

@test "a transaction that was cut off and begins again is applied once" {
  relation_t
  transaction 'insert t "new":{"id":1,"note":"a","doc":null}'
  begin
  change insert t '"new":{"id":2,"note":"b","doc":null}'
  LSN=$((LSN - 16))
  transaction 'insert t "new":{"id":2,"note":"c","doc":null}'
  apply_well
  assert_equal "$(sql "select id, note from t order by id")" '1|a
2|c'
}

@test "large transactions are streamed, and cut off, taken again and skipped" {
  relation_t
  transaction 'insert t "new":{"id":1,"note":"a","doc":null}'
  begin
  for i in {2..60}; do change insert t "\"new\":{\"id\":$i,\"note\":\"cut\",\"doc\":null}"; done
  LSN=$((LSN - 16))
  begin
  for i in {2..60}; do change insert t "\"new\":{\"id\":$i,\"note\":\"whole\",\"doc\":null}"; done
  commit
  apply_well --batch-changes 10
  assert_equal "$(sql "select note, count(*) from t group by 1 order by 1")" 'a|1
whole|59'
  apply_well --batch-changes 10
  assert_equal "$(sql "select count(*) from t")" 60
}

@test "input that ends in the middle of a transaction is an error, and what was complete is committed" {
  relation_t
  transaction 'insert t "new":{"id":1,"note":"a","doc":null}'
  complete=$(position)
  begin
  change insert t '"new":{"id":2,"note":"b","doc":null}'
  apply
  assert_status 65
  assert_output "{\"type\":\"ack\",\"lsn\":\"$complete\"}"
  assert_equal "$(sql "select id from t")" 1
}

@test "an origin keeps the position as well as the table" {
  relation_t
  transaction 'insert t "new":{"id":1,"note":"a","doc":null}'
  apply_well --origin "sluice_$$"
  apply_well --origin "sluice_$$"
  assert_equal "$(sql "select remote_lsn from pg_replication_origin_status where external_id = 'sluice_$$'")" "$(position)"
  assert_equal "$(sql "select count(*) from t")" 1
  sql "select pg_replication_origin_drop('sluice_$$')" >/dev/null
}

# -- refusals

@test "a conflict is an error that names table and key, and nothing of the batch is applied" {
  sql "insert into t values (2, 'there')"
  relation_t
  transaction 'insert t "new":{"id":1,"note":"a","doc":null}'
  transaction 'insert t "new":{"id":2,"note":"b","doc":null}'
  apply
  assert_status 65
  assert_stderr_has 'insert in "public"."t", key (id)=(2): duplicate key'
  assert_equal "$(rows)" '{"id":2,"note":"there","doc":null}'
  assert_output ''
}

@test "conflicts are resolved as asked" {
  sql "insert into t values (2, 'there', '{}')"
  relation_t
  transaction 'insert t "new":{"id":1,"note":"a","doc":null}' 'insert t "new":{"id":2,"note":"b","doc":null}'
  apply_well --source skip --on-conflict skip
  assert_equal "$(sql "select note from t order by id")" 'a
there'
  apply_well --source upsert --on-conflict upsert
  assert_equal "$(rows)" '{"id":1,"note":"a","doc":null}
{"id":2,"note":"b","doc":null}'
}

@test "updates and deletes that find no row are counted, and told once a table" {
  relation_t
  transaction 'update t "new":{"id":1,"note":"a","doc":null}' 'delete t "old":{"id":2}' 'update t "new":{"id":3,"note":"a","doc":null}'
  apply_well
  assert_equal "$stderr" 'cdc-apply: warning: 3 updates or deletes of "public"."t" found no row'
}

@test "a value that the target refuses is named by table and key" {
  sql "create table c (id int primary key, n int check (n > 0))"
  relation c default id:integer:key n:integer
  begin
  for i in {1..50}; do change insert c "\"new\":{\"id\":$i,\"n\":1}"; done
  change insert c '"new":{"id":77,"n":0}'
  commit
  apply
  assert_status 65
  assert_stderr_has 'key (id)=(77)'
  assert_stderr_has 'violates check constraint'
  assert_equal "$(sql "select count(*) from c")" 0
}

@test "a malformed line is named by its number" {
  relation_t
  transaction 'insert t "new":{"id":1,"note":"a","doc":null}'
  event '{"type":"begin"'
  apply
  assert_status 65
  event '{"type":"commit","end_lsn":"0/FFFF"}'
  apply
  assert_stderr_has 'line 5'
  for line in '{"type":"nonsense"}' '[]' '{"type":"insert","schema":"public","table":"t","new":{}}' '{"type":"commit"}' ''; do
    printf '%s\n' "$line" >"$EVENTS"
    apply
    assert_status 65
    assert_stderr_has 'line 1'
  done
}

@test "damage is no crash: 65, or a value that differs" {
  relation_t
  transaction 'insert t "new":{"id":1,"note":"a","doc":null}' 'insert t "new":{"id":2,"note":"b","doc":{"k":[1]}}' 'insert t "new":{"id":3}'
  transaction 'update t "old":{"id":1},"new":{"id":9,"note":"c"},"unchanged":["doc"]' 'delete t "old":{"id":2}'
  event "{\"type\":\"message\",\"lsn\":\"$(position)\",\"prefix\":\"p\",\"content\":\"\",\"transactional\":false}"
  transaction 'read t "new":{"id":5,"note":"a\u00e9\n","doc":"x"}'
  begin
  event "{\"type\":\"truncate\",\"lsn\":\"$(position)\",\"relations\":[{\"schema\":\"public\",\"table\":\"t\"}],\"cascade\":false,\"restart_identity\":false}"
  commit
  python3 - "$EVENTS" <<'PY'
import random, subprocess, sys
events = open(sys.argv[1], "rb").read()
random.seed(11)
codes = []
for turn in range(30):
    damaged = bytearray(events)
    for _ in range(random.randint(1, 3)):
        place = random.randrange(len(damaged))
        if turn % 2:
            damaged[place] = random.choice(b'"{}[],:0n\\\n\0\x80')
        else:
            del damaged[place:place + random.randint(1, 40)]
    result = subprocess.run(["cdc-apply", "--source", str(turn), "--on-conflict", "upsert", "--batch-changes", "2"],
                            input=bytes(damaged), capture_output=True, timeout=20)
    assert result.returncode in (0, 65), (result.returncode, result.stderr, bytes(damaged))
    assert (result.returncode == 65) == (b"error: " in result.stderr), result.stderr
    codes.append(result.returncode)
assert codes.count(65) > 5, codes
PY
}

@test "a lost connection is a matter of later" {
  relation_t
  transaction 'insert t "new":{"id":1,"note":"a","doc":null}'
  mkfifo "$BATS_TEST_TMPDIR/pipe"
  cdc-apply --source lost <"$BATS_TEST_TMPDIR/pipe" 2>"$BATS_TEST_TMPDIR/err" &
  pid=$!
  exec 9>"$BATS_TEST_TMPDIR/pipe"
  head -n 4 "$EVENTS" >&9
  eventually 5 has_rows 1
  sql "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'cdc-apply' and datname = current_database()" >/dev/null
  transaction 'insert t "new":{"id":2,"note":"a","doc":null}'
  tail -n 3 "$EVENTS" >&9
  exec 9>&-
  status=0
  wait "$pid" || status=$?
  assert_equal "$status" 69 status
}

@test "a deadlock is not the end: the batch is sent again" {
  sql "insert into t select i, 'old' from generate_series(1, 2) i"
  relation_t
  transaction 'update t "new":{"id":1,"note":"a","doc":null}'
  transaction 'update t "new":{"id":2,"note":"b","doc":null}'
  # The other one has row 2, and asks for row 1 when the applier has that and asks for row 2.
  psql --no-psqlrc --quiet <<'SQL' 3>&- &
set deadlock_timeout = '10s';
begin; update t set note = note where id = 2; select pg_sleep(1); update t set note = note where id = 1; commit;
SQL
  other=$!
  sleep 0.4
  apply_well
  wait "$other"
  assert_equal "$(sql "select note from t order by id")" 'a
b'
}

# -- setting aside

@test "refused changes are set aside with what follows them, and applied later" {
  sql "create table c (id int primary key, n int check (n > 0))"
  relation_t
  relation c default id:integer:key n:integer
  transaction 'insert t "new":{"id":1,"note":"a","doc":null}' 'insert c "new":{"id":1,"n":0}' 'insert c "new":{"id":2,"n":2}'
  transaction 'update c "new":{"id":1,"n":5}' 'update c "new":{"id":2,"n":3}'
  transaction 'delete c "old":{"id":1}' 'insert c "new":{"id":1,"n":7}'
  apply --park "$BATS_TEST_TMPDIR/aside"
  assert_status 1
  assert_stderr_has '4 changes that the target refused are set aside'
  assert_output "{\"type\":\"ack\",\"lsn\":\"$(position)\"}"
  assert_equal "$(sql "select id, n from c")" '2|3'
  assert_equal "$(jq -r '[.type, .new.n, .error] | @csv' "$BATS_TEST_TMPDIR/aside/default.ndjson")" '"relation",,
"insert",0,"new row for relation ""c"" violates check constraint ""c_n_check"""
"update",5,
"delete",,
"insert",7,'

  # Later changes of the key follow in another run; the same input again does nothing.
  apply_well --park "$BATS_TEST_TMPDIR/aside"
  relation c default id:integer:key n:integer
  transaction 'update c "new":{"id":1,"n":8}' 'update c "new":{"id":2,"n":4}'
  apply --park "$BATS_TEST_TMPDIR/aside"
  assert_status 1
  assert_equal "$(sql "select id, n from c")" '2|4'

  run --separate-stderr cdc-apply --replay "$BATS_TEST_TMPDIR/aside"
  assert_status 1
  assert_stderr_has '0 changes were applied, 5 are still set aside'
  sql "alter table c drop constraint c_n_check"
  run --separate-stderr cdc-apply --replay "$BATS_TEST_TMPDIR/aside"
  assert_status 0
  assert_equal "$(sql "select id, n from c order by id")" '1|8
2|4'
  assert_equal "$(cat "$BATS_TEST_TMPDIR/aside/default.ndjson")" ''
  run --separate-stderr cdc-apply --replay "$BATS_TEST_TMPDIR/aside"
  assert_status 0
}

@test "what was set aside by a batch that was not committed is dropped" {
  sql "create table c (id int primary key, n int check (n > 0))"
  relation c default id:integer:key n:integer
  transaction 'insert c "new":{"id":1,"n":0}'
  apply --park "$BATS_TEST_TMPDIR/aside"
  assert_status 1
  cp "$BATS_TEST_TMPDIR/aside/default.ndjson" "$BATS_TEST_TMPDIR/before"
  sed 's/"batch_lsn":"[^"]*"/"batch_lsn":"F\/0"/; s/"id":1/"id":2/' "$BATS_TEST_TMPDIR/before" >>"$BATS_TEST_TMPDIR/aside/default.ndjson"
  printf '{"type":"ins' >>"$BATS_TEST_TMPDIR/aside/default.ndjson"
  transaction 'insert c "new":{"id":2,"n":2}'
  apply_well --park "$BATS_TEST_TMPDIR/aside"
  assert_same_file "$BATS_TEST_TMPDIR/aside/default.ndjson" "$BATS_TEST_TMPDIR/before"
  assert_equal "$(sql "select id from c")" 2
}

@test "--replay leaves alone what the target does not know to be set aside" {
  local stream
  sql "create table c (id int primary key, n int check (n > 0))"
  relation c default id:integer:key n:integer
  transaction 'insert c "new":{"id":1,"n":0}'
  apply --origin "replay_$$" --park "$BATS_TEST_TMPDIR/aside"
  assert_status 1
  cp "$BATS_TEST_TMPDIR/aside/replay_$$.ndjson" "$BATS_TEST_TMPDIR/aside/default.ndjson"
  sql "alter table c drop constraint c_n_check"
  run --separate-stderr cdc-apply --replay "$BATS_TEST_TMPDIR/aside"
  assert_status 78
  assert_stderr_has "does not know to be set aside"
  assert_same_file "$BATS_TEST_TMPDIR/aside/default.ndjson" "$BATS_TEST_TMPDIR/aside/replay_$$.ndjson"
  run --separate-stderr cdc-apply --origin "replay_$$" --replay "$BATS_TEST_TMPDIR/aside"
  assert_status 0
  assert_equal "$(sql "select id from c")" 1
}

@test "large transactions set aside, too" {
  sql "create table c (id int primary key, n int check (n > 0))"
  relation c default id:integer:key n:integer
  begin
  for i in {1..100}; do change insert c "\"new\":{\"id\":$i,\"n\":$((i % 33))}"; done
  commit
  apply --park "$BATS_TEST_TMPDIR/aside" --batch-changes 10
  assert_status 1
  assert_equal "$(sql "select count(*) from c")" 97
  assert_equal "$(jq -r '.new.id // empty' "$BATS_TEST_TMPDIR/aside/default.ndjson" | xargs)" '33 66 99'
}

# -- two-phase commit

two_phase() {
  LSN=$((LSN + 8))
  event "{\"type\":\"$1\",\"xid\":$2,\"gid\":\"g\",\"lsn\":\"$(position)\",\"end_lsn\":\"$(position)\"}"
}

@test "prepared transactions are prepared, then committed or rolled back, also when all comes twice" {
  local stream oid
  oid=$(sql "select oid from pg_database where datname = current_database()")
  for stream in --source=default "--origin=two_$$"; do
    sql "truncate t" && : >"$EVENTS"
    relation_t
    begin
    change insert t '"new":{"id":1,"note":"a","doc":null}'
    two_phase prepare 7
    apply_well "$stream"
    assert_equal "$(sql "select gid from pg_prepared_xacts")" "sluice_${oid}_${stream#*=}_7"
    transaction 'insert t "new":{"id":3,"note":"c","doc":null}'
    two_phase commit_prepared 7
    begin
    change insert t '"new":{"id":2,"note":"b","doc":null}'
    two_phase prepare 8
    two_phase rollback_prepared 8
    apply_well "$stream"
    apply_well "$stream"
    assert_equal "$(sql "select id from t order by id" | xargs)" '1 3'
    assert_equal "$(sql "select count(*) from pg_prepared_xacts")" 0
    assert_equal "$(sql "select count(*) from sluice.progress where source like 'sluice%'")" 0
    two_phase commit_prepared 9
    apply "$stream"
    assert_status 78
  done
}

# Behind its begin, a prepared transaction of rows for t and made, one of which the target refuses.
prepared_transaction() {
  begin
  xid=$LSN
  change insert t "\"new\":{\"id\":$1,\"note\":\"n\",\"doc\":null}"
  event "$MADE"
  for i in 1 2 3; do change insert made "\"new\":{\"id\":$(($1 + i)),\"n\":$i}"; done
  change insert c "\"new\":{\"id\":$1,\"n\":0}"
  two_phase prepare "$xid"
}

@test "killed between a transaction's preparation and its position: it is rolled back, and prepared anew" {
  local before xid option
  MADE=$(relation made default id:bigint:key n:integer && tail -n 1 "$EVENTS")
  sql "create table c (id int primary key, n int check (n > 0))"
  for option in --batch-changes=10000 --batch-changes=2; do
    : >"$EVENTS"
    relation_t
    relation c default id:integer:key n:integer
    transaction "insert t \"new\":{\"id\":$LSN,\"note\":\"a\",\"doc\":null}"
    before=$(position)
    prepared_transaction 1000
    apply --create-tables --park "$BATS_TEST_TMPDIR/aside" "$option"
    assert_status 1
    # All that is different after such a death.
    sql "update sluice.progress set lsn = '$before'"
    two_phase commit_prepared "$xid"
    apply --create-tables --park "$BATS_TEST_TMPDIR/aside" "$option"
    assert_status 1
    assert_equal "$(sql "select count(*) from t where id = 1000") $(sql "select count(*) from made") $(jq -r ".new.id // empty" "$BATS_TEST_TMPDIR/aside/default.ndjson" | xargs)" "1 3 1000"
    sql "truncate t, made" && rm "$BATS_TEST_TMPDIR/aside/default.ndjson"
  done
}

@test "the begin of a transaction of many batches says which it is" {
  relation_t
  event '{"type":"begin","lsn":"0/20"}'
  for i in 1 2 3; do change insert t "\"new\":{\"id\":$i,\"note\":\"a\",\"doc\":null}"; done
  commit
  apply --batch-changes 2
  assert_status 65
  assert_stderr_has 'line 2: the begin of a large transaction lacks lsn or xid'
}

@test "a prepared transaction of many batches, killed before its position: by COPY, with tables that are made" {
  local before xid
  relation_t
  transaction 'insert t "new":{"id":1,"note":"a","doc":null}'
  before=$(position)
  begin
  xid=$LSN
  relation made default id:bigint:key n:integer
  seq -f '{"type":"insert","schema":"public","table":"made","lsn":"0/28","new":{"id":%.0f,"n":1}}' 5000 >>"$EVENTS"
  two_phase prepare "$xid"
  apply_well --create-tables --batch-changes 100
  assert_equal "$(sql "select count(*) from pg_prepared_xacts") $(sql "select count(*) from made")" "1 0"
  sql "update sluice.progress set lsn = '$before'"
  apply_well --create-tables --batch-changes 100
  assert_equal "$(sql "select count(*) from pg_prepared_xacts") $(sql "select count(*) from made")" "1 0"
  two_phase rollback_prepared "$xid"
  apply_well --create-tables
  assert_equal "$(sql "select count(*) from pg_prepared_xacts") $(sql "select count(*) from made")" "0 0"
}

@test "changes set aside of a transaction that is prepared wait for its end" {
  local xid
  MADE=$(relation made default id:bigint:key n:integer && tail -n 1 "$EVENTS")
  sql "create table c (id int primary key, n int check (n > 0))"
  : >"$EVENTS"
  relation_t
  relation c default id:integer:key n:integer
  prepared_transaction 1
  apply --create-tables --park "$BATS_TEST_TMPDIR/aside"
  assert_status 1
  sql "alter table c drop constraint c_n_check"
  run --separate-stderr cdc-apply --replay "$BATS_TEST_TMPDIR/aside" </dev/null
  assert_status 75
  assert_stderr_has "is prepared and not ended: sluice_"
  two_phase commit_prepared "$xid"
  apply_well
  run --separate-stderr cdc-apply --replay "$BATS_TEST_TMPDIR/aside" </dev/null
  assert_status 0
  assert_equal "$(sql "select id from c")" 1
}

# killed_in_turn OPTION…: kills before or after messages to the server in turn, at each 25th of them from a random one on
# (SLUICE_KILL_EVERY=1 is all), and starts again; all that is applied is applied once.
killed_in_turn() {
  local n step=${SLUICE_KILL_EVERY:-25} fault ended=137 aside=$BATS_TEST_TMPDIR/aside
  for ((n = 1 + RANDOM % step; ended == 137; n += step)); do
    fault=KILL
    if ((n % 2)); then fault=SENT; fi
    rm -rf "$aside"
    sql "drop schema if exists sluice cascade; drop table if exists made; truncate t, c" 2>/dev/null
    ended=0
    SLUICE_FAULT=send:socket:$n:$fault LD_PRELOAD=$REPO/.build/support/io-faults.so \
      cdc-apply --create-tables --park "$aside" "$@" <"$EVENTS" >/dev/null 2>&1 || ended=$?
    if [[ $ended == 137 ]]; then
      kills=$((kills + 1))
      apply --create-tables --park "$aside" "$@"
      # 1 where this run has set something aside.
      ((status <= 1)) || fail "the run after message $n ($fault)"
    fi
    assert_equal "$(jq -r 'select(.new) | "\(.table) \(.new.id)"' "$aside/default.ndjson" | xargs)" "c 10" "set aside after message $n ($fault)"
    assert_equal "$(sql "select string_agg(id::text, ' ' order by id) from t union all select string_agg(id::text, ' ' order by id) from made
      union all select string_agg(id::text, ' ' order by id) from c union all select count(*)::text from pg_prepared_xacts" | tr '\n' '|')" \
      "1 10 20|11 12 13|2|0|" "rows after message $n ($fault)"
  done
}

@test "kill -9 anywhere around prepared transactions: nothing waits for itself, and all is applied once" {
  local kills=0 xid kept
  MADE='{"type":"relation","schema":"public","table":"made","identity":"default","columns":[{"name":"id","type":"bigint","key":true},{"name":"n","type":"integer","key":false}]}'
  sql "create table c (id int primary key, n int check (n > 0))"
  relation_t
  relation c default id:integer:key n:integer
  transaction 'insert t "new":{"id":1,"note":"a","doc":null}'
  prepared_transaction 10
  kept=$xid
  prepared_transaction 30
  transaction 'insert t "new":{"id":20,"note":"b","doc":null}' 'insert c "new":{"id":2,"n":1}'
  two_phase rollback_prepared "$xid"
  two_phase commit_prepared "$kept"
  make --silent -C "$REPO" .build/support/io-faults.so
  killed_in_turn
  killed_in_turn --batch-changes 2
  echo "# $kills kills" >&3
  ((kills > 150 / ${SLUICE_KILL_EVERY:-25}))
}
