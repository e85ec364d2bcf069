# shellcheck disable=SC2094,SC2154  # a file is read when it is whole; run sets stderr
# cdc-decode --format: wal2json held against the plugin itself, Debezium's values against what SQL makes of the same columns.

load support

# The plugin is Debian's, for its own version of the server.
setup_file() {
  start_postgres --own --version 15 --setting wal_level=logical --setting max_prepared_transactions=10
  export PGOPTIONS='-c logical_decoding_work_mem=64kB'
}

setup() {
  cd "$BATS_TEST_TMPDIR" || return
  sql 'set client_min_messages = warning; drop schema if exists public, "My Schema", other cascade; create schema public; drop publication if exists p'
  sql 'create publication p for all tables'
}

teardown() { sql "select pg_drop_replication_slot(slot_name) from pg_replication_slots" >/dev/null; }

# From here on changes are kept, for both plugins.
slots() {
  sql "select pg_create_logical_replication_slot('s', 'pgoutput', false, ${1:-false})" >/dev/null
  sql "select pg_create_logical_replication_slot('oracle', 'wal2json')" >/dev/null
}

frames() { "$SUPPORT/logical-frames" s p "$@"; }

# What wal2json says. pgoutput leaves out transactions without changes, and knows a domain only by the type below it.
wal2json() {
  sql "select data from pg_logical_slot_peek_changes('oracle', null, null, 'format-version', '2', 'include-domain-data-type', '1')" |
    awk '/^{"action":"B"}$/ { held = $0; next } /^{"action":"C"}$/ && held { held = ""; next } held { print held; held = "" } { print }'
}

debezium() { cdc-decode --format debezium --name shop --database shop_db; }

@test "wal2json: all types, as the plugin itself writes them" {
  sql "$(<"$REPO/Tests/EndToEnd/types.sql"); alter table zoo alter g drop expression; alter table zoo replica identity full"
  slots
  sql "insert into zoo select * from zoo; update zoo set id = id + 1; delete from zoo where id > 2"
  frames 1 | cdc-decode --format wal2json >ours
  wal2json >oracle
  assert_same_file ours oracle
  [[ $(grep -c '"action":"[IUD]"' ours) -gt 15 ]]
}

@test "wal2json: identities, keys that change, TOAST, truncation, messages, savepoints, other schemas" {
  sql "create type \"Mood\" as enum ('a', 'b'); create schema \"My Schema\"; create schema other; create type other.kind as enum ('x', 'y')"
  sql "create table d (id int primary key, note text, m \"Mood\", ms \"Mood\"[], k other.kind, ks other.kind[]); alter table d alter note set storage external
    ; create table i (a int primary key, b int not null unique, c text); alter table i replica identity using index i_b_key
    ; create table f (a int, b text); alter table f replica identity full; alter table f alter b set storage external
    ; create table n (a int primary key, b text); alter table n replica identity nothing
    ; create table k (\"B \"\"c\" text, a numeric(5,2), c bool, primary key (a, \"B \"\"c\")); create table e (k text primary key, b int); alter table e alter k set storage external
    ; create table m (a interval(3), b interval year to month, c interval day to second(2), d interval hour, e interval second(0)[], f bpchar, g bpchar[], h bit, i timestamp(3)[], j numeric(9,-2)[], k char(2)[], l varbit(3), m time(2) with time zone, n \"char\"[])
    ; create table \"My Schema\".\"T \"\"q\" (\"é\\\" int primary key)"
  slots
  sql "insert into d values (1, repeat('long', 1000), 'a', '{a,b}', 'x', '{x}'), (2, null, null, null, null, null)
    ; update d set m = 'b' where id = 1; update d set id = 3, ks = '{y,NULL}' where id = 1; delete from d where id = 2"
  sql "insert into i values (1, 2, 'x'); update i set a = 5; update i set b = 3; delete from i"
  sql "insert into f values (1, repeat('long', 1000)), (1, null); update f set a = 2; delete from f"
  sql "insert into n values (1, E'tab\t\"quote\" \\\\ ü 😀')"
  sql "insert into k values ('x', 1.50, true); update k set c = false; update k set a = 2; delete from k"
  sql "insert into m (b, c, h) values ('14 months', '1 day 02:03:04.567', '1')"
  sql "insert into e values (repeat('k', 2500), 1); update e set b = 2; delete from e"
  sql "insert into \"My Schema\".\"T \"\"q\" values (1); delete from \"My Schema\".\"T \"\"q\""
  sql "begin; insert into d (id) values (10); savepoint a; insert into d (id) select generate_series(100, 3000); rollback to a; savepoint b; update d set m = 'a' where id = 10; release b
    ; select pg_logical_emit_message(true, 'pre\"fix', 'text'), pg_logical_emit_message(false, 'now', 'é'); insert into d (id) select generate_series(20, 2000); truncate d, n; commit" >/dev/null
  sql "select pg_logical_emit_message(true, 'alone', '')" >/dev/null
  frames 1 messages on | cdc-decode --format wal2json >ours
  wal2json >oracle
  assert_same_file ours oracle
  frames 2 messages on streaming on | cdc-decode --format wal2json | grep -v '"transactional":false' >pieces
  assert_same_file pieces <(grep -v '"transactional":false' oracle)
}

@test "wal2json: numbers as strings; a domain is text; a message ends at its first zero byte" {
  sql "create domain pos as int; create domain flag as bool; create table t (a int, b float8, c oid, d pos, e flag)"
  slots
  sql "insert into t values (1, 'NaN', 3, 4, true); select pg_logical_emit_message(true, 'p', '\\x610062'::bytea)" >/dev/null
  frames 1 messages on >frames
  assert_equal "$(cdc-decode --format wal2json <frames | jq -c '[.columns[]?.value, .content]')" '[null]
[1,null,3,"4","t",null]
["a"]
[null]'
  assert_equal "$(cdc-decode --format wal2json --quote-numbers <frames | jq -c 'select(.columns) | [.columns[].value]')" '["1","NaN","3","4","t"]'
}

# steady: events without what differs from run to run.
steady() { command jq -c 'del(.ts_ms, .ts_us, .ts_ns, .source) + if .source then {txId: .source.txId} else {} end | del(.txId)'; }

@test "debezium: create, update, delete, another key, TOAST, truncation, messages" {
  sql "create table t (id int primary key, note text, b bytea); alter table t alter note set storage external; alter table t alter b set storage external
    ; create table f (a int, note text); alter table f replica identity full; alter table f alter note set storage external"
  slots
  sql "insert into t values (1, repeat('x', 3000), decode(repeat('ff', 3000), 'hex')); update t set id = 1; update t set id = 2; delete from t"
  sql "insert into f values (1, repeat('x', 3000)); update f set a = 2; truncate t, f; select pg_logical_emit_message(true, 'p', 'foo'), pg_logical_emit_message(false, 'q', '\\xff'::bytea)" >/dev/null
  frames 1 messages on >frames
  debezium <frames >events
  assert_equal "$(steady <events | sed -E 's/x{3000}/X/g; s/\/{4000}/B/')" '{"before":null,"after":{"id":1,"note":"X","b":"B"},"transaction":null,"op":"c"}
{"before":null,"after":{"id":1,"note":"__debezium_unavailable_value","b":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="},"transaction":null,"op":"u"}
{"before":{"id":1},"after":null,"transaction":null,"op":"d"}
{"before":null,"after":{"id":2,"note":"__debezium_unavailable_value","b":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="},"transaction":null,"op":"c"}
{"before":{"id":2},"after":null,"transaction":null,"op":"d"}
{"op":"m","transaction":null,"message":{"prefix":"q","content":"/w=="}}
{"before":null,"after":{"a":1,"note":"X"},"transaction":null,"op":"c"}
{"before":{"a":1,"note":"X"},"after":{"a":2,"note":"X"},"transaction":null,"op":"u"}
{"before":null,"after":null,"transaction":null,"op":"t"}
{"before":null,"after":null,"transaction":null,"op":"t"}
{"op":"m","transaction":null,"message":{"prefix":"p","content":"Zm9v"}}'
  # Where it comes from, held against the events of the same frames.
  assert_equal "$(jq -r '.source | [.connector, .name, .db, .snapshot, .schema, .table] | join(" ")' events | sort | uniq -c | xargs)" \
    "2 postgresql shop shop_db false 3 postgresql shop shop_db false public f 6 postgresql shop shop_db false public t"
  cdc-decode <frames >plain
  assert_equal "$(jq -r 'select(.op != "m").source | "\(.txId) \(.ts_us)"' events | uniq)" \
    "$(jq -r 'select(.type == "begin") | "\(.xid) \(.committed_at | (.[:19] + "Z" | fromdate | tostring) + .[20:26])"' plain | head -n 2)"
  assert_equal "$(jq -r 'select(.op != "m").source.lsn' events | uniq)" \
    "$(sql "select ('$(jq -r 'select(.table and .lsn or .type == "truncate").lsn' plain | uniq | xargs | sed "s/ /'::pg_lsn - '0\/0'::pg_lsn), ('/g")'::pg_lsn - '0/0'::pg_lsn)" | tr '|' '\n')"
  assert_equal "$(jq -r '.source.sequence | fromjson[0]' events | uniq)" "null
$(sql "select '$(jq -r 'select(.type == "commit").end_lsn' plain | head -n 1)'::pg_lsn - '0/0'::pg_lsn")"
}

@test "debezium: values are what SQL makes of the same columns" {
  sql "create type mood as enum ('a', 'b c'); create domain day as date
    ; create table t (id int primary key, i8 int8, o oid, r float8, n numeric, m money, b bool, by bytea, b1 bit(1), b9 bit(9), vb varbit, j json, x jsonb, d date, dd day, t time, t3 time(3),
      tz timetz, ts timestamp, ts3 timestamp(3), tt timestamptz, tt0 timestamptz(0), iv interval, p point, u uuid, e mood, ai int[], at text[], ae mood[], ad date[], ab bytea[], an numeric[], rg int4range)"
  slots
  sql "insert into t values
    (1, 9223372036854775807, 4294967295, 1.5e300, 12345678901234567890.10, -1234.56, true, '\\x00ff10', '1', '100000001', '0011', E'{\"a\" :\n1}', 'null', '2024-02-29', '1969-12-31', '24:00', '12:00:00.1239',
      '04:05:06.789-08', '2024-02-29 12:34:56.789012', '1969-12-31 23:59:59.9994', '2024-02-29 12:00+05:30', '2024-02-29 12:00:00', '1 year 2 mons -3 days -04:05:06.789', '(1.5,-2)',
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'b c', '{{1,NULL},{3,4}}', '{\"a,b\",\"c\\\"d\",NULL,\"NULL\",\"\"}', '{a,\"b c\"}', '{2024-01-01}', '{\"\\\\x00ff\"}', '{1.50,NaN}', '[1,5)'),
    (2, -1, 0, 'NaN', 'NaN', 0, false, '', '0', '000000000', '', '\"s\"', '1.00', '0044-03-15 BC', '5874897-12-31', '00:00', '00:00', '00:00+15:59:59', '0044-03-15 01:02:03.000001 BC', '9999-12-31',
      '0044-03-15 01:02:03 BC', '20000-01-01', '-00:00:00.000001', '(NaN,0)', null, null, '{}', '{}', '[0:0]={a}', null, '{}', '{}', 'empty'),
    (3, null, null, '-Infinity', 'Infinity', null, null, null, null, null, null, null, null, 'infinity', '-infinity', null, null, null, 'infinity', '-infinity', 'infinity', '-infinity', null, null, null, null, null, null, null, null, null, null, null)"
  # jq would round these.
  frames 1 | debezium | sed -E 's/"(i8|o|ts)":(-?[0-9]+)/"\1":"\2"/g' | jq -c '.after' >ours
  assert_equal "$(jq -c '[.d, .dd, .ts, .ts3, .tt, .tt0, .r, .n, .p, .i8]' ours | tail -n 1)" '[-2147472692,-2147472691,"9223372036825200000",-9223372036832400,"infinity","-infinity","-Infinity","Infinity",null,null]'
  sql "select json_build_object('i8', i8::text, 'o', o::text, 'n', n::text, 'm', m::numeric::text, 'b', b, 'by', replace(encode(by, 'base64'), E'\n', ''), 'b1', b1 = '1', 'j', j::text, 'x', x::text,
      'd', d - '1970-01-01', 'dd', dd - '1970-01-01', 't', extract(epoch from t) * 1000000, 't3', extract(epoch from t3) * 1000, 'ts', (extract(epoch from ts) * 1000000)::bigint::text, 'ts3', extract(epoch from ts3) * 1000,
      'iv', (extract(year from iv) * 12 + extract(month from iv)) * 2629800000000 + extract(day from iv) * 86400000000 + extract(hour from iv) * 3600000000 + extract(minute from iv) * 60000000 + extract(microseconds from iv),
      'u', u, 'e', e, 'ai', ai, 'at', at, 'ae', ae, 'rg', rg) from t where id < 3 order by id" |
    jq -c 'map_values(if type == "number" then round else . end)' >oracle
  assert_equal "$(head -n 2 ours | jq -c '{i8, o, n, m, b, by, b1, j, x, d, dd, t, t3, ts, ts3, iv, u, e, ai, at, ae, rg}')" "$(<oracle)"
  assert_equal "$(head -n 2 ours | jq -c '[.r, .b9, .vb, .tz, .tt, .tt0, .p, .ad, .ab, .an]')" \
    '[1.5e+300,"AQE=","Aw==","12:05:06.789Z","2024-02-29T06:30:00.000000Z","2024-02-29T12:00:00Z",{"x":1.5,"y":-2},[19723],["AP8="],["1.50","NaN"]]
["NaN","","","08:00:01Z","-0043-03-15T01:02:03.000000Z","+20000-01-01T00:00:00Z","(NaN,0)",null,[],[]]'
}

@test "the events stay the default; what a format has no form for, and a wrong name, are errors" {
  sql 'create table t (id int primary key)'
  slots true
  sql "insert into t values (1)"
  sql "begin; insert into t values (2); prepare transaction 'later'"
  frames 3 two_phase on >frames
  sql "commit prepared 'later'"
  assert_same_file <(cdc-decode --format events <frames) <(cdc-decode <frames)
  for format in wal2json debezium; do
    run --separate-stderr cdc-decode --format "$format" <frames
    assert_status 65
    assert_stderr_has 'no form for transactions that are prepared first'
    [[ $output == *'"id'* && $output != *'"value":2'* && $output != *'"id":2'* ]]
  done
  run --separate-stderr cdc-decode --format avro </dev/null
  assert_status 64
  assert_stderr_has '"avro" is not one of events, debezium, wal2json'
}
