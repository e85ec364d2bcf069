# walrecv when the disk, the server or the way between them fails: what was confirmed is there, and it goes on.

load support
load receiving

setup_file() {
  start_postgres --own --setting max_replication_slots=50 --setting max_wal_senders=20
}

setup() {
  WORK=$(mktemp -d "$BATS_TEST_TMPDIR/work.XXXXXX")
  DIR=$WORK/wal
  SLOT=s${WORK##*.}
  SLOT=${SLOT,,}
  mkdir "$DIR"
  sql "select lsn from pg_create_physical_replication_slot('$SLOT', true)" >"$WORK/reserved"
}

teardown() {
  local pid
  for pid in "$WORK"/*.pid; do kill -CONT "$(<"$pid")" && kill -9 "$(<"$pid")"; done 2>/dev/null || true
  eventually 8 sql "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '$SLOT'"
}

# What is there in the end is what the server has, byte for byte.
is_whole() {
  start_receiver again walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT"
  load 100
  eventually 8 has_flushed "$SLOT"
  stop_receiver again
  holds_all_confirmed "$DIR" "$SLOT"
}

# A receiver with a fault ends with 74, has confirmed no byte that it does not hold, and goes on without the fault.
ends_and_resumes() {
  local fault=$1 status=0
  start_faulty first "$fault" walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT"
  # Beyond the end of a segment, so that files are made, filled, synced and renamed.
  load 2000
  sql 'select pg_switch_wal()' >/dev/null
  load 2000
  wait_receiver first || status=$?
  assert_equal "$status" 74
  grep -q '^walrecv: error: could not' "$WORK/first.err" || fail "no message"
  holds_all_confirmed "$DIR" "$SLOT" || fail "a byte that was confirmed is missing"
  is_whole
}

@test "ENOSPC when a segment is made" { ends_and_resumes open:.partial:1:ENOSPC; }
@test "ENOSPC when a segment is filled with zeros" { ends_and_resumes write:.partial:5:ENOSPC; }
@test "EIO when a segment is filled with zeros" { ends_and_resumes write:.partial:5:EIO; }
@test "ENOSPC when WAL is written" { ends_and_resumes write:.partial:18:ENOSPC; }
@test "EIO when WAL is written" { ends_and_resumes write:.partial:18:EIO; }
@test "EIO when the new segment is synced" { ends_and_resumes fsync:.partial:1:EIO; }
@test "EIO when WAL is synced: the descriptor is never used again" { ends_and_resumes fsync:.partial:3:EIO; }
@test "ENOSPC when WAL is synced" { ends_and_resumes fsync:.partial:4:ENOSPC; }
@test "EIO when a segment is made" { ends_and_resumes open:.partial:1:EIO; }
@test "ENOSPC when the full segment is renamed" { ends_and_resumes rename:0000:1:ENOSPC; }
@test "EIO when the full segment is renamed" { ends_and_resumes rename:0000:1:EIO; }
@test "EIO when the directory is synced" {
  # The file's sync, the directory's, that of data, ...: whichever of the directory's it is.
  ends_and_resumes fsync:/wal:2:EIO
}

@test "ENOSPC when blocks are reserved while it is far behind" {
  load 2000
  sql 'select pg_switch_wal()' >/dev/null
  load 2000
  sql 'select pg_switch_wal()' >/dev/null
  ends_and_resumes allocate:.partial:1:ENOSPC
}

@test "a full disk stays full: nothing is confirmed that is not there, run after run" {
  local run status
  for run in 1 2 3; do
    status=0
    start_faulty "run$run" write:.partial:18+:ENOSPC walrecv -D "$DIR" -S "$SLOT"
    load 500
    wait_receiver "run$run" || status=$?
    assert_equal "$status" 74
    holds_all_confirmed "$DIR" "$SLOT"
  done
  is_whole
}

@test "killed before any of its system calls, it goes on without loss" {
  local call status
  for call in open:.partial:1 open:.partial:2 write:.partial:1 write:.partial:17 write:.partial:2 fsync:/wal:1 \
    fsync:/wal:2 fsync:/wal:3 fsync:/wal:4 rename:0000:1 fsync:.walrecv:1 rename:.walrecv:1; do
    start_faulty "${call//[:\/]/-}" "$call:KILL" walrecv -D "$DIR" -S "$SLOT"
    load 500
    sql 'select pg_switch_wal()' >/dev/null
    load 500
    status=0
    wait_receiver "${call//[:\/]/-}" 2>/dev/null || status=$?
    assert_equal "$status" 137 "$call"
    holds_all_confirmed "$DIR" "$SLOT"
  done
  is_whole
}

@test "a disk that hangs longer than wal_sender_timeout does not cost the connection" {
  export SLUICE_WAIT=$WORK/hangs PGOPTIONS='-c wal_sender_timeout=2s'
  start_faulty slow fsync:.partial:1+:WAIT walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT" --no-loop
  unset PGOPTIONS
  eventually 8 has_flushed "$SLOT"
  local sender confirmed
  touch "$WORK/hangs"
  load 20
  # What was on its way may still have been confirmed.
  sleep 1
  read -r sender confirmed < <(sql "select pid, flush_lsn from pg_stat_replication where application_name = '$SLOT'" | tr '|' ' ')
  sleep 4
  assert_equal "$(sql "select pid, flush_lsn from pg_stat_replication where application_name = '$SLOT'")" "$sender|$confirmed"
  rm "$WORK/hangs"
  eventually 8 has_flushed "$SLOT"
  assert_equal "$(sql "select pid from pg_stat_replication where application_name = '$SLOT'")" "$sender"
  stop_receiver slow
  holds_all_confirmed "$DIR" "$SLOT"
}

@test "stopped in its tracks longer than wal_sender_timeout, it reconnects and loses nothing" {
  PGOPTIONS='-c wal_sender_timeout=1s' start_receiver frozen walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT"
  eventually 8 has_flushed "$SLOT"
  kill -STOP "$(receiver frozen)"
  load 500
  eventually 8 gone "$SLOT"
  kill -CONT "$(receiver frozen)"
  eventually 8 has_flushed "$SLOT"
  stop_receiver frozen
  holds_all_confirmed "$DIR" "$SLOT"
}

gone() { [[ $(sql "select count(*) from pg_stat_replication where application_name = '$1'") == 0 ]]; }

is_synchronous() { [[ $(sql "select sync_state from pg_stat_replication where application_name = '$1'") == sync ]]; }

# Microseconds of 150 commits that wait for the standby NAME.
commits_wait_for() {
  sql "alter system set synchronous_standby_names = '$1'" && sql 'select pg_reload_conf()' >/dev/null
  eventually 8 is_synchronous "$1"
  local begin=${EPOCHREALTIME/./}
  for _ in $(seq 150); do echo "insert into waiting values (1);"; done | psql -XqAt
  echo $((${EPOCHREALTIME/./} - begin))
  sql 'alter system reset synchronous_standby_names' && sql 'select pg_reload_conf()' >/dev/null
}

@test "W1: a commit waits for a write and an fsync, and for no drain or poll" {
  local ours theirs slot=theirs_$SLOT
  sql 'create table waiting (i int)'
  start_receiver ours walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT"
  eventually 8 has_flushed "$SLOT"
  ours=$(commits_wait_for "$SLOT")
  stop_receiver ours
  mkdir "$WORK/theirs"
  sql "select pg_create_physical_replication_slot('$slot', true)" >/dev/null
  start_receiver theirs "$PGHOST/bin/pg_receivewal" -D "$WORK/theirs" -S "$slot" --synchronous
  theirs=$(commits_wait_for pg_receivewal)
  stop_receiver theirs || true
  eventually 8 sql "select pg_drop_replication_slot('$slot')"
  sql 'drop table waiting'
  echo "# 150 commits: walrecv $((ours / 1000)) ms, pg_receivewal $((theirs / 1000)) ms" >&3
  ((ours < theirs * 5)) || fail "$ours us, but pg_receivewal needs $theirs us"
}

has_ended() { ! kill -0 "$(receiver "$1")" 2>/dev/null; }

@test "a server that is silent after the login does not hold up a stop signal" {
  # It lets everybody in, and answers nothing more.
  python3 -c 'import socket, struct, time
s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True)
while True:
    c, _ = s.accept()
    # Encryption of either kind is declined.
    first = c.recv(8)
    while len(first) == 8 and struct.unpack(">ii", first)[1] in (80877103, 80877104):
        c.sendall(b"N")
        first = c.recv(8)
    if len(first) < 8: continue
    c.recv(65536)
    c.sendall(b"R" + struct.pack(">ii", 8, 0) + b"Z" + struct.pack(">i", 5) + b"I")
    globals().setdefault("kept", []).append(c)' >"$WORK/port" 2>/dev/null 3>&- &
  local silent=$!
  eventually 5 test -s "$WORK/port"
  start_receiver stuck walrecv -D "$DIR" -S "$SLOT" --dbname "host=127.0.0.1 port=$(<"$WORK/port") connect_timeout=2"
  sleep 1
  kill -TERM "$(receiver stuck)"
  eventually 5 has_ended stuck
  kill "$silent"
}

@test "a server process that is stopped in its tracks is waited for" {
  start_receiver waiting walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT"
  eventually 8 has_flushed "$SLOT"
  local sender
  sender=$(sql "select pid from pg_stat_replication where application_name = '$SLOT'")
  kill -STOP "$sender"
  load 500
  sleep 1
  kill -CONT "$sender"
  eventually 8 has_flushed "$SLOT"
  stop_receiver waiting
  holds_all_confirmed "$DIR" "$SLOT"
}

@test "a fast shutdown is not held up, and WAL to the shutdown checkpoint is there; then it goes on" {
  start_receiver through walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT"
  load 500
  eventually 8 has_flushed "$SLOT"
  local data home last name
  data=$(sql 'show data_directory')
  home=$(dirname "$data")
  # With the receiver in the way this would end after a minute, with an error.
  su postgres -c "'$home/bin/pg_ctl' stop --pgdata '$data' --mode fast --timeout 60 --silent"
  last=$("$home/bin/pg_controldata" "$data" | sed -n 's/^Latest checkpoint location: *//p')
  name=$("$home/bin/pg_controldata" "$data" | sed -n "s/^Latest checkpoint's REDO WAL file: *//p")
  cp "$DIR/$name.partial" "$WORK/$name"
  "$home/bin/pg_waldump" --start "$last" --limit 1 "$WORK/$name" | grep -q CHECKPOINT_SHUTDOWN
  # The whole record: the end of its segment's used bytes is the server's.
  cmp "$data/pg_wal/$name" "$DIR/$name.partial"
  "$SUPPORT/postgres" start "$(server_directory postgres --own)" >/dev/null 3>&-
  load 100
  eventually 8 has_flushed "$SLOT"
  stop_receiver through
  holds_all_confirmed "$DIR" "$SLOT"
}

@test "kill -9 of the server: it reconnects by itself and loses nothing" {
  start_receiver patient walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT"
  load 500
  eventually 8 has_flushed "$SLOT"
  "$SUPPORT/postgres" stop "$(server_directory postgres --own)" 3>&-
  eventually 8 grep -q 'walrecv: warning' "$WORK/patient.err"
  "$SUPPORT/postgres" start "$(server_directory postgres --own)" >/dev/null 3>&-
  load 500
  eventually 8 has_flushed "$SLOT"
  stop_receiver patient
  holds_all_confirmed "$DIR" "$SLOT"
}

@test "--no-loop: a lost connection is 69" {
  start_receiver once walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT" --no-loop
  eventually 8 has_flushed "$SLOT"
  sql "select pg_terminate_backend(pid) from pg_stat_replication where application_name = '$SLOT'" >/dev/null
  local status=0
  wait_receiver once || status=$?
  assert_equal "$status" 69
}

@test "--min-free: receiving pauses while there is no room, holds up no shutdown, and goes on" {
  start_receiver before walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT"
  eventually 8 has_flushed "$SLOT"
  stop_receiver before
  echo 1000000 >"$WORK/free"
  export SLUICE_FREE=$WORK/free
  start_faulty tight write:nothing:1:EIO walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT" --min-free 1GiB --no-loop
  unset SLUICE_FREE
  eventually 8 grep -q 'receiving pauses' "$WORK/tight.err"
  local before
  before=$(sql "select restart_lsn from pg_replication_slots where slot_name = '$SLOT'")
  load 2000
  assert_equal "$(sql "select restart_lsn from pg_replication_slots where slot_name = '$SLOT'")" "$before"
  "$SUPPORT/postgres" stop "$(server_directory postgres --own)" --mode fast 3>&-
  "$SUPPORT/postgres" start "$(server_directory postgres --own)" >/dev/null 3>&-
  rm "$WORK/free"
  eventually 8 has_flushed "$SLOT"
  grep -q 'receiving goes on' "$WORK/tight.err"
  stop_receiver tight
  holds_all_confirmed "$DIR" "$SLOT"
}

@test "a server that vanished without a word is given up, and found again" {
  PGOPTIONS='-c wal_sender_timeout=2s' start_receiver lonely walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT"
  eventually 8 has_flushed "$SLOT"
  local sender
  sender=$(sql "select pid from pg_stat_replication where application_name = '$SLOT'")
  kill -STOP "$sender"
  eventually 8 grep -q 'the server has said nothing for 2 s' "$WORK/lonely.err"
  kill -CONT "$sender"
  load 100
  eventually 15 has_flushed "$SLOT"
  stop_receiver lonely
  holds_all_confirmed "$DIR" "$SLOT"
}

@test "a server that was set back to an earlier state: nothing received is written over, ever" {
  local server data status=0 used
  server=$(server_directory postgres --own)
  data=$(sql 'show data_directory')
  "$SUPPORT/postgres" stop "$server" --mode fast 3>&-
  cp -a "$data" "$WORK/snapshot"
  "$SUPPORT/postgres" start "$server" >/dev/null 3>&-
  start_receiver good walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT"
  sql "create table acknowledged as select 'acknowledged-commit' || i from generate_series(1, 100) i"
  eventually 8 has_flushed "$SLOT"
  stop_receiver good
  used=$(cat "$DIR"/*.partial | sha256sum)
  grep -q acknowledged-commit "$DIR"/*.partial
  "$SUPPORT/postgres" stop "$server" --mode fast 3>&-
  rm -rf "$data" && mv "$WORK/snapshot" "$data"
  "$SUPPORT/postgres" start "$server" >/dev/null 3>&-
  # Beyond what was received, so that positions alone tell nothing.
  load 3000
  walrecv -D "$DIR" -S "$SLOT" >"$WORK/out" 2>"$WORK/err" || status=$?
  assert_equal "$status" 78
  assert_equal "$(jq -r 'select(.type == "start") | .state' "$WORK/out" | tail -n 1)" diverged
  assert_equal "$(cat "$DIR"/*.partial | sha256sum)" "$used"
  # Told to go on, it keeps what was there, and writes down that the histories part.
  start_receiver marked walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT" --on-gap mark
  eventually 8 has_flushed "$SLOT"
  stop_receiver marked
  assert_equal "$(jq -r .reason "$DIR/gaps.ndjson" | sort -u)" diverged
  walcheck --deep --known-gaps "$DIR/gaps.ndjson" "$DIR"
  grep -q acknowledged-commit "$DIR"/*.diverged-*
  holds_all_confirmed "$DIR" "$SLOT"
}

@test "another directory is put in its place, with another receiver: 74, and nothing of that one is touched" {
  local status=0 partial before
  start_receiver first walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT"
  load 100
  eventually 8 has_flushed "$SLOT"
  mv "$DIR" "$WORK/away"
  mkdir "$DIR"
  start_receiver second walrecv -D "$DIR" --standby-name second
  load 100
  eventually 8 has_flushed second
  kill -STOP "$(receiver second)"
  partial=$(basename "$DIR"/*.partial)
  before=$(sha256sum "$DIR"/*)
  sql 'select pg_switch_wal()' >/dev/null
  wait_receiver first || status=$?
  assert_equal "$status" 74
  grep -q "another directory now" "$WORK/first.err"
  assert_equal "$(sha256sum "$DIR"/*)" "$before"
  kill -CONT "$(receiver second)"
  load 100
  eventually 8 has_flushed second
  stop_receiver second
  # What the first one had is where it was moved to.
  cmp "$WORK/away/$partial" "$DIR/${partial%.partial}"
}

@test "a power loss leaves holes in front of what reached the disk: they are filled, and it goes on" {
  local file used name hole
  start_receiver first walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT"
  sql 'select pg_switch_wal()' >/dev/null
  load 100
  eventually 8 has_flushed "$SLOT"
  kill -KILL "$(receiver first)"
  wait_receiver first || true
  file=$(echo "$DIR"/*.partial)
  name=$(basename "$file" .partial)
  used=$(sql 'select (pg_walfile_name_offset(pg_current_wal_flush_lsn())).file_offset')
  ((used > 12288)) || fail "too little was received: $used"
  # A sector and a half, a whole page, and the very first sector.
  for hole in "$((used / 512 - 3)) 1" "8 8" "0 1"; do
    dd if=/dev/zero of="$file" bs=512 seek="${hole% *}" count="${hole#* }" conv=notrunc status=none
  done
  dd if=/dev/zero of="$file" bs=256 seek=$(((used / 512 - 2) * 2 + 1)) count=1 conv=notrunc status=none
  run ! cmp --silent -n "$used" "$file" "$(sql 'show data_directory')/pg_wal/$name"
  start_receiver again walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT"
  eventually 8 grep -q '"start"' "$WORK/again.out"
  load 10
  eventually 8 has_flushed "$SLOT"
  stop_receiver again
  assert_equal "$(jq -r 'select(.type == "start") | .state' "$WORK/again.out")" resuming
  cmp -n "$used" "$file" "$(sql 'show data_directory')/pg_wal/$name"
  holds_all_confirmed "$DIR" "$SLOT"
}

# The open segment is empty, and all complete ones were moved away.
leave_only_an_empty_partial() {
  local used=1
  while ((used)); do
    sql 'select pg_switch_wal()' >/dev/null
    eventually 8 has_flushed "$SLOT"
    find "$DIR" -name '????????????????????????' -delete
    used=$(cat "$DIR"/*.partial | tr -d '\0' | wc -c)
  done
}

@test "a server that was set back, and is ahead again: noticed where only an empty partial is left" {
  local server data status=0
  server=$(server_directory postgres --own)
  data=$(sql 'show data_directory')
  # So that the server still has what was received.
  sql "alter system set wal_keep_size = '1GB'" && sql 'select pg_reload_conf()' >/dev/null
  "$SUPPORT/postgres" stop "$server" --mode fast 3>&-
  cp -a "$data" "$WORK/snapshot"
  "$SUPPORT/postgres" start "$server" >/dev/null 3>&-
  start_receiver good walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT"
  load 500
  eventually 8 has_flushed "$SLOT"
  leave_only_an_empty_partial
  stop_receiver good
  # With the same server it goes on, and has said nothing else.
  start_receiver again walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT"
  eventually 8 grep -q '"start"' "$WORK/again.out"
  load 100
  leave_only_an_empty_partial
  stop_receiver again
  assert_equal "$(jq -r 'select(.type == "start") | .state' "$WORK/again.out")" resuming
  assert_equal "$(<"$WORK/again.err")" ""
  "$SUPPORT/postgres" stop "$server" --mode fast 3>&-
  rm -rf "$data" && mv "$WORK/snapshot" "$data"
  "$SUPPORT/postgres" start "$server" >/dev/null 3>&-
  for _ in 1 2 3; do load 600 && sql 'select pg_switch_wal()' >/dev/null; done
  timeout 20 walrecv -D "$DIR" -S "$SLOT" --emit-existing >"$WORK/out" 2>"$WORK/err" || status=$?
  assert_equal "$status" 78
  assert_equal "$(jq -r '.type + " " + .state' "$WORK/out")" "start diverged"
  assert_equal "$(find "$DIR" -name '0*' | wc -l)" 1
  # Told to go on, it does, and what it then has is this server's.
  start_receiver marked walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT" --on-gap mark
  eventually 8 has_flushed "$SLOT"
  stop_receiver marked
  is_whole
}

@test "what the server has no more cannot be compared: it says so, and goes on" {
  start_receiver good walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT"
  load 500
  eventually 8 has_flushed "$SLOT"
  leave_only_an_empty_partial
  stop_receiver good
  local data
  data=$(sql 'show data_directory')
  # No slot made later on begins there.
  sql checkpoint
  rm -f "$data/pg_wal/$(jq -r .segment "$DIR/.walrecv.last")"
  start_receiver again walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT"
  load 100
  eventually 8 has_flushed "$SLOT"
  stop_receiver again
  grep -q "cannot be compared with what was received" "$WORK/again.err"
  assert_equal "$(jq -r 'select(.type == "start") | .state' "$WORK/again.out")" resuming
  holds_all_confirmed "$DIR" "$SLOT"
}

@test "a complete segment that the server has otherwise is noticed, although nothing follows it" {
  start_receiver good walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT"
  load 500
  sql 'select pg_switch_wal()' >/dev/null
  eventually 8 has_flushed "$SLOT"
  stop_receiver good
  local complete status=0
  complete=$(compgen -G "$DIR/????????????????????????" | sort | tail -n 1)
  # A byte of a record, as another history would have it.
  printf 'X' | dd of="$complete" bs=1 seek=100000 conv=notrunc status=none
  timeout 20 walrecv -D "$DIR" -S "$SLOT" >"$WORK/out" 2>"$WORK/err" || status=$?
  assert_equal "$status" 78
  [[ $(<"$WORK/err") == *"other WAL than the directory has in ${complete##*/}"* ]]
}

@test "when all complete segments are moved away, the directory still says where it ends" {
  start_receiver good walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT"
  load 500
  sql 'select pg_switch_wal()' >/dev/null
  eventually 8 has_flushed "$SLOT"
  stop_receiver good
  find "$DIR" -name '????????????????????????' -delete
  assert_equal "$(find "$DIR" -name '0*' | wc -l)" 1
  # The slot is made anew further on, and the server has removed what lies between.
  sql "select pg_drop_replication_slot('$SLOT')" >/dev/null
  local status=0 n
  for n in 1 2 3; do load 3000 && sql 'select pg_switch_wal(); checkpoint' >/dev/null; done
  sql "select pg_create_physical_replication_slot('$SLOT', true)" >/dev/null
  for n in 1 2 3; do sql 'checkpoint' >/dev/null; done
  walrecv -D "$DIR" -S "$SLOT" --no-loop --endpos "$(sql 'select pg_current_wal_lsn() - 1')" >"$WORK/out" 2>"$WORK/err" || status=$?
  # Either it was all still there, or it says that it is not; never as if nothing had been.
  [[ $(jq -r 'select(.type == "start") | .state' "$WORK/out") =~ ^(resuming|behind)$ ]]
  [[ $status == 0 || $status == 78 ]]
}

@test "a consumer that does not read its records does not keep commits waiting" {
  # More records than a pipe holds, from files that look like segments.
  local n
  for n in $(seq 1 400); do truncate -s 16M "$(printf '%s/00000001%08X%08X' "$DIR" 0 "$n")"; done
  mkfifo "$WORK/records"
  sleep 60 <>"$WORK/records" 3>&- &
  local reader=$!
  walrecv -D "$DIR" -S "$SLOT" --emit-existing >"$WORK/records" 2>"$WORK/walrecv.err" 3>&- &
  printf '%s\n' "$!" >"$WORK/walrecv.pid"
  # Those files are of the future: it says so, although nobody reads.
  eventually 8 grep -q 'walrecv: error: the directory holds WAL up to' "$WORK/walrecv.err"
  kill "$reader"
}

@test "--status-records: how far it is, and how old the last commit is that is safe" {
  start_receiver good walrecv -D "$DIR" -S "$SLOT" --standby-name "$SLOT" --status-records --status-interval 1
  eventually 8 has_flushed "$SLOT"
  sql "create table clocked (i int)"
  local committed at status
  committed=$(sql "insert into clocked values (1); select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')")
  at=$(sql 'select pg_current_wal_flush_lsn()')
  eventually 8 has_flushed "$SLOT" "$at"
  sleep 2.5
  stop_receiver good
  status=$(command jq -c 'select(.type == "status")' "$WORK/good.out" | tail -n 1)
  assert_equal "$(command jq -c keys_unsorted <<<"$status")" \
    '["type","timeline","received_lsn","flushed_lsn","server_lsn","bytes_behind","last_commit_at","last_commit_age_ms","system_identifier","at"]'
  assert_equal "$(sql "select '$(jq -r .flushed_lsn <<<"$status")'::pg_lsn >= '$at'")" t
  assert_equal "$(jq '.bytes_behind == 0 and .last_commit_age_ms > 1000 and .last_commit_age_ms < 60000' <<<"$status")" true
  [[ $(jq -r .last_commit_at <<<"$status") > ${committed%?} ]] || fail "the last commit is of $(jq -r .last_commit_at <<<"$status")"
  (($(jq -c 'select(.type == "status")' "$WORK/good.out" | wc -l) >= 2)) || fail "there are too few records"
}

@test "a server that does not answer is given up after connect_timeout" {
  local port status=0
  # Whoever listens and says nothing.
  python3 -c 'import socket, time
s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True); time.sleep(60)' >"$WORK/port" 3>&- &
  local silent=$!
  eventually 5 test -s "$WORK/port"
  port=$(<"$WORK/port")
  start_receiver hasty timeout 20 walrecv -D "$DIR" -S "$SLOT" --no-loop \
    --dbname "host=127.0.0.1 port=$port connect_timeout=1"
  wait_receiver hasty || status=$?
  kill "$silent"
  assert_equal "$status" 69
  grep -q 'timeout expired' "$WORK/hasty.err"
}

@test "a reader of the records that goes away ends it" {
  # shellcheck disable=SC2016  # the inner shell expands it
  start_receiver piped bash -c 'set -o pipefail; walrecv -D "$1" -S "$2" --standby-name "$2" | head -n 1' - "$DIR" "$SLOT"
  eventually 8 has_flushed "$SLOT"
  load 2000
  sql 'select pg_switch_wal()' >/dev/null
  load 2000
  local status=0
  wait_receiver piped || status=$?
  assert_equal "$status" 141
}

# The last one: it leaves the first timeline.
@test "ENOSPC and EIO when a history file is written: nothing of the new timeline without it" {
  local data fault status
  data=$(sql 'show data_directory')
  "$SUPPORT/postgres" stop "$(server_directory postgres --own)" 3>&-
  install -o postgres -m 600 /dev/null "$data/standby.signal"
  "$SUPPORT/postgres" start "$(server_directory postgres --own)" >/dev/null 3>&-
  sql 'select pg_promote()' >/dev/null
  sql "select pg_drop_replication_slot('$SLOT'), pg_create_physical_replication_slot('$SLOT', true)" >/dev/null
  load 100
  for fault in open:.history:1:ENOSPC write:.history:1:ENOSPC fsync:.history:1:EIO rename:.history:1:EIO; do
    status=0
    inject_fault "$fault" walrecv -D "$DIR" -S "$SLOT" --no-loop 2>"$WORK/err" >/dev/null || status=$?
    assert_equal "$status" 74 "$fault"
    assert_equal "$(ls -A "$DIR")" ''
  done
  is_whole
  cmp "$DIR/00000002.history" "$data/pg_wal/00000002.history"
}
