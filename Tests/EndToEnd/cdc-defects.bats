# The defects of the system that the replication of changes replaces (F1 to F27), each with the test here that would have
# caught it.
#
#     F1   acknowledged before it was written           cdc-apply.bats: "what is acknowledged is committed"; cdc-replicate.bats: "… is durable …"
#     F2   one bad row stops all, or is lost            cdc-apply.bats: "a conflict is an error …", "refused changes are set aside …", "a value that …"
#     F3   a position that goes backwards               below; cdc-recv.bats: "a position is confirmed when all up to it …"
#     F4   a gap between the copy and the stream        cdc-replicate.bats: "… every change once, whatever is written meanwhile (F4)"
#     F5   a copy at every start                        below; cdc-replicate.bats: "every kind of change arrives, and goes on …"
#     F6   tables that are passed over in silence       below; cdc-replicate.bats: "rows look as … never analysed and empty ones too"
#     F7   each range reads the whole table             below
#     F8   WAL that is kept for tables at rest          below; cdc-recv.bats: "… the slot goes on", "a position is confirmed …"
#     F9   a long transaction that is not answered for  cdc-recv.bats: "a reader that stalls: …", "neither in the middle …"
#     F10  whole transactions in memory                 below; cdc-apply.bats: "large transactions …"; cdc-decode.bats: "protocols 1 to 3 …"
#     F11  TRUNCATE, TYPE, ORIGIN, MESSAGE, commits     cdc-decode.bats: "messages, in and out …", "types are named …"; cdc-apply.bats: "truncate …",
#          that are passed over                         "input that ends in the middle …"; cdc-subscription.bats: "020: …", "030: …"
#     F13  NULL becomes a default, '' becomes NULL      below; cdc-apply.bats: "NULL, the empty string and what is unchanged …"
#     F14  columns left out shift the others            cdc-subscription.bats: "031: …"; the filter by rules is later work
#     F15  infinities, real and uuid in copies          cdc-replicate.bats: "rows look as they do in the stream …", "all types arrive …"
#     F17  rows that enter or leave a filter            cdc-subscription.bats: "028: …", the publication's own; that of rules is later work
#     F21  names unquoted; whole rows found by =        below; cdc-apply.bats: "quoted names …", "whole rows find theirs …"
#     F22  a connection that is lost within a batch     below; cdc-apply.bats: "a lost connection …", "killed in the middle …"
#     F23  a missing slot that is made anew             cdc-recv.bats: "a slot that is missing …", "… made anew behind the state …"; cdc-replicate.bats: "a copy that is killed …"
#     F24  examples that do not work                    man.bats: "the examples of every page run"; cdc-apply.bats: "conflicts are resolved as asked"
#     F25  generated columns, roots, two phases, parts  cdc-subscription.bats: "013: …", "015 …" to "023 …", "028: …", "031: …"; cdc-apply.bats: "generated columns …"
#     F26  a copy without values                        cdc-replicate.bats: "rows look as they do in the stream …"; below
#     F27  files that are not durable when it is said   below, of what is set aside; cdc-recv.bats: "the state is written before …"
#
# To later work belong
#
#     F12  a broker that forgets what was confirmed: brokers
#     F16  rules for some operations, and deletes that a filter drops: rules
#     F18  masks by bytes, of short values, old rows and keys: rules
#     F19  a route without operations: routing
#     F20  DDL by one trigger for all, without rights, order or DROP: DDL
#
# and the parts of F14 and F17 that are said above.

# shellcheck disable=SC2154  # run sets stderr

load support
load replicating

setup_file() { start_postgres --own --setting logical_decoding_work_mem=64kB; }

applied() { at_target "select lsn from sluice.progress where source = '$slot'"; }

@test "F3: where the target is goes forwards only, whatever comes again" {
  both "create table t (id int primary key)"
  at_source "create publication p for table t"
  make_slot
  at_source "insert into t values (1)"
  stream
  cp events first
  at_source "insert into t values (2)"
  stream
  local last
  last=$(applied)
  cdc-apply --dbname "dbname=$target" --source "$slot" <first >acks
  assert_equal "$(applied)" "$last"
  # What it acknowledges is where it is, not where the old input ends.
  assert_equal "$(jq -r .lsn acks | sort -u)" "$last"
  assert_equal "$(at_target 'select count(*) from t')" 2
}

@test "F5: what was copied is not copied again; F8: of tables at rest no WAL is kept" {
  both "create table t (id int primary key); create table busy (id int)"
  at_source "create publication p for table t; insert into t select generate_series(1, 10)"
  copy
  at_target "delete from t where id = 7"
  at_source "insert into busy select generate_series(1, 100000)"
  local end
  end=$(at_source "select pg_current_wal_lsn()")
  catch_up
  assert_equal "$(at_target 'select count(*) from t')" 9
  assert_equal "$(sql_in postgres "select confirmed_flush_lsn >= '$end' from pg_replication_slots where slot_name = '$slot'")" t
}

@test "F6: tables of one name in several schemas, of all tables, with partitions below partitions and none at all; F26: with values" {
  both "create schema \"Other\"; create table t (id int primary key, v text); create table \"Other\".t (id int primary key, v text);
    create table parts (id int primary key, v text) partition by range (id); create table lone (id int primary key) partition by range (id)"
  both "create table parts_1 partition of parts for values from (0) to (10) partition by range (id); create table \"Other\".leaf partition of parts_1 for values from (0) to (5)"
  at_source "insert into t values (1, 'public'); insert into \"Other\".t values (1, 'other'); insert into parts values (1, 'leaf'); create publication p for all tables"
  at_source "alter role postgres in database $source set search_path = 'Other'"
  assert_equal "$(snapshot | jq -c 'select(.type == "read") | [.schema, .table, .new]' | sort)" '["Other","leaf",{"id":1,"v":"leaf"}]
["Other","t",{"id":1,"v":"other"}]
["public","t",{"id":1,"v":"public"}]'
  copy
  at_source "update public.t set v = 'P'; update \"Other\".t set v = 'O'; insert into public.parts values (2, 'stream')"
  stream
  assert_equal "$(at_target "select (select v from public.t), (select v from \"Other\".t), (select count(*) from public.parts)")" 'P|O|2'
}

@test "F7: a page is read once, however many ranges the table is cut into" {
  at_source "create table t (id int primary key, v text); alter table t alter v set storage plain; insert into t select i, repeat('x', 2500) from generate_series(1, 15000) i; create publication p for table t"
  local pages before looked
  at_source "select pg_stat_reset()" >/dev/null
  pages=$(at_source "select pg_relation_size('t') / 8192")
  ((pages > 2 * 2048)) || fail "$pages pages are too few"
  before=$(looks)
  assert_equal "$(snapshot -j 2 | grep -c '"type":"read"')" 15000
  sleep 0.5
  looked=$(($(looks) - before))
  ((looked <= pages + 10)) || fail "$looked looks at $pages pages"
}

looks() { at_source "select coalesce(heap_blks_hit + heap_blks_read, 0) from pg_statio_user_tables where relname = 't'"; }

# peak NAME COMMAND…: runs it, and leaves the most memory that it had, in KiB, in the file NAME.
peak() {
  python3 -c 'import resource, subprocess, sys
status = subprocess.run(sys.argv[2:]).returncode
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)' "$@"
}

@test "F10: a transaction that is larger than all memory that is used for it" {
  both "create table t (id int primary key, v text)"
  at_source "create publication p for table t"
  make_slot
  at_source "insert into t select i, repeat(md5(i::text), 32) from generate_series(1, 40000) i"
  local -a statuses
  receive() {
    peak recv.peak cdc-recv --dbname "dbname=$source" --slot "$slot" --publication p --no-loop --endpos "$(at_source 'select pg_current_wal_lsn()')" --streaming on
  }
  receive | peak decode.peak cdc-decode --memory 8MiB --spool . | peak apply.peak cdc-apply --dbname "dbname=$target" --source "$slot" >acks
  statuses=("${PIPESTATUS[@]}")
  assert_equal "${statuses[*]}" "0 0 0"
  assert_equal "$(at_target 'select count(*), sum(length(v)) from t')" '40000|40960000'
  local name
  for name in recv decode apply; do (($(<$name.peak) <= 48 << 10)) || fail "$name: $(<$name.peak) KiB"; done
}

@test "F13: NULL is no default, and '' is not NULL, in the copy and in the stream" {
  at_source "create table t (id int primary key, a text, b int, c text); create publication p for table t; insert into t values (1, null, null, ''), (2, '', 0, null)"
  at_target "create table t (id int primary key, a text default 'default', b int default 7, c text default 'default', d text default 'mine')"
  copy
  at_source "insert into t values (3, null, null, ''), (4, '', 0, null); update t set a = null, c = '' where id = 2; update t set a = '', c = null where id = 1"
  stream
  assert_equal "$(at_target "select id, a is null, a = '', b is null, c is null, c = '', d from t order by id")" '1|f|t|t|t||mine
2|t||f|f|t|mine
3|t||t|f|t|mine
4|f|t|f|t||mine'
}

@test "F21: names that need quotes, of schemas, tables, columns, keys and slots" {
  local long
  long=$(printf 'ö%.0s' {1..31})
  both "create schema \"a.b\"; create table \"a.b\".\"T'\"\"t\" (\"select\" int, \"$long\" text, \"%s \\\\ \$1\" json, primary key (\"select\", \"$long\")); create table \"a.b\".\"T\" (\"x;--\" point, j json); alter table \"a.b\".\"T\" replica identity full"
  at_source "create publication \"P \"\"ub\" for all tables; create publication p for table \"a.b\".\"T\"; insert into \"a.b\".\"T'\"\"t\" values (1, 'k', '{\"a\": 1}'); insert into \"a.b\".\"T\" values ('(1,2)', '{\"b\" :2}'), ('(1,2)', '{\"b\" :2}'), (null, null)"
  replicate --source "dbname=$source" --target "dbname=$target" --publication 'P "ub' --slot "$slot" --check
  copy --publication 'P "ub'
  at_source "update \"a.b\".\"T'\"\"t\" set \"%s \\\\ \$1\" = '[]', \"$long\" = 'l''\\'; delete from \"a.b\".\"T\" where ctid = '(0,1)'; update \"a.b\".\"T\" set j = '3' where j is null"
  received --publication 'P "ub' | cdc-decode | cdc-apply --dbname "dbname=$target" --source "$slot" >acks
  cdc-diff --source "dbname=$source" --target "dbname=$target" --publication 'P "ub' >differences || fail "$(<differences)"
  assert_equal "$(at_target "select count(*), count(*) filter (where j::text = '3') from \"a.b\".\"T\"")" '2|1'
}

@test "F22: a connection that is lost within a batch takes all of the batch with it, and nothing else" {
  both "create table t (id int primary key, v text)"
  at_source "create publication p for table t"
  make_slot
  at_source "insert into t values (1, 'one')"
  at_source "insert into t select i, 'many' from generate_series(2, 3000) i"
  at_source "update t set v = 'last' where id = 1"
  received | cdc-decode >all
  local lines
  lines=$(wc -l <all)
  mkfifo pipe
  cdc-apply --dbname "dbname=$target" --source "$slot" --batch-changes 100 <pipe >acks 2>errors 3>&- &
  local applier=$!
  exec 9>pipe
  # The first transaction, and half of the second: it is being sent, in parts.
  head -n $((lines / 2)) all >&9
  eventually 5 is_in_a_transaction
  assert_equal "$(at_target 'select count(*) from t')" 1
  sql_in postgres "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'cdc-apply' and datname = '$target'" >/dev/null
  tail -n +$((lines / 2 + 1)) all >&9 || true
  exec 9>&-
  local status=0
  wait "$applier" || status=$?
  assert_equal "$status" 69
  assert_equal "$(at_target 'select count(*) from t')" 1
  cdc-apply --dbname "dbname=$target" --source "$slot" <all >acks
  assert_equal_sides
}

is_in_a_transaction() {
  [[ $(sql_in postgres "select state from pg_stat_activity where application_name = 'cdc-apply' and datname = '$target'") == 'idle in transaction' ]]
}

@test "F27: what is set aside is on the disk before it is committed: 74 where it cannot be" {
  both "create table t (id int primary key, n int)"
  at_target "alter table t add check (n > 0)"
  at_source "create publication p for table t"
  make_slot
  at_source "insert into t values (1, 0), (2, 2)"
  received | cdc-decode >all
  run --separate-stderr inject_fault "fsync:aside:1+:EIO" cdc-apply --dbname "dbname=$target" --source "$slot" --park aside <all
  assert_status 74
  assert_output ''
  assert_equal "$(at_target 'select count(*) from t')" 0
  run --separate-stderr cdc-apply --dbname "dbname=$target" --source "$slot" --park aside <all
  assert_status 1
  assert_equal "$(at_target 'select id from t')|$(jq -c 'select(.type == "insert").new.id' "aside/$slot.ndjson" | xargs)" '2|1'
}
