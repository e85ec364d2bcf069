# A snapshot that is interrupted and resumed: whatever is killed, and whatever was changed meanwhile, the target has what the
# source had where the last run begins, and the stream goes on from there.
# shellcheck disable=SC2094,SC2154  # a file is read and written; run sets stderr

load support

setup_file() { start_postgres --own --setting log_min_messages=fatal; }

setup() {
  cd "$BATS_TEST_TMPDIR" || return
  export PGOPTIONS='-c client_min_messages=warning'
  source=src_$BATS_TEST_NUMBER target=dst_$BATS_TEST_NUMBER slot=slot_$BATS_TEST_NUMBER
  sql_in postgres "create database $source"
  sql_in postgres "create database $target"
  mkfifo acks
  exec 8<>acks
}

teardown() { exec 8>&-; }

at_source() { sql_in "$source" "$1"; }
at_target() { sql_in "$target" "$1"; }
both() { at_source "$1" && at_target "$1"; }

# Passes the parts of a snapshot on, up to the end of so many and the first lines of the next one, and loses the rest.
gate() {
  if (($1 == 0)); then exec cat; fi
  awk -v parts="$1" '{ print } /^{"type":"commit"/ { ended++ } ended == parts && ++lines == 50 { exit }'
  # Its output stays open.
  cat >/dev/null
}

# copy PARTS [OPTION…]: the snapshot's way into the target, up to so many parts; 0: all. Leaves what went there in sent.
# The applier begins so many seconds later as `late` says.
copy() {
  local statuses parts=$1
  shift
  cdc-snapshot --dbname "dbname=$source" --publication p --slot "$slot" --create-slot --resume state --acks acks "$@" 2>>errors 8>&- |
    gate "$parts" | tee sent | (sleep "${late:-0}" && exec cdc-apply --dbname "dbname=$target" --source "$slot") 2>>errors >&8
  statuses=("${PIPESTATUS[@]}")
  [[ "${statuses[0]} ${statuses[3]}" == "0 0" ]] || fail "${statuses[*]}: $(tail -n 5 errors)"
}

# interrupt WHAT PARTS [OPTION…]: kills one of the processes once so many parts have arrived and were noted.
interrupt() {
  local what=$1 parts=$2 run pid
  shift
  run=$(($(runs) + 1))
  copy "$@" >/dev/null 3>&- &
  pid=$!
  eventually 10 is_part "$run/$(printf %X "$parts")"
  pkill -9 -P "$pid" -x "$what"
  # The others do not notice.
  while pkill -9 -P "$pid" 2>/dev/null; do sleep 0.05; done
  wait "$pid" || true
}

# What was acknowledged last: RUN/NUMBER.
last_part() { if [[ -e state ]]; then jq -r 'select(.type == "ack") | .part' state | tail -n 1; fi; }

is_part() { [[ $(last_part) == "$1" ]]; }

runs() { if [[ -e state ]]; then grep -c '"type":"run"' state; else echo 0; fi; }

stream() {
  local end
  end=$(at_source 'select pg_current_wal_lsn()')
  cdc-recv --dbname "dbname=$source" --slot "$slot" --publication p --endpos "$end" 2>>errors | cdc-decode | cdc-apply --dbname "dbname=$target" --source "$slot" >/dev/null 2>>errors
}

# assert_equal_sides [PUBLICATION]
assert_equal_sides() { cdc-diff --source "dbname=$source" --target "dbname=$target" --publication "${1:-p}" >differences || fail "$(head differences)"; }

# A table of four ranges: rows with a value that is stored apart, and those without.
readonly table="create table t (id bigint primary key, n int, big text, pad text) with (fillfactor = 90); alter table t alter big set storage external"
readonly rows="insert into t select i, 0, case when i % 40 = 0 then repeat(md5(i::text), 100) end, repeat('p', 400) from generate_series(1, 30000) i"

@test "changes of all kinds between three runs: each ends where its snapshot is, without the stream's help" {
  both "$table; create table small (id int primary key, v text); create table gone (id int primary key, v text); create table log (at int, v text);
    create table part (id int, k int, v text, primary key (id, k)) partition by list (k); create table part_1 partition of part for values in (1); create table part_2 partition of part for values in (2)"
  at_source "$rows; insert into small select i, 'small' from generate_series(1, 100) i; insert into gone select i, 'gone' from generate_series(1, 100) i;
    insert into log select i, 'log' from generate_series(1, 100) i; insert into part select i, 1 + i % 2, 'part' from generate_series(1, 100) i;
    create publication p for table t, small, gone, log, part where (id > 5) with (publish_via_partition_root);
    create publication whole for table t, small, gone, log"
  interrupt cdc-snapshot 7
  (($(at_target 'select count(*) from t') > 0)) || fail "nothing has arrived"
  assert_equal "$(at_target 'select count(*) from log')" 0
  # Rows with large values that stay, in finished ranges and in others; keys that change, and trade places; rows that move to
  # other ranges, into freed space and behind the end; rows that go and come back.
  at_source "delete from t where id % 7 = 0"
  at_source "vacuum t"
  at_source "update t set n = n + 1 where id % 40 = 0; update t set n = 5, pad = repeat('q', 600) where id % 11 = 0"
  at_source "update t set id = -id where id % 13 = 0; update t set id = id + 100000 where id % 40 = 0 and id % 3 = 0"
  at_source "begin; update t set id = 0 where id = 1; update t set id = 1 where id = 2; update t set id = 2 where id = 0; commit"
  at_source "begin; delete from t where id = 80; update t set id = 80 where id = 160; update t set id = 160 where id = 200; commit"
  at_source "insert into t select i, 9, repeat('n', 3000), null from generate_series(7, 30000, 70) i on conflict do nothing; update t set big = null where id between 1000 and 1100"
  at_source "begin; insert into t values (900001, 1, 'never', null); rollback; begin; savepoint s; update t set n = 77 where id = 3; rollback to s; update t set n = 78 where id = 4; commit"
  at_source "truncate gone; insert into gone values (1000, 'new'); delete from small where id < 50; insert into log values (0, 'more'); update part set k = 3 - k where id < 20; delete from part where id = 50;
    update part set id = id + 100 where id < 4; update part set id = id - 1000 where id between 90 and 100"
  interrupt cdc-apply 4
  assert_equal "$(runs)" 2
  at_source "update t set n = n + 1 where id % 9 = 0; delete from t where id % 31 = 0; update t set id = -id where id % 17 = 0; insert into small values (1, 'again'); insert into log values (-1, 'last')"
  at_source "vacuum full small"
  copy 0
  assert_all_equal
  at_source "update t set n = n + 1 where id % 5 = 0; delete from small where id = 1; update t set id = id + 1000000 where id % 40 = 0"
  stream
  assert_all_equal
  assert_equal "$(at_target "select string_agg(source || ' ' || (lsn > '0/0'), '') from sluice.progress")" "$slot true"
}

assert_all_equal() {
  local what="select string_agg(part::text, ' ' order by id, k) from part where id > 5"
  assert_equal_sides whole
  assert_equal "$(at_target "${what% where*}")" "$(at_source "$what")"
}

@test "finished ranges are not read again, and of the others each row is sent once" {
  both "$table"
  at_source "$rows; create publication p for table t"
  interrupt cdc-apply 3 -j 1
  local finished
  finished=$(at_target 'select count(*) from t')
  ((finished > 7000)) || fail "only $finished rows have arrived"
  # What has arrived is passed over where it comes again.
  run --separate-stderr cdc-apply --dbname "dbname=$target" --source "$slot" <sent
  assert_status 65
  assert_equal "$(tail -n 1 <<<"$output" | jq -r .part)" "$(last_part)"
  assert_equal "$(at_target 'select count(*) from t')" "$finished"
  at_source "update t set n = 1 where id = 1"
  copy 0
  # One range had begun; of the finished ones there is the row that was changed.
  local sent
  sent=$(jq -r 'select(.type == "read") | .new.id' sent | sort -u | wc -l)
  ((sent <= 30000 - finished + 7500)) || fail "$sent rows were sent, and $finished had arrived"
  assert_equal "$(grep -c '"type":"read"' sent)" "$sent"
  assert_equal "$(jq -c 'select(.type == "delete") | .old' sent)" '{"id":1}'
  assert_equal_sides
  # What is whole is not read again.
  run --separate-stderr copy 0
  assert_status 0
  grep -q 'the target has the snapshot already' errors
  assert_equal "$(wc -c <sent)" 0
  # Nor is it by one who was killed before it could note that it is whole.
  sed -i '/"type":"whole"/d' state
  copy 0
  assert_equal "$(at_target "select source from sluice.progress")" "$slot"
  assert_equal "$(jq -r .type state | tail -n 1)" whole
  assert_equal_sides
}

@test "whatever is killed while others write, and as often: nothing is lost and nothing is there twice" {
  both "$table; create table log (at int, v text)"
  at_source "$rows; create publication p for table t, log"
  cat >writer.sql <<'SQL'
\set id random(1, 30000)
\set kind random(1, 8)
\if :kind <= 3
update t set n = n + 1 where id between :id and :id + 5;
\elif :kind = 4
update t set id = -id where id = :id and not exists (select from t where id = -:id);
\elif :kind = 5
update t set pad = repeat('m', 500) where id between :id and :id + 20;
\elif :kind = 6
delete from t where abs(id) between :id and :id + 3;
\elif :kind = 7
insert into t values (:id, 7, repeat('i', 3000), null) on conflict do nothing;
\else
insert into log values (:id, 'log');
\endif
SQL
  pgbench --no-vacuum --client 2 --time 5 --rate 800 --file writer.sql "$source" >/dev/null 2>&1 3>&- 8>&- &
  local writer=$! victim pid round before
  for round in 1 2 3 4; do
    victim=cdc-snapshot before=$(runs)
    if ((round % 2)); then victim=cdc-apply; fi
    copy 0 -j 2 >/dev/null 2>&1 3>&- &
    pid=$!
    eventually 5 has_run_again "$before" >/dev/null || true
    sleep "0.0$((RANDOM % 10))"
    pkill -9 -P "$pid" -x "$victim" || true
    wait "$pid" || true
  done
  eventually 5 copied
  wait "$writer" || true
  stream
  assert_equal_sides
  echo "# $(runs) runs" >&3
  (($(runs) > 1)) || fail "nothing was killed in time"
}

has_run_again() { (($(runs) > $1)); }

copied() { copy 0 -j 2 >/dev/null 2>&1; }

@test "an applier that is gone at the end is noticed, through whoever stands between" {
  both "create table t (id int primary key)"
  at_source "insert into t values (1); create publication p for table t"
  run timeout 20 bash -c "cdc-snapshot --dbname dbname=$source --publication p --slot $slot --create-slot --resume state --acks acks 8>&- |
    tee sent | timeout 1 cat >/dev/null; exit \"\${PIPESTATUS[0]}\""
  assert_status 141
  # Nothing was noted as arrived, and it goes on.
  copy 0
  assert_equal_sides
}

@test "a copy that the target has whole, where all acknowledgements were lost: it is not applied once more" {
  both "$table; create table log (at int, v text)"
  at_source "$rows; insert into log select i, 'x' from generate_series(1, 12000) i; create publication p for table t, log"
  copy 0
  for late in 0 1; do
    command jq -c 'select(.type != "ack" and .type != "whole")' state >lost && mv lost state
    at_source "update t set n = n + 1; insert into log values (0, 'later')"
    copy 0
  done
  stream
  assert_equal_sides
}

@test "acknowledgements of something else, and none at all" {
  both "create table t (id int primary key)"
  at_source "insert into t values (1); create publication p for table t"
  echo '{"type":"ack","lsn":"FF/0"}' >old
  cdc-snapshot --dbname "dbname=$source" --publication p --slot "$slot" --create-slot --resume state --acks old |
    cdc-apply --dbname "dbname=$target" --source "$slot" >>old
  assert_equal_sides
  cdc-recv --dbname "dbname=$source" --slot "$slot" --drop-slot
  run --separate-stderr timeout 20 cdc-snapshot --dbname "dbname=$source" --publication p --slot "$slot" --create-slot --resume new --acks - </dev/null
  assert_status 65
  assert_stderr_has 'the acknowledgements end before'
}

@test "a publication that does not tell all, or tells something else than before: 78" {
  both "$table; create table u (id int primary key)"
  at_source "$rows; create publication p for table t, u with (publish = 'insert')"
  run --separate-stderr copy 0
  grep -q 'does not tell of all changes' errors || fail "$(<errors)"
  at_source "alter publication p set (publish = 'insert, update, delete, truncate'); insert into u values (1)"
  interrupt cdc-snapshot 2
  at_source "alter publication p set table t where (n = 0), u"
  run --separate-stderr copy 0
  grep -q 'its row filter, its list of columns or its key is another one' errors || fail "$(<errors)"
  at_source "alter publication p set table t"
  run --separate-stderr copy 0
  grep -q 'does not have that table, or partition, any more' errors || fail "$(<errors)"
}

@test "another target, another slot, a slot that is gone, a state of something else: 78; wrong usage: 64" {
  both "$table"
  at_source "$rows; create publication p for table t"
  interrupt cdc-snapshot 2
  local other=${target}_other
  sql_in postgres "create database $other"
  sql_in "$other" "$table"
  target=$other run --separate-stderr copy 0
  grep -q 'the target lacks what was acknowledged' errors || fail "$(<errors)"
  assert_equal "$(sql_in "$other" 'select count(*) from t')" 0
  slot=other run --separate-stderr copy 0
  grep -q 'is the state of another snapshot' errors || fail "$(<errors)"
  cdc-recv --dbname "dbname=$source" --slot "$slot" --drop-slot
  run --separate-stderr copy 0
  grep -q "replication slot \"$slot\" does not exist" errors || fail "$(<errors)"
  at_source "select pg_create_logical_replication_slot('$slot', 'pgoutput')" >/dev/null
  run --separate-stderr copy 0
  grep -q "replication slot \"$slot\" has moved" errors || fail "$(<errors)"
  rm state
  run --separate-stderr copy 0
  grep -q "there is a slot \"$slot\" already, of which \"state\" does not tell" errors || fail "$(<errors)"
  : >state
  run --separate-stderr copy 0
  grep -q "there is a slot \"$slot\" already" errors || fail "$(<errors)"
  run --separate-stderr cdc-snapshot --publication p --slot s --create-slot --resume state
  assert_status 64
  run --separate-stderr cdc-snapshot --publication p --resume state --acks -
  assert_status 64
  run --separate-stderr cdc-snapshot --publication p --slot s --create-slot --two-phase --resume state --acks -
  assert_status 64
}

@test "replicate --resume goes on with a copy that was interrupted, and then with the stream" {
  both "$table"
  at_source "$rows; create publication p for table t"
  replicate --source "dbname=$source" --target "dbname=$target" --publication p --slot "$slot" --resume --until now --no-loop >/dev/null 2>&1 3>&- 8>&- &
  local pid=$!
  eventually 10 something_arrived
  kill_applier
  wait "$pid" || true
  at_source "update t set n = n + 1, id = -id where id % 3 = 0; delete from t where id % 5 = 0"
  replicate --source "dbname=$source" --target "dbname=$target" --publication p --slot "$slot" --resume --until now
  at_source "update t set n = n + 1 where id % 2 = 0"
  stream
  assert_equal_sides
  assert_equal "$(jq -s 'map(select(.type == "run")) | length' "sluice-$slot.copy")" 2
  # The state tells of a copy that this target does not have.
  sql_in postgres "drop database $target with (force)"
  sql_in postgres "create database $target"
  at_target "$table"
  run --separate-stderr replicate --source "dbname=$source" --target "dbname=$target" --publication p --slot "$slot" --resume --until now
  assert_status 78
  assert_stderr_has 'not at this target'
}

# The one that is at work here.
kill_applier() {
  local process
  for process in $(pgrep -x cdc-apply); do
    if [[ /proc/$process/cwd -ef . ]]; then kill -9 "$process"; fi
  done
}

something_arrived() { [[ -e sluice-$slot.copy ]] && grep -q '"type":"ack"' "sluice-$slot.copy"; }
