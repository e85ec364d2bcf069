# One transaction of many rows, and a sink that stands still: memory stays bounded, and the server is answered in time.
# SLUICE_CDC_ROWS says how many rows (200000), SLUICE_CDC_STALL for how many seconds (7).

# shellcheck disable=SC2016,SC2094,SC2154  # eval expands; a FIFO is read and written; bats sets stderr
load support

setup_file() {
  start_postgres --own --setting wal_sender_timeout=5s --setting logical_decoding_work_mem=1MB
}

setup() {
  cd "$BATS_TEST_TMPDIR" || return
  source=$PGDATABASE target=${PGDATABASE}_target rows=${SLUICE_CDC_ROWS:-200000}
  sql "create table t (id bigint primary key, n int, note text); create publication p for table t"
  sql "create database $target template $source"
  cdc-recv -S large --publication p --create-slot >/dev/null
}

teardown() {
  if [[ -s pids ]]; then xargs kill -KILL <pids 2>/dev/null || true; fi
  eventually 20 eval 'cdc-recv -S large --drop-slot 2>/dev/null'
  sql "drop database $target"
  sql "drop publication p; drop table t"
}

# measured NAME COMMAND…: the command, whose process is noted in pids, and the most memory it had, in KiB, in NAME.kib.
measured() {
  local name=$1
  shift
  /usr/bin/time -f %M -o "$name.kib" "$@"
}

pipe() {
  mkfifo acks
  exec 9<>acks
  local end
  end=$(sql "select pg_current_wal_insert_lsn()")
  measured recv cdc-recv -S large --publication p --no-loop --endpos "$end" --acks acks 9>&- |
    measured decode cdc-decode --memory 32MiB --spool "$BATS_TEST_TMPDIR" 9>&- |
    measured apply cdc-apply -d "dbname=$target" >acks
}

assert_equal_sides() {
  for side in "$source" "$target"; do
    PGDATABASE=$side sql "select count(*), sum(hashtextextended(t::text, 0)) from t"
  done >sums
  assert_equal "$(sort -u sums | wc -l)" 1 "$(cat sums)"
}

@test "one transaction of many rows: no process takes more than 128 MiB, and the server waits for none" {
  sql "begin; insert into t select i, i % 100, 'row number ' || i from generate_series(1, $rows) i;
    update t set n = n + 1 where id % 10 = 0; delete from t where id % 100 = 1; commit"
  run --separate-stderr pipe
  assert_status 0
  assert_equal "$stderr" ""
  assert_equal_sides
  for name in recv decode apply; do
    [[ $(<$name.kib) -le $((128 << 10)) ]] || fail "$name took $(<$name.kib) KiB"
  done
  echo "# $rows rows: $(tail -qn 1 ./*.kib | tr '\n' ' ')KiB" >&3
}

@test "a sink that stands still longer than wal_sender_timeout: nothing is lost, and no connection either" {
  sql "insert into t select i, 0, repeat('x', 100) from generate_series(1, 100000) i"
  sql "update t set n = 1"
  pipe >pipe.log 2>&1 3>&- &
  eventually 20 eval 'pgrep -fx "cdc-apply -d dbname=$target" >/dev/null'
  pgrep -fx "cdc-apply -d dbname=$target" >pids
  xargs kill -STOP <pids
  sleep "${SLUICE_CDC_STALL:-7}"
  assert_equal "$(sql "select count(*) from pg_stat_replication where application_name = 'cdc-recv'")" 1
  xargs kill -CONT <pids
  eventually 60 eval '! pgrep -fx "cdc-apply -d dbname=$target" >/dev/null'
  rm pids
  assert_equal "$(<pipe.log)" ""
  assert_equal_sides
}
