# shellcheck disable=SC2094,SC2154  # a file is read when it is whole; run sets stderr
# cdc-decode: what a real server sends, and what a wire may make of it, against the server's own test_decoding.

load support

setup_file() {
  start_postgres --own --setting wal_level=logical --setting max_prepared_transactions=10
  export PGOPTIONS='-c logical_decoding_work_mem=64kB'
}

setup() {
  cd "$BATS_TEST_TMPDIR" || return
  sql 'set client_min_messages = warning; drop schema if exists public, "My Schema" cascade; create schema public; drop publication if exists p'
  sql 'create publication p for all tables'
}

teardown() { sql "select pg_drop_replication_slot(slot_name) from pg_replication_slots" >/dev/null; }

# slot [NAME PLUGIN]: from here on changes are kept.
slot() { sql "select pg_create_logical_replication_slot('${1:-s}', '${2:-pgoutput}', false, ${3:-false})" >/dev/null; }

frames() { "$SUPPORT/logical-frames" s p "$@"; }

# Events without what differs from run to run.
steady() { command jq -c 'del(.lsn, .end_lsn, .xid, .committed_at, .prepared_at, .rolled_back_at)'; }

@test "each kind of change, NULL and the empty text, keys that change, what TOAST left out" {
  sql "create table t (id int primary key, n numeric, b bool, at timestamptz, j jsonb, note text)"
  sql "alter table t alter note set storage external"
  slot
  sql "insert into t values (1, 1.50, true, '2024-01-31 12:00+00', '{\"a\": [1, 2]}', 'it''s \"q\"' || chr(10)), (2, 'NaN', null, '-infinity', null, '')"
  sql "update t set note = repeat('long', 1000) where id = 1"
  sql "update t set n = 2 where id = 1; update t set id = 3 where id = 1; delete from t where id = 2; truncate t"
  frames 1 | cdc-decode >events
  assert_equal "$(steady <events | sed 's/\(long\)*/&/; s/longlong[long]*/LONG/')" '{"type":"begin"}
{"type":"relation","schema":"public","table":"t","identity":"default","columns":[{"name":"id","type":"integer","key":true},{"name":"n","type":"numeric","key":false},{"name":"b","type":"boolean","key":false},{"name":"at","type":"timestamp with time zone","key":false},{"name":"j","type":"jsonb","key":false},{"name":"note","type":"text","key":false}]}
{"type":"insert","schema":"public","table":"t","new":{"id":1,"n":1.5,"b":true,"at":"2024-01-31T12:00:00+00:00","j":{"a":[1,2]},"note":"it'\''s \"q\"\n"}}
{"type":"insert","schema":"public","table":"t","new":{"id":2,"n":"NaN","b":null,"at":"-infinity","j":null,"note":""}}
{"type":"commit"}
{"type":"begin"}
{"type":"update","schema":"public","table":"t","new":{"id":1,"n":1.5,"b":true,"at":"2024-01-31T12:00:00+00:00","j":{"a":[1,2]},"note":"LONG"}}
{"type":"commit"}
{"type":"begin"}
{"type":"update","schema":"public","table":"t","new":{"id":1,"n":2,"b":true,"at":"2024-01-31T12:00:00+00:00","j":{"a":[1,2]}},"unchanged":["note"]}
{"type":"update","schema":"public","table":"t","old":{"id":1},"new":{"id":3,"n":2,"b":true,"at":"2024-01-31T12:00:00+00:00","j":{"a":[1,2]}},"unchanged":["note"]}
{"type":"delete","schema":"public","table":"t","old":{"id":2}}
{"type":"truncate","relations":[{"schema":"public","table":"t"}],"cascade":false,"restart_identity":false}
{"type":"commit"}'
}

@test "all identities: the key, another index, the whole row" {
  sql "create table t (a int primary key, b int not null unique, c text)"
  slot
  sql "insert into t values (1, 2, 'x'); update t set a = 5"
  sql "alter table t replica identity using index t_b_key; update t set b = 3; alter table t replica identity full; update t set c = null; delete from t"
  frames 1 | cdc-decode | jq -c 'select(.type == "relation" or .old) | [.identity // .type, [.columns[]? | select(.key).name], .old]' >got
  assert_equal "$(<got)" '["default",["a"],null]
["update",[],{"a":1}]
["index",["b"],null]
["update",[],{"b":2}]
["full",["a","b","c"],null]
["update",[],{"a":5,"b":3,"c":"x"}]
["delete",[],{"a":5,"b":3,"c":null}]'
}

# churn: transactions of all kinds, some of which the server streams before their end.
churn() {
  sql "create table t (id int primary key, note text); create table u (id int)"
  slot
  slot oracle test_decoding
  local round
  for round in 1 2 3; do
    sql "begin; insert into t select i, repeat('x', 50) from generate_series($round * 10000, $round * 10000 + 2000) i; savepoint a;
      insert into t select -i from generate_series($round * 10000, $round * 10000 + 2000) i; rollback to a; savepoint b;
      update t set note = 'changed' where id % 7 = 0; release b; savepoint c; savepoint d; delete from t where id % 5 = 0; rollback to c;
      delete from t where id % 3 = 0; insert into u values ($round); commit"
    sql "begin; insert into t select i, repeat('y', 50) from generate_series(500000, 502000) i; rollback"
    sql "insert into u values (-$round)"
    sql "begin; alter table t add column extra$round int default 7; insert into t (id) select -i from generate_series($round * 10000 + 5000, $round * 10000 + 6500) i; commit"
  done
}

@test "protocols 1 to 3 with and without streaming tell the same, as test_decoding does" {
  [[ ${SLUICE_PG_VERSION:-15} == 15 ]] || skip "these servers come without contrib"
  churn
  frames 1 | cdc-decode >whole
  frames 2 streaming on >pieces.frames
  [[ $(grep -ac . pieces.frames) -gt 0 ]]
  cdc-decode <pieces.frames >pieces
  assert_same_file pieces whole
  cdc-decode --memory 0 --spool "$PWD" <pieces.frames >spilled
  assert_same_file spilled whole
  assert_equal "$(find . -name '.sluice*')" ""
  frames 3 streaming on | cdc-decode >third
  assert_same_file third whole
  sql "select data from pg_logical_slot_peek_changes('oracle', null, null, 'skip-empty-xacts', '1', 'include-xids', '1')" |
    sed -nE "s/^(BEGIN|COMMIT) ([0-9]+)$/\L\1 \2/p; s/^table public\.([tu]): ([A-Z]+): .*\bid\[integer\]:(-?[0-9]+).*/\L\2 \1 \3/p" >oracle
  jq -r 'if .type == "begin" or .type == "commit" then "\(.type) \(.xid)" elif .table and .type != "relation" then "\(.type) \(.table) \((.new // .old).id)" else empty end' whole >ours
  assert_same_file ours oracle
}

@test "prepared transactions, streamed or whole, committed and rolled back" {
  sql 'create table t (id int primary key, note text)'
  slot s pgoutput true
  sql "begin; insert into t values (1); prepare transaction 'small'"
  sql "begin; insert into t select i, repeat('x', 100) from generate_series(10, 2000) i; prepare transaction 'large one'"
  sql "commit prepared 'small'"
  # Of what was rolled back the server sends no rows afterwards.
  frames 3 streaming on two_phase on | cdc-decode >before
  assert_equal "$(jq -s 'map(select(.type == "insert")) | length' before)" 1992
  sql "rollback prepared 'large one'"
  frames 3 streaming on two_phase on | cdc-decode >events
  assert_equal "$(jq -r 'select(.type != "insert" and .type != "relation") | "\(.type) \(.gid)"' events)" 'begin small
prepare small
begin large one
prepare large one
commit_prepared small
rollback_prepared large one'
}

@test "messages, in and out of transactions; origins; truncation of several tables" {
  sql "create table a (id serial primary key); create table b (id int references a); select pg_replication_origin_create('elsewhere')" >/dev/null
  slot
  sql "begin; select pg_logical_emit_message(true, 'pre', 'fix'); insert into a default values; select pg_logical_emit_message(false, 'now', '\\xff00'::bytea); rollback" >/dev/null
  sql "select pg_logical_emit_message(true, 'pre', 'text')" >/dev/null
  sql "truncate a, b restart identity; select pg_replication_origin_session_setup('elsewhere'); begin; select pg_replication_origin_xact_setup('0/ABC', now()); insert into a default values; commit" >/dev/null
  frames 1 messages on | cdc-decode >events
  sql "select pg_replication_origin_drop('elsewhere')" >/dev/null
  assert_equal "$(command jq -c 'select(.type == "message" or .type == "truncate" or .origin) | del(.lsn, .xid, .committed_at)' events)" \
    '{"type":"message","prefix":"now","content_base64":"/wA=","transactional":false}
{"type":"message","prefix":"pre","content":"text","transactional":true}
{"type":"begin","origin":"elsewhere","origin_lsn":"0/ABC"}
{"type":"truncate","relations":[{"schema":"public","table":"a"},{"schema":"public","table":"b"}],"cascade":false,"restart_identity":true}'
}

@test "types are named as the catalog names them, and a table that changed is announced again" {
  sql "create type \"Mood\" as enum ('a', 'b'); create domain pos as int; create domain jpos as jsonb; create schema \"My Schema\""
  sql "create table \"My Schema\".\"T \"\"q\" (a varchar(10) primary key, b numeric(10,2), c timestamp(3), d \"Mood\", e pos, f int[], g \"Mood\"[], q jpos, h bit(4), i interval, j char(3), k numeric(5,-2), l \"char\", m time(0) with time zone)"
  slot
  sql "insert into \"My Schema\".\"T \"\"q\" (a, d, e, f, g, q, k, l) values ('x', 'b', 7, '{1,NULL}', '{a,b}', '\"s\"', 12345, 'z')"
  sql "alter table \"My Schema\".\"T \"\"q\" drop column c; insert into \"My Schema\".\"T \"\"q\" (a) values ('y'); alter table \"My Schema\".\"T \"\"q\" rename to renamed; insert into \"My Schema\".renamed (a) values ('z')"
  frames 1 | cdc-decode >events
  assert_equal "$(jq -r 'select(.type == "relation") | [.schema, .table, (.columns | length)] | @csv' events)" '"My Schema","T ""q",14
"My Schema","T ""q",13
"My Schema","renamed",13'
  assert_equal "$(jq -r 'select(.type == "relation").columns[].type' events | head -n 14)" \
    "$(sql "select case when atttypid >= 16384 then case attname when 'd' then '\"public\".\"Mood\"' when 'e' then 'integer' when 'q' then 'jsonb' else '\"public\".\"_Mood\"' end else format_type(atttypid, atttypmod) end
      from pg_attribute where attrelid = '\"My Schema\".renamed'::regclass and attnum > 0 order by attnum" | sed '3s/.*/timestamp(3) without time zone/')"
  assert_equal "$(command jq -c 'select(.type == "insert").new' events | head -n 1)" \
    '{"a":"x","b":null,"c":null,"d":"b","e":7,"f":"{1,NULL}","g":"{a,b}","q":"s","h":null,"i":null,"j":null,"k":12300,"l":"z","m":null}'
}

@test "a stream that is cut anywhere gives the events before the cut, and says where: 65" {
  sql 'create table t (id int primary key, note text)'
  slot
  sql "insert into t values (1, 'one'); update t set id = 2; delete from t"
  frames 1 >frames
  cdc-decode <frames >whole
  local size cut
  size=$(stat -c %s frames)
  for ((cut = 1; cut < size; cut += 1 + RANDOM % 5)); do
    run --separate-stderr cdc-decode < <(head -c "$cut" frames)
    if [[ $status == 0 ]]; then continue; fi
    assert_status 65
    [[ $stderr == *"byte $cut: "* ]] || fail "another place: $stderr"
    head -c ${#output} whole | cmp - <(printf %s "$output")
  done
}

@test "damage is no event: 65 at its byte, or a value that differs, and never a crash" {
  sql 'create table t (id int primary key, note text)'
  slot
  sql "insert into t values (1, 'one'); update t set id = 2; delete from t; truncate t"
  frames 1 >frames
  python3 - <<'PY'
import random, subprocess
frames = bytearray(open("frames", "rb").read())
random.seed(7)
for _ in range(300):
    damaged = bytearray(frames)
    for _ in range(random.randint(1, 3)):
        damaged[random.randrange(len(damaged))] = random.randrange(256)
    result = subprocess.run(["cdc-decode"], input=bytes(damaged), capture_output=True)
    assert result.returncode in (0, 65), (result.returncode, result.stderr)
    assert result.returncode == 0 or b"byte " in result.stderr, result.stderr
PY
}

@test "a reader that is gone is noticed while nothing comes: 141" {
  mkfifo quiet
  { cdc-decode <quiet 3>&- || echo $? >status; } | true &
  exec {hold}>quiet
  eventually 5 test -s status
  exec {hold}>&-
  assert_equal "$(<status)" 141
}

@test "a begin within a transaction means that the server was lost: what was open comes again" {
  sql 'create table t (id int primary key)'
  slot
  sql 'begin; insert into t values (1); insert into t values (2); commit'
  frames 1 >frames
  # All but the insert of 2 and the commit, and then all.
  run --separate-stderr cdc-decode < <(python3 -c '
import sys
data, starts, at = open("frames", "rb").read(), [], 0
while at < len(data):
    starts.append(at)
    at += 1 + int.from_bytes(data[at + 1:at + 5], "big")
sys.stdout.buffer.write(data[:starts[-2]] + data)')
  assert_status 0
  assert_equal "$(jq -r 'select(.type != "relation") | .type' <<<"$output" | xargs)" "begin insert begin insert insert commit"
}
