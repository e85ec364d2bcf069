# shellcheck disable=SC2094,SC2154  # a file is read when it is whole; run sets stderr
# cdc-decode --format: wal2json held against the plugin itself.

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

@test "the events stay the default; what a format has no form for, and a wrong name, are errors" {
  sql 'create table t (id int primary key)'
  slots true
  sql "insert into t values (1)"
  sql "begin; insert into t values (2); prepare transaction 'later'"
  frames 3 two_phase on >frames
  sql "commit prepared 'later'"
  assert_same_file <(cdc-decode --format events <frames) <(cdc-decode <frames)
  run --separate-stderr cdc-decode --format wal2json <frames
  assert_status 65
  assert_stderr_has 'no form for transactions that are prepared first'
  [[ $output == *'"id'* && $output != *'"value":2'* ]]
  run --separate-stderr cdc-decode --format avro </dev/null
  assert_status 64
  assert_stderr_has '"avro" is not one of events, wal2json'
}
