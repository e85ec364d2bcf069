# cdc-recv against a real server: what it delivers, what it confirms, and where it refuses to begin.

# shellcheck disable=SC2016,SC2030,SC2031,SC2119,SC2120,SC2154  # eval's quotes, subshells, arguments with defaults, `run`
load support

setup_file() {
  start_postgres --own --setting max_prepared_transactions=10 --setting logical_decoding_work_mem=64kB \
    --setting min_wal_size=32MB --setting max_wal_size=32MB \
    --setting datestyle=SQL,DMY --setting bytea_output=escape --setting timezone=Asia/Tokyo
  sql "create table t (id int primary key, s text); create publication p for table t"
}

setup() {
  WORK=$BATS_TEST_TMPDIR
  receivers=()
}

teardown() {
  local receiver
  for receiver in "${receivers[@]}"; do kill -KILL "$receiver" 2>/dev/null || true; done
  if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then tail -n 20 "$WORK"/*.err 2>/dev/null || true; fi
  eventually 10 eval '[[ $(sql "select count(*) from pg_replication_slots where active") == 0 ]]'
  sql "select pg_drop_replication_slot(slot_name) from pg_replication_slots" >/dev/null
  sql "truncate t"
}

slot() { sql "select $1 from pg_replication_slots where slot_name = '${2:-s}'"; }

confirmed() { slot confirmed_flush_lsn "$@"; }

position() { sql 'select pg_current_wal_flush_lsn()'; }

make_slot() { cdc-recv --slot "${1:-s}" --create-slot >/dev/null; }

# Transactions with one row each: 1 to $1, or $1 to $2.
commit() {
  local first=1 last=$1 id
  if (($# > 1)); then first=$1 last=$2; fi
  for ((id = first; id <= last; id++)); do echo "insert into t values ($id, 'row $id');"; done |
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1
}

# Many rows in one transaction, more than the server keeps in memory.
commit_many() { sql "insert into t select i, repeat(md5(i::text), 10) from generate_series($1, $2) i"; }

# receive OPTION…: until it ends by itself. Leaves status and stderr, and frames in $WORK/out.
receive() {
  run --separate-stderr bash -c 'timeout 60 cdc-recv --slot s --publication p "${@:2}" >"$1"' - "$WORK/out" "$@"
}

# start_receiver NAME COMMAND…: in the background, frames in $WORK/NAME.out, messages in NAME.err.
start_receiver() {
  local name=$1
  shift
  "$@" >"$WORK/$name.out" 2>"$WORK/$name.err" 3>&- 4>&- &
  receiver=$!
  receivers+=("$receiver")
}

stop_receiver() {
  status=0
  kill -s "${1:-TERM}" "$receiver"
  wait "$receiver" || status=$?
}

is_active() { [[ $(slot active "$@") == t ]]; }

is_confirmed() { [[ $(sql "select confirmed_flush_lsn >= '$1' from pg_replication_slots where slot_name = '${2:-s}'") == t ]]; }

letters() { frames letters "$WORK/${1:-out}" | tr -d RY; }

frames() { "$SUPPORT/frames" "$@"; }

# assert_refuses CODE MESSAGE OPTION…: ends at once, says what and what to do, and changes nothing.
assert_refuses() {
  local before
  before=$(sql "select slot_name, confirmed_flush_lsn from pg_replication_slots order by 1")
  run --separate-stderr timeout 20 cdc-recv "${@:3}"
  assert_status "$1"
  assert_stderr_has "$2"
  if (($1 == 78)); then assert_stderr_has 'hint: '; fi
  assert_equal "$(sql "select slot_name, confirmed_flush_lsn from pg_replication_slots order by 1")" "$before"
}

# -- command line and slots

@test "options that do not go together, or make no sense: 64" {
  local options
  for options in "" "--slot=s" "--publication=p" "--slot=s --create-slot --drop-slot" "--slot=Bad --publication=p" \
    "--slot=s --publication=p extra" "--slot=s --publication=p --endpos=x" "--slot=s --publication=p --protocol=5" \
    "--slot=s --publication=p --origin=here" "--slot=s --publication=p --max-lag-action=cry" "--create-slot" \
    "--slot=s --publication=p --if-not-exists" "--slot=s --publication=p --failover" "--slot=s --publication=" \
    "--slot=s --drop-slot --if-not-exists" "--slot=s --publication=p --spool-size=1" \
    "--slot=s --publication=p --protocol=2 --two-phase" "--slot=s --publication=p --protocol=3 --streaming=parallel" \
    "--slot=s --publication=p --streaming=perhaps" "--slot=s --publication=p --status-interval=often"; do
    # shellcheck disable=SC2086  # a list of words
    PGHOST=/nowhere run --separate-stderr cdc-recv $options
    assert_status 64
    [[ $stderr == "cdc-recv: error: "* ]] || fail "no message for: $options"
  done
}

@test "a slot is made, with a record, and dropped" {
  run --separate-stderr cdc-recv --slot s --create-slot --publication p
  assert_status 0
  assert_output "{\"type\":\"slot\",\"slot\":\"s\",\"consistent_lsn\":\"$(confirmed)\"}"
  assert_equal "$(slot "plugin, database = current_database(), two_phase")" "pgoutput|t|f"
  run --separate-stderr cdc-recv --slot s --create-slot
  assert_status 78
  assert_stderr_has 'replication slot "s" already exists'
  run --separate-stderr cdc-recv --slot s --create-slot --if-not-exists
  assert_status 0
  assert_output ""
  cdc-recv --slot s --drop-slot
  assert_equal "$(slot '*')" ""
  run --separate-stderr cdc-recv --slot s --drop-slot
  assert_status 78
  cdc-recv --slot s --create-slot --two-phase
  assert_equal "$(slot two_phase)" t
}

@test "no slot is made before its publication, or in the place of another kind" {
  assert_refuses 78 'publication "q" does not exist' --slot s --create-slot --publication p --publication q
  sql "select pg_create_physical_replication_slot('s')" >/dev/null
  assert_refuses 78 'not one for logical decoding' --slot s --create-slot --if-not-exists
}

@test "a slot waits for the transactions that run, and a stop signal ends that" {
  sql "begin; insert into t values (0, ''); select pg_sleep(60)" >/dev/null 2>&1 3>&- &
  local writer=$!
  eventually 5 eval '[[ $(sql "select count(*) from pg_stat_activity where wait_event = '"'PgSleep'"'") == 1 ]]'
  start_receiver slot cdc-recv --slot s --create-slot
  eventually 5 eval '[[ -n $(slot plugin) ]]'
  stop_receiver
  assert_equal "$status" 143
  sql "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'" >/dev/null
  wait "$writer" || true
}

# -- what is delivered

# What pg_recvlogical has of the slot's copy, made beforehand, up to $1, with more options.
by_pg_recvlogical() {
  pg_recvlogical --dbname "$PGDATABASE" --slot copy --start --endpos "$1" --no-loop --file - \
    -o publication_names=p "${@:2}"
}

@test "frames hold what pg_recvlogical delivers" {
  make_slot
  commit 20
  sql "update t set s = 'changed' where id = 7; delete from t where id = 8; truncate t"
  sql "select pg_logical_emit_message(true, 'one', 'two'); select pg_logical_emit_message(false, 'three', 'four')" >/dev/null
  commit_many 1000 5000
  end=$(position)
  commit 6000 6010
  sql "select pg_copy_logical_replication_slot('s', 'copy')" >/dev/null
  receive --endpos "$end" --messages
  assert_status 0
  by_pg_recvlogical "$end" -o proto_version=2 -o messages=true >"$WORK/theirs"
  frames payloads "$WORK/out" | cmp - "$WORK/theirs"
  [[ $(letters) == *T*M*M* ]]
}

@test "the same with transactions that come in parts" {
  make_slot
  commit_many 1 4000
  sql "begin; savepoint a; insert into t select i, repeat(md5(i::text), 10) from generate_series(5001, 8000) i;
    rollback to a; insert into t select i, repeat(md5(i::text), 10) from generate_series(9001, 12000) i; commit"
  end=$(position)
  sql "select pg_copy_logical_replication_slot('s', 'copy')" >/dev/null
  receive --endpos "$end" --streaming on --protocol 2
  assert_status 0
  by_pg_recvlogical "$end" -o proto_version=2 -o streaming=on >"$WORK/theirs"
  frames payloads "$WORK/out" | cmp - "$WORK/theirs"
  [[ $(letters) == *S*E*c*A*c* ]]
}

@test "values look the same whatever the server is set to" {
  sql "create table v (id int primary key, d date, z timestamptz, b bytea, i interval, f float8);
    create publication v for table v"
  make_slot
  sql "insert into v values (1, '2024-02-03', '2024-02-03 04:05:06+00', 'x', '1 day 2 hours', 0.1)"
  receive --publication v --endpos "$(position)"
  assert_status 0
  for value in 2024-02-03 '2024-02-03 04:05:06+00' '\x78' '1 day 02:00:00' 0.1; do
    grep -qaF -- "$value" "$WORK/out" || fail "there is no $value"
  done
  sql "drop publication v; drop table v"
}

@test "prepared transactions come when they are prepared" {
  make_slot two
  cdc-recv --slot s --create-slot --two-phase >/dev/null
  sql "begin; insert into t values (1, ''); prepare transaction 'x'"
  sql "begin; insert into t values (2, ''); prepare transaction 'y'"
  sql "commit prepared 'x'"
  sql "rollback prepared 'y'"
  receive --two-phase --endpos "$(position)"
  assert_status 0
  assert_equal "$(letters)" bIPbIPKr
  receive --slot two --endpos "$(position)"
  assert_equal "$(letters)" BIC
}

@test "an end position: what is committed before it is whole, and nothing else is begun" {
  make_slot
  commit 1
  one=$(position)
  # Begun before the position, and committed behind it.
  psql --no-psqlrc --quiet >/dev/null <<SQL
    begin;
    insert into t values (2, '');
    \! psql --no-psqlrc --quiet -c "insert into t values (3, '')"
    \! psql --no-psqlrc -At -c "select pg_current_wal_flush_lsn()" >"$WORK/two"
    insert into t values (4, '');
    commit;
SQL
  commit 5 5
  receive --endpos "$one"
  assert_status 0
  assert_equal "$(letters)" BIC
  receive --endpos "$(<"$WORK/two")"
  assert_status 0
  assert_equal "$(letters)" BICBIC
  receive --endpos "$(position)"
  assert_equal "$(letters)" BICBICBIICBIC
  # The end of a commit is a position, too.
  ends=$(frames ends "$WORK/out")
  receive --endpos "$(sed -n 3p <<<"$ends")"
  assert_equal "$(frames ends "$WORK/out")" "$(head -n 3 <<<"$ends")"
  receive --endpos "$(sql "select '$(sed -n 3p <<<"$ends")'::pg_lsn - 8")"
  assert_status 0
  assert_equal "$(frames ends "$WORK/out")" "$(head -n 3 <<<"$ends")"
}

@test "an end position where nothing is to be sent, or behind us" {
  make_slot
  # All of it is other tables'.
  sql "create table other as select 1; drop table other"
  receive --endpos "$(position)"
  assert_status 0
  receive --endpos 0/1
  assert_status 0
  [[ ! -s $WORK/out ]]
}

# -- what is confirmed

@test "without acknowledgements nothing that was received is confirmed" {
  make_slot
  commit 3
  before=$(confirmed)
  receive --endpos "$(position)"
  assert_status 0
  assert_equal "$(confirmed)" "$before"
  start_receiver all cdc-recv --slot s --publication p --status-interval 100ms
  eventually 5 eval '[[ $(letters all.out) == BICBICBIC ]]'
  sql "create table other as select 1; drop table other"
  sleep 1
  assert_equal "$(confirmed)" "$before"
  stop_receiver
  assert_equal "$status" 0
  assert_equal "$(confirmed)" "$before"
}

@test "without acknowledgements, and with nothing received, the slot goes on" {
  make_slot
  start_receiver all cdc-recv --slot s --publication p --status-interval 100ms
  sql "create table other as select 1; drop table other"
  eventually 5 is_confirmed "$(position)"
}

@test "a position is confirmed when all up to it is acknowledged, and not before" {
  make_slot
  mkfifo "$WORK/acks"
  start_receiver all cdc-recv --slot s --publication p --acks "$WORK/acks" --status-interval 100ms
  exec 5<>"$WORK/acks"
  commit 4
  eventually 5 eval '[[ $(letters all.out) == BICBICBICBIC ]]'
  before=$(confirmed)
  mapfile -t ends < <(frames ends "$WORK/all.out")
  sleep 0.5
  assert_equal "$(confirmed)" "$before"
  ack() { printf '{"type":"ack","lsn":"%s"}\n' "$1" >&5; }
  ack "${ends[1]}"
  eventually 5 is_confirmed "${ends[1]}"
  # Behind the second end, before the third one: it says nothing of the third.
  ack "$(sql "select '${ends[2]}'::pg_lsn - 8")"
  # Back it does not go.
  ack "${ends[0]}"
  sql "create table other as select 1; drop table other"
  sleep 0.5
  assert_equal "$(confirmed)" "${ends[1]}"
  # Nothing is outstanding then, and what is none of ours does not hold up the slot.
  ack "${ends[3]}"
  sql "create table other as select 1; drop table other"
  eventually 5 is_confirmed "$(position)"
  stop_receiver
  assert_equal "$status" 0
}

@test "neither in the middle of a transaction nor with an open one does the slot go on" {
  make_slot
  : >"$WORK/acks"
  start_receiver all cdc-recv --slot s --publication p --acks "$WORK/acks" --status-interval 100ms \
    -d "options='-c logical_decoding_work_mem=64kB -c wal_sender_timeout=1s'"
  before=$(confirmed)
  mkfifo "$WORK/sql"
  psql --no-psqlrc --quiet <"$WORK/sql" >/dev/null 3>&- &
  exec 6>"$WORK/sql"
  echo "begin; insert into t select i, repeat(md5(i::text), 10) from generate_series(1, 4000) i;" >&6
  eventually 10 eval '[[ $(letters all.out) == S*E ]]'
  after=$(confirmed)
  sleep 1.5
  sql "create table other as select 1; drop table other"
  sleep 0.5
  assert_equal "$(confirmed)" "$after"
  echo "rollback;" >&6
  exec 6>&-
  eventually 10 eval '[[ $(letters all.out) == S*EA ]]'
  eventually 5 is_confirmed "$(position)"
  stop_receiver
}

@test "at the end position the sink is waited for, and the server knows what it acknowledged" {
  make_slot
  mkfifo "$WORK/acks"
  commit 50
  end=$(position)
  bash -o pipefail -c 'cdc-recv --slot s --publication p --acks "$1/acks" --state "$1/state" --endpos "$2" |
    "$SUPPORT/frames" sink "$1/seen" "$1/acks" --delay 0.02' - "$WORK" "$end"
  assert_equal "$(wc -l <"$WORK/seen")" 50
  assert_equal "$(confirmed)" "$(tail -n 1 "$WORK/seen" | cut -d ' ' -f 1)"
  assert_equal "$(jq -r '[.type, .slot, .confirmed_lsn] | join(" ")' "$WORK/state")" "position s $(confirmed)"
}

@test "SIGTERM: what was received is written, and what is acknowledged then is confirmed: 0" {
  make_slot
  : >"$WORK/acks"
  cdc-recv --slot s --publication p --acks "$WORK/acks" --status-interval 60s 2>"$WORK/recv.err" 3>&- \
    > >("$SUPPORT/frames" sink "$WORK/seen" "$WORK/acks" 3>&-) &
  receiver=$!
  receivers+=("$receiver")
  eventually 10 is_active
  commit 20
  eventually 10 eval '[[ -s $WORK/seen ]]'
  stop_receiver
  assert_equal "$status" 0
  assert_equal "$(confirmed)" "$(tail -n 1 "$WORK/seen" | cut -d ' ' -f 1)"
  assert_equal "$(cat "$WORK/recv.err")" ""
}

@test "a line that is no acknowledgement: 65" {
  make_slot
  echo '{"type":"ack","lsn":"perhaps"}' >"$WORK/acks"
  receive --acks "$WORK/acks"
  assert_status 65
}

@test "the state is written before the server is told" {
  make_slot
  mkdir "$WORK/state"
  : >"$WORK/acks"
  start_receiver all cdc-recv --slot s --publication p --acks "$WORK/acks" --state "$WORK/state/s" --status-interval 100ms
  eventually 5 is_active
  eventually 5 test -s "$WORK/state/s"
  # The directory is gone, and with it the state's place: nothing may be confirmed then.
  rm -r "$WORK/state"
  : >"$WORK/state"
  before=$(confirmed)
  commit 1
  eventually 5 eval '[[ $(letters all.out) == BIC ]]'
  printf '{"type":"ack","lsn":"%s"}\n' "$(frames ends "$WORK/all.out")" >>"$WORK/acks"
  status=0
  wait "$receiver" || status=$?
  assert_equal "$status" 74
  assert_equal "$(confirmed)" "$before"
}

# -- slow readers

@test "a reader that stalls: the server is answered all the same" {
  make_slot
  commit_many 1 40000
  mkfifo "$WORK/pipe"
  exec 7<>"$WORK/pipe"
  cdc-recv --slot s --publication p --no-loop --endpos "$(position)" -d "options='-c wal_sender_timeout=1s'" \
    >"$WORK/pipe" 2>"$WORK/recv.err" 3>&- 7>&- &
  receiver=$!
  receivers+=("$receiver")
  eventually 10 is_active
  sleep 5
  is_active || fail "the server has given it up"
  cat "$WORK/pipe" >"$WORK/out" 7>&- 3>&- &
  local reader=$!
  eventually 5 test -s "$WORK/out"
  exec 7>&-
  wait "$receiver"
  wait "$reader"
  assert_equal "$(letters | tr -s I)" BIC
  assert_equal "$(letters | tr -dc I | wc -c)" 40000
}

@test "a reader that stalls: what comes goes into a spool without a name, and is not lost" {
  make_slot
  mkfifo "$WORK/pipe"
  mkdir "$WORK/spool"
  exec 7<>"$WORK/pipe"
  cdc-recv --slot s --publication p --spool "$WORK/spool" --status-interval 200ms \
    >"$WORK/pipe" 2>"$WORK/recv.err" 3>&- 7>&- &
  receiver=$!
  receivers+=("$receiver")
  eventually 10 is_active
  commit_many 1 30000
  commit 30001 30010
  end=$(position)
  # Nobody reads, and all is here.
  eventually 20 eval '[[ $(sql "select write_lsn >= '"'$end'"' from pg_stat_replication") == t ]]'
  assert_equal "$(ls -A "$WORK/spool")" ""
  cat "$WORK/pipe" >"$WORK/out" 7>&- 3>&- &
  local reader=$!
  eventually 5 test -s "$WORK/out"
  exec 7>&-
  eventually 10 eval '[[ $(frames letters "$WORK/out" 2>/dev/null | tr -dc I | wc -c) == 30010 ]]'
  stop_receiver
  wait "$reader"
  assert_equal "$status" 0
}

@test "a spool that is full goes round; the rest stays with the server" {
  make_slot
  commit_many 1 60000
  end=$(position)
  receive --endpos "$end"
  mkfifo "$WORK/pipe"
  # With what the reader has at times, the spool is filled, emptied, and filled again.
  python3 -c 'import sys, time
while block := sys.stdin.buffer.read(500000): sys.stdout.buffer.write(block); time.sleep(0.05)' \
    <"$WORK/pipe" >"$WORK/slow" 3>&- &
  local reader=$!
  cdc-recv --slot s --publication p --spool "$WORK" --spool-size 1MiB --endpos "$end" >"$WORK/pipe"
  wait "$reader"
  cmp <(frames payloads "$WORK/slow") <(frames payloads "$WORK/out")
}

@test "a reader that stalls does not hold up the end" {
  make_slot
  commit_many 1 40000
  mkfifo "$WORK/pipe"
  exec 7<>"$WORK/pipe"
  cdc-recv --slot s --publication p >"$WORK/pipe" 2>"$WORK/recv.err" 3>&- 7>&- &
  receiver=$!
  receivers+=("$receiver")
  eventually 10 is_active
  sleep 1
  SECONDS=0
  stop_receiver
  exec 7>&-
  assert_equal "$status" 0
  ((SECONDS < 8)) || fail "it took $SECONDS s"
}

@test "a reader that goes away: 141, at once" {
  make_slot
  SECONDS=0
  run bash -c 'cdc-recv --slot s --publication p | true; exit "${PIPESTATUS[0]}"'
  assert_status 141
  ((SECONDS < 10))
}

@test "more than the allowed lag: a warning, or 75" {
  make_slot
  commit_many 1 2000
  receive --endpos "$(position)" --max-lag 64KiB
  assert_status 0
  assert_stderr_has 'warning: '
  receive --endpos "$(position)" --max-lag 64KiB --max-lag-action stop
  assert_status 75
}

# -- lost connections

@test "killed again and again: nothing is lost" {
  make_slot
  : >"$WORK/acks"
  commit 100
  local round
  for round in 1 2 3 4 5; do
    cdc-recv --slot s --publication p --acks "$WORK/acks" --state "$WORK/state" 2>>"$WORK/recv.err" 3>&- \
      > >("$SUPPORT/frames" sink "$WORK/seen" "$WORK/acks" --delay 0.01 2>/dev/null 3>&-) &
    receiver=$!
    receivers+=("$receiver")
    commit $((round * 100 + 1)) $((round * 100 + 20))
    sleep 0.5
    stop_receiver KILL
    eventually 10 eval '[[ $(slot active) == f ]]'
  done
  run --separate-stderr bash -c 'cdc-recv --slot s --publication p --acks "$1/acks" --state "$1/state" --endpos "$2" |
    "$SUPPORT/frames" sink "$1/seen" "$1/acks"' - "$WORK" "$(position)"
  assert_status 0
  assert_equal "$(cut -d ' ' -f 2 "$WORK/seen" | sort -nu | wc -l)" 200
  assert_equal "$(cut -d ' ' -f 2 "$WORK/seen" | sort -nu | tail -n 1)" 520
}

@test "a server that crashes in the middle of transactions: nothing is lost" {
  make_slot
  : >"$WORK/acks"
  cdc-recv --slot s --publication p --streaming off --acks "$WORK/acks" --state "$WORK/state" --spool "$WORK" \
    2>"$WORK/recv.err" 3>&- \
    > >("$SUPPORT/frames" sink "$WORK/seen" "$WORK/acks" 3>&-) &
  receiver=$!
  receivers+=("$receiver")
  eventually 10 is_active
  local round
  for round in 1 2 3; do
    seq 600 | sed "s/.*/insert into t select $round * 10000000 + & * 1000 + g, repeat('y', 500) from generate_series(1, 300) g;/" |
      psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 >/dev/null 2>&1 3>&- &
    sleep 0.5
    "$SUPPORT/postgres" kill "$SCRATCH/postgres-own"
    wait $! || true
    "$SUPPORT/postgres" start "$SCRATCH/postgres-own" --version "${SLUICE_PG_VERSION:-15}" >/dev/null 2>&1 3>&-
  done
  commit 1
  eventually 30 eval 'tail -n 1 "$WORK/seen" | grep -q " 1$"'
  stop_receiver
  assert_equal "$status" 0
  assert_equal "$(tr ' ' '\n' <"$WORK/seen" | grep -v / | sort -nu | md5sum)" "$(sql "select id from t order by id" | md5sum)"
  assert_equal "$(confirmed)" "$(tail -n 1 "$WORK/seen" | cut -d ' ' -f 1)"
}

@test "a connection that is lost is made again, and goes on from what is confirmed" {
  make_slot
  : >"$WORK/acks"
  start_receiver all cdc-recv --slot s --publication p --acks "$WORK/acks"
  commit 2
  eventually 5 eval '[[ $(letters all.out) == BICBIC ]]'
  printf '{"type":"ack","lsn":"%s"}\n' "$(frames ends "$WORK/all.out" | head -n 1)" >>"$WORK/acks"
  eventually 5 is_confirmed "$(frames ends "$WORK/all.out" | head -n 1)"
  sql "select pg_terminate_backend(active_pid) from pg_replication_slots" >/dev/null
  eventually 10 eval '[[ $(letters all.out) == BICBICBIC ]]'
  stop_receiver
  assert_equal "$status" 0
}

@test "a server that is shut down lets it go, and is connected to again; with --no-loop 69" {
  make_slot
  : >"$WORK/acks"
  start_receiver one cdc-recv --slot s --publication p --acks "$WORK/acks"
  local one=$receiver
  make_slot other
  start_receiver two cdc-recv --slot other --publication p --no-loop
  eventually 10 is_active other
  eventually 10 is_active s
  commit 1
  eventually 5 eval '[[ $(letters two.out)$(letters one.out) == BICBIC ]]'
  printf '{"type":"ack","lsn":"%s"}\n' "$(frames ends "$WORK/one.out")" >>"$WORK/acks"
  timeout 20 "$SUPPORT/postgres" stop "$SCRATCH/postgres-own" --mode fast
  status=0
  wait "$receiver" || status=$?
  assert_equal "$status" 69
  "$SUPPORT/postgres" start "$SCRATCH/postgres-own" --version "${SLUICE_PG_VERSION:-15}" >/dev/null 3>&-
  commit 2 2
  eventually 10 eval '[[ $(letters one.out) == BICBIC ]]'
  receiver=$one
  stop_receiver
}

# -- where it refuses to begin

@test "a slot that is missing, or of another kind: 78" {
  local options=(--slot s --publication p)
  assert_refuses 78 'replication slot "s" does not exist' "${options[@]}"
  sql "select pg_create_physical_replication_slot('s')" >/dev/null
  assert_refuses 78 'not one for logical decoding' "${options[@]}"
  sql "select pg_drop_replication_slot('s')" >/dev/null
  if sql "select pg_create_logical_replication_slot('s', 'test_decoding')" >/dev/null 2>&1; then
    assert_refuses 78 'output plugin "test_decoding"' "${options[@]}"
    sql "select pg_drop_replication_slot('s')" >/dev/null
  fi
  PGDATABASE=postgres cdc-recv --slot s --create-slot >/dev/null
  assert_refuses 78 'is of the database "postgres"' "${options[@]}"
}

@test "a publication or a database that is missing: 78" {
  make_slot
  assert_refuses 78 'publication "q" does not exist' --slot s --publication p --publication q
  run --separate-stderr cdc-recv --slot s --publication p --dbname nowhere
  assert_status 78
}

@test "a slot that another one uses: 75" {
  make_slot
  start_receiver all cdc-recv --slot s --publication p
  eventually 10 is_active
  run --separate-stderr timeout 20 cdc-recv --slot s --publication p
  assert_status 75
}

@test "a slot that was moved or made anew behind the state: 78" {
  make_slot
  receive --state "$WORK/state" --endpos 0/1
  assert_status 0
  commit 1
  cdc-recv --slot s --drop-slot
  make_slot
  assert_refuses 78 'changes were lost' --slot s --publication p --state "$WORK/state"
  cdc-recv --slot s --drop-slot
  assert_refuses 78 'does not exist' --slot s --publication p --state "$WORK/state"
}

@test "a state file of another cluster or slot: 78; one that is none: 65" {
  make_slot
  receive --state "$WORK/state" --endpos 0/1
  sed 's/"system_identifier":"[0-9]*"/"system_identifier":"1"/' "$WORK/state" >"$WORK/foreign"
  assert_refuses 78 'of the system 1' --slot s --publication p --state "$WORK/foreign"
  sed 's/"slot":"s"/"slot":"r"/' "$WORK/state" >"$WORK/foreign"
  assert_refuses 78 'of the slot "r"' --slot s --publication p --state "$WORK/foreign"
  echo '{}' >"$WORK/foreign"
  assert_refuses 65 'holds no position' --slot s --publication p --state "$WORK/foreign"
}

@test "a slot that the server has given up: 78" {
  make_slot
  sql "alter system set max_slot_wal_keep_size = '16MB'"
  sql "select pg_reload_conf()" >/dev/null
  local _
  for _ in 1 2 3; do
    sql "select pg_logical_emit_message(false, '', repeat('m', 1000)), pg_switch_wal()" >/dev/null
    sql "checkpoint"
  done
  eventually 10 eval 'sql checkpoint; [[ $(slot wal_status) == lost ]]'
  assert_refuses 78 'was invalidated' --slot s --publication p
  sql "alter system reset max_slot_wal_keep_size"
  sql "select pg_reload_conf()" >/dev/null
}

@test "what an older server does not have: 78" {
  make_slot
  if (($(sql 'show server_version_num') < 160000)); then
    for option in --protocol=4 --origin=none --streaming=parallel; do
      run --separate-stderr timeout 20 cdc-recv --slot s --publication p "$option"
      assert_status 78
    done
  fi
  if (($(sql 'show server_version_num') < 170000)); then
    run --separate-stderr timeout 20 cdc-recv --slot carried --create-slot --failover
    assert_status 78
  fi
}

@test "a role that may not replicate: 77; a server that is not there: 69" {
  make_slot
  sql "create role plain login"
  run --separate-stderr timeout 20 cdc-recv --slot s --publication p --username plain
  assert_status 77
  sql "drop role plain"
  run --separate-stderr timeout 20 cdc-recv --slot s --publication p --host /nowhere
  assert_status 69
}

@test "a server that writes no WAL for decoding: 78" {
  local exports
  exports=$("$SUPPORT/postgres" start "$SCRATCH/postgres-replica" --version "${SLUICE_PG_VERSION:-15}" \
    --setting wal_level=replica 3>&-)
  for options in "--publication p" --create-slot; do
    run --separate-stderr bash -c "$exports; timeout 20 cdc-recv --slot s $options"
    assert_status 78
    assert_stderr_has 'wal_level is "replica"'
  done
  "$SUPPORT/postgres" remove "$SCRATCH/postgres-replica"
}

# carry DIRECTORY: what there is up to now, to a sink that acknowledges it, the events' keys in DIRECTORY/seen.
carry() {
  mkdir -p "$1" && { [[ -p $1/acks ]] || mkfifo "$1/acks"; }
  bash -o pipefail -c 'timeout 60 cdc-recv --slot s --publication p --acks "$1/acks" --state "$2/state" --endpos "$3" |
    "$SUPPORT/frames" sink "$1/seen" "$1/acks"' - "$1" "$WORK" "$(position)"
}

@test "a slot that fails over: it goes on at the server that was promoted" {
  [[ ${SLUICE_PG_VERSION:-15} -ge 17 ]] || skip "such slots came with 17"
  local primary=$SCRATCH/postgres-own standby=$SCRATCH/postgres-standby exports
  cdc-recv --slot s --create-slot --failover >/dev/null
  sql "select pg_create_physical_replication_slot('standby', true)" >/dev/null
  "$SUPPORT/postgres" run "$primary" pg_basebackup -D "$PGHOST/backup" -h "$PGHOST" -p "$PGPORT" -U postgres -c fast -X stream
  exports=$("$SUPPORT/postgres" start "$standby" --version "$SLUICE_PG_VERSION" --from "$PGHOST/backup" --signal standby \
    --setting hot_standby_feedback=on --setting sync_replication_slots=on --setting primary_slot_name=standby \
    --setting "primary_conninfo=host=$PGHOST port=$PGPORT user=postgres dbname=$PGDATABASE" 3>&-)
  commit 5
  carry "$WORK/before"
  assert_equal "$(wc -l <"$WORK/before/seen")" 5
  commit 6 10
  last=$(position)
  on_standby() { (eval "$exports" && PGDATABASE=$database sql "$1"); }
  database=$PGDATABASE
  # shellcheck disable=SC2034  # eval reads it
  synced="select synced and not temporary and confirmed_flush_lsn >= '$(confirmed)' from pg_replication_slots where slot_name = 's'"
  eventually 40 eval '[[ $(on_standby "$synced") == t && $(on_standby "select pg_last_wal_replay_lsn() >= '\''$last'\''") == t ]]'
  "$SUPPORT/postgres" kill "$primary"
  on_standby "select pg_promote()" >/dev/null
  (eval "$exports" && PGDATABASE=$database carry "$WORK/after")
  assert_equal "$(wc -l <"$WORK/after/seen")" 5
  "$SUPPORT/postgres" remove "$standby"
  rm -rf "$PGHOST/backup"
  "$SUPPORT/postgres" start "$primary" --version "$SLUICE_PG_VERSION" >/dev/null 3>&-
}
