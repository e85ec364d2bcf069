# walrecv against real servers: the cases of PostgreSQL's 020_pg_receivewal.pl, what it writes and says, and what it
# does where directory, slot and server do not fit together.

# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154  # subshells, jq's quotes, what `run` and others set
load support
load servers

setup_file() {
  export server=main
  # With segments this small the server has thrown away old ones after a checkpoint or two.
  server main --initdb --wal-segsize=1 --setting min_wal_size=2MB --setting max_wal_size=2MB
  export PGDATA
}

setup() { enter_work; }

teardown() {
  show_messages
  if [[ -n ${receiver:-} ]]; then kill -KILL "$receiver"; fi
  # The WAL that one test's slot keeps is another one's that must be gone.
  server main
  sql "alter system reset max_slot_wal_keep_size"
  sql "select pg_reload_conf()" >/dev/null
  eventually 10 eval '[[ $(sql "select count(*) from pg_replication_slots where active") == 0 ]]'
  sql "select pg_drop_replication_slot(slot_name) from pg_replication_slots" >/dev/null
}

slot() { sql "select $1 from pg_replication_slots where slot_name = '$2'"; }

# Its WAL begins in the present segment.
make_slot() {
  sql checkpoint
  sql "select pg_create_physical_replication_slot('$1', true)" >/dev/null
}

# Makes the server throw away what no slot keeps.
forget_wal() {
  for _ in 1 2 3 4 5 6; do switch_wal; done
  sql checkpoint
  switch_wal
  sql checkpoint
}

# Ends with 78 without trying again, says what is given, and has changed nothing in the directory.
assert_refuses() {
  local before
  before=$(cd "$WAL" && sha256sum ./* | sort)
  receive "${@:3}"
  assert_status 78
  assert_equal "$(record_of start <(printf '%s\n' "$output") | jq -r .state)" "$1"
  assert_stderr_has "$2"
  assert_equal "$(cd "$WAL" && sha256sum ./* | sort)" "$before"
}

# receive_segments N: by the slot s; of the one behind them there is a part.
receive_segments() {
  local count
  for ((count = 0; count < $1; count++)); do switch_wal; done
  end=$(position)
  emit
  receive --slot s --endpos "$end" --no-loop
  assert_status 0
}

# -- command line

@test "options that do not go together" {
  local options
  for options in "" "--create-slot --drop-slot --slot=s" "--create-slot" "--drop-slot" "--no-sync -D $WAL" \
    "--synchronous --no-sync -D $WAL" "--compress=gzip -D $WAL" "--temporary-slot -D $WAL" "-D $WAL extra" \
    "--create-slot --temporary-slot --slot=s" "-D $WAL --endpos=nonsense" "-D $WAL --on-gap=perhaps" \
    "-D $WAL --min-free=1GiB" "-D $WAL --min-free=1GiB --slot=s --temporary-slot" \
    "-D $WAL --status-interval=often" "-D $WAL --slot=Bad-Name" "--drop-slot --slot=Bad-Name" "-D $WAL --slot="; do
    # shellcheck disable=SC2086  # a list of words
    PGHOST=/nowhere run --separate-stderr walrecv $options
    assert_status 64
    [[ $stderr == "walrecv: error: "* ]] || fail "no message for: $options"
  done
}

@test "a directory that is not there, and a server that is not there" {
  rmdir "$WAL"
  receive --slot s
  assert_status 74
  assert_stderr_has "$WAL"
  mkdir "$WAL"
  receive --host /nowhere
  assert_status 69
}

# -- slots

@test "a slot is made and dropped; it keeps no WAL yet, or with --reserve-wal it does" {
  walrecv --slot s --create-slot
  assert_equal "$(slot "slot_type, restart_lsn is null" s)" "physical|t"
  run --separate-stderr walrecv --slot s --create-slot
  assert_status 78
  assert_stderr_has 'replication slot "s" already exists'
  walrecv --slot s --create-slot --if-not-exists
  walrecv --slot s --drop-slot
  assert_equal "$(slot '*' s)" ""
  run --separate-stderr walrecv --slot s --drop-slot
  assert_status 78
  walrecv --slot s --create-slot --reserve-wal
  assert_equal "$(slot "restart_lsn is null" s)" "f"
}

@test "a slot that is missing is an error with --no-create-slot, and is made otherwise" {
  receive --slot missing --no-create-slot
  assert_status 78
  assert_stderr_has 'replication slot "missing" does not exist'
  assert_equal "$(names_in "$WAL")" ""
  switch_wal
  receive --slot missing --endpos "$(position)" --no-loop & receiver=$!
  eventually 10 eval '[[ $(slot active missing) == t ]]'
  emit
  wait "$receiver"
  receiver=
  assert_equal "$(slot "restart_lsn is null" missing)" f
}

@test "a slot for logical decoding, and a server that has no WAL to give: 78" {
  server other --initdb --wal-segsize=1 --setting wal_level=logical
  sql "select pg_create_logical_replication_slot('decoding', 'pgoutput')" >/dev/null
  receive --slot decoding
  assert_status 78
  assert_stderr_has logical
  stop_server other
  sql_settings="wal_level = minimal
max_wal_senders = 0"
  printf '%s\n' "$sql_settings" >>"$PGDATA/postgresql.auto.conf"
  rm -rf "$PGDATA/pg_replslot/decoding"
  server other
  receive --slot s
  assert_status 78
  assert_equal "$(names_in "$WAL")" ""
  remove_server other
}

@test "a role that may not replicate: 77" {
  sql "create role plain login" || true
  run --separate-stderr timeout 20 walrecv -D "$WAL" -S s --username plain
  assert_status 77
  sql "drop role plain"
}

@test "a slot for standbys is the server's to refuse: 78" {
  run --separate-stderr walrecv -D "$WAL" -S carried --create-slot --failover
  assert_status 78
}

@test "an end position that is behind us: nothing is waited for" {
  make_slot s
  receive_segments 1
  rm "$WAL"/????????????????????????
  # The server writes nothing meanwhile.
  SECONDS=0
  receive --slot s --endpos "$(sql "select restart_lsn - (1 << 20) from pg_replication_slots where slot_name = 's'")" --no-loop
  assert_status 0
  ((SECONDS < 8)) || fail "it waited for $SECONDS s"
}

@test "the first of several hosts says nothing: connect_timeout goes on to the next" {
  make_slot s
  python3 -c 'import socket, time
s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True); time.sleep(60)' >"$WORK/port" 3>&- &
  local silent=$!
  eventually 5 test -s "$WORK/port"
  end=$(position)
  emit
  receive --slot s --endpos "$end" --no-loop \
    --dbname "host=127.0.0.1,$PGHOST port=$(<"$WORK/port"),$PGPORT user=postgres connect_timeout=2"
  kill "$silent"
  assert_status 0
}

@test "a temporary slot goes with the connection" {
  start_receiver --slot passing --temporary-slot
  eventually 10 eval '[[ $(slot temporary passing) == t ]]'
  stop_receiver
  assert_status 0
  eventually 10 eval '[[ -z $(slot temporary passing) ]]'
}

@test "an empty directory begins at the segment of the slot's restart_lsn" {
  make_slot s
  first=$(sql "select pg_walfile_name(restart_lsn) from pg_replication_slots")
  receive_segments 2
  assert_equal "$(names_in "$WAL" | head -n 1)" "$first"
  assert_equal "$(jq -r 'select(.type == "start").state' <<<"$output")" fresh
  assert_equal "$(segments | wc -l)" 2
  assert_as_on_server
}

# -- segments, for all sizes

# With segments of $1 MiB: an end position leaves one partial, that becomes complete, and so on.
check_endings() {
  make_slot endings
  emit
  end=$(position)
  switch_wal
  emit
  receive --slot endings --endpos "$end" --no-loop
  assert_status 0
  assert_equal "$(partials | wc -l)" 1
  assert_equal "$(segments)" ""
  assert_equal "$(stat -c %s "$WAL"/*.partial)" $(($1 << 20))
  first=$(basename "$(partials)" .partial)
  cmp --bytes 8192 "$WAL/$first.partial" "$PGDATA/pg_wal/$first"

  # The last thing is partial: its segment is received again.
  end=$(position)
  switch_wal
  emit
  receive --slot endings --endpos "$end" --no-loop
  assert_status 0
  assert_equal "$(jq -r 'select(.type == "start").state' <<<"$output")" resuming
  assert_equal "$(segments)" "$first"
  assert_equal "$(partials | wc -l)" 1

  # The last thing is complete: the next one follows.
  rm "$WAL"/*.partial
  switch_wal
  end=$(position)
  emit
  receive --slot endings --endpos "$end" --no-loop
  assert_status 0
  assert_equal "$(segments | wc -l)" 3
  assert_equal "$(partials | wc -l)" 1
  assert_as_on_server
}

@test "--endpos leaves exactly one partial; resuming behind a partial and behind a complete segment: 1 MiB" {
  check_endings 1
}

# A slot that is made anew ahead of the directory, and one that the server gave up.
check_slots() {
  rm -f "$WAL"/*
  make_slot s
  receive_segments 1
  assert_equal "$(sql "select restart_lsn >= '$end' from pg_replication_slots where slot_name = 's'")" t
  walrecv --slot s --drop-slot
  forget_wal
  make_slot s
  assert_refuses behind "--on-gap=mark" --slot s
  assert_goes_on --on-gap=mark
  sql "alter system set max_slot_wal_keep_size = '1MB'"
  sql "select pg_reload_conf()" >/dev/null
  forget_wal
  assert_equal "$(slot wal_status s)" lost
  assert_refuses behind "--on-gap=mark" --slot s
}

@test "a slot made anew ahead, and one given up, with segments of 1 MiB" {
  check_slots
}

# With segments of $1 MiB.
check_size() {
  server "s$1" --initdb --wal-segsize="$1" --setting min_wal_size=$((2 * $1))MB --setting max_wal_size=$((2 * $1))MB
  check_endings "$1"
  walrecv --slot endings --drop-slot
  check_slots
  remove_server "s$1"
}

@test "the same with segments of 16 MiB" {
  check_size 16
}

@test "the same with segments of 64 MiB" {
  check_size 64
}

@test "the record that ends at --endpos is there, and what comes behind need not be" {
  make_slot s
  emit 3000
  end=$(position)
  emit 30
  receive --slot s --endpos "$end" --no-loop
  assert_status 0
  name=$(sql "select pg_walfile_name('$end')")
  bytes=$(sql "select (pg_walfile_name_offset('$end')).file_offset")
  cmp --bytes "$bytes" "$WAL/$name.partial" "$PGDATA/pg_wal/$name"
}

@test "files are as private as the cluster: 0600, and with group access 0640" {
  make_slot s
  receive_segments 1
  assert_equal "$(find "$WAL" -type f -printf '%m\n' | sort -u)" 600
  server group --initdb --allow-group-access --initdb --wal-segsize=1
  WAL=$WORK/group
  mkdir "$WAL"
  make_slot s
  receive_segments 1
  assert_equal "$(find "$WAL" -type f -printf '%m\n' | sort -u)" 640
  remove_server group
}

# -- records

@test "a segment's record has these members in this order" {
  make_slot s
  name=$(sql "select pg_walfile_name(pg_current_wal_insert_lsn())")
  receive_segments 1
  system=$(sql "select system_identifier from pg_control_system()")
  number=$((16#${name:8:8}${name:18:6}))
  expected=$(printf '"start_lsn":"0/%X","end_lsn":"0/%X","path":"%s","bytes":%d,"system_identifier":"%s"}' \
    $((number << 20)) $(((number + 1) << 20)) "$WAL/$name" $((1 << 20)) "$system")
  assert_equal "$(record_of segment <(printf '%s\n' "$output") | head -n 1)" \
    '{"type":"segment","timeline":1,"segment":"'"$name"'",'"$expected"
}

@test "the start record says where, why, and what slot and server say" {
  make_slot s
  end=$(position)
  emit
  receive --slot s --endpos "$end" --no-loop
  assert_equal "$(head -n 1 <<<"$output" | command jq -r 'keys_unsorted | join(" ")')" \
    "type state timeline start_lsn slot restart_lsn server_timeline server_lsn system_identifier detail at"
}

@test "--emit-existing begins with the complete segments that are there" {
  make_slot s
  receive_segments 2
  first=$(record_of segment <(printf '%s\n' "$output"))
  assert_equal "$(wc -l <<<"$first")" 2
  receive --slot s --endpos "$end" --no-loop
  assert_equal "$(record_of segment <(printf '%s\n' "$output"))" ""
  receive --slot s --endpos "$end" --no-loop --emit-existing
  assert_equal "$(record_of segment <(printf '%s\n' "$output"))" "$first"
}

@test "a consumer sees each record while the receiver runs" {
  start_receiver --slot s
  eventually 10 has_flushed walrecv
  switch_wal
  eventually 10 eval '[[ $(record_of segment | wc -l) == 1 ]]'
  stop_receiver
  assert_status 0
}

# -- endings

@test "SIGTERM and SIGINT end it with 0, a partial is left, and nothing is lost" {
  for signal in TERM INT; do
    # What a shell has in the background ignores SIGINT.
    if [[ $signal == INT ]]; then set -m; fi
    start_receiver --slot s
    set +m
    eventually 10 has_flushed walrecv
    emit 3000000
    eventually 10 has_flushed walrecv
    end=$(position)
    stop_receiver "$signal"
    assert_status 0
    assert_equal "$(partials | wc -l)" 1
    assert_equal "$(slot "restart_lsn >= '$end'" s)" t
  done
  assert_as_on_server
  name=$(sql "select pg_walfile_name('$end')")
  cmp --bytes "$(sql "select (pg_walfile_name_offset('$end')).file_offset")" "$WAL/$name.partial" "$PGDATA/pg_wal/$name"
}

@test "two receivers in one directory: the second ends with 75" {
  start_receiver --slot s
  eventually 10 has_flushed walrecv
  receive --slot other
  assert_status 75
  assert_stderr_has "$WAL"
  stop_receiver
}

@test "a slot that another one uses: 75 with --no-loop, and otherwise it is waited for" {
  start_receiver --slot s
  eventually 10 has_flushed walrecv
  first=$receiver
  WAL=$WORK/second
  mkdir "$WAL"
  receive --slot s --no-loop
  assert_status 75
  start_receiver --slot s
  sleep 0.5
  kill -TERM "$first"
  emit
  eventually 10 has_flushed walrecv
  stop_receiver
  assert_status 0
}

@test "a server that is restarted, or killed, is waited for" {
  start_receiver --slot s
  eventually 10 has_flushed walrecv
  for how in fast immediate; do
    stop_server main "$how"
    server main
    emit 2000000
    eventually 20 has_flushed walrecv
  done
  stop_receiver
  assert_status 0
  assert_as_on_server
}

# -- timelines

@test "a standby that is promoted is followed to timeline 2" {
  clone standby
  start_receiver --slot s
  eventually 10 has_flushed walrecv
  sql "select pg_promote()" >/dev/null
  emit 3000000
  eventually 20 has_flushed walrecv
  stop_receiver
  assert_status 0
  assert_equal "$(names_in "$WAL" | cut -c 1-8 | uniq | xargs)" "00000001 00000002"
  assert_same_file "$WAL/00000002.history" "$PGDATA/pg_wal/00000002.history"
  assert_as_on_server
  branch=$(cut -f 2 "$WAL/00000002.history")
  expected=$(printf '"start_lsn":"%s","path":"%s","bytes":%d,"system_identifier":"%s"}' "$branch" \
    "$WAL/00000002.history" "$(stat -c %s "$WAL/00000002.history")" \
    "$(sql "select system_identifier from pg_control_system()")")
  assert_equal "$(record_of timeline)" '{"type":"timeline","timeline":2,"segment":"00000002.history",'"$expected"
  remove_server standby
}

# -- directory, slot and server that do not fit together

# A directory with two complete segments and a partial, and no slot on the server.
leave_behind() {
  make_slot s
  receive_segments 2
  sql "select pg_drop_replication_slot('s')" >/dev/null
}

# What went on behind a gap, up to now, is what the server has.
assert_goes_on() {
  start_receiver --slot s "$@"
  eventually 10 has_flushed walrecv
  switch_wal
  eventually 10 has_flushed walrecv
  stop_receiver
  assert_status 0
  assert_as_on_server
}

# walcheck takes what was written down for what it is.
assert_gaps_are_known() {
  run --separate-stderr walcheck --deep --known-gaps "$WAL/gaps.ndjson" "$WAL"
  assert_status 0
}

@test "a slot that was dropped and made anew: behind, 78, and --on-gap=mark goes on" {
  leave_behind
  last=$(partials)
  forget_wal
  make_slot s
  before=$(slot restart_lsn s)
  # Asking in vain does not move the slot back to where there is nothing any more.
  for _ in 1 2 3 4 5; do assert_refuses behind "--on-gap=mark" --slot s; done
  assert_equal "$(slot restart_lsn s)" "$before"
  assert_goes_on --on-gap=mark
  gap=$(record_of gap)
  assert_equal "$(jq -r '[.timeline, .end_timeline, .reason] | join(" ")' <<<"$gap")" "1 1 behind"
  assert_equal "$(sql "select pg_walfile_name('$(jq -r .start_lsn <<<"$gap")'::pg_lsn + 1) || '.partial'")" "$last"
  assert_equal "$(sql "select '$(jq -r .end_lsn <<<"$gap")'::pg_lsn > '$(jq -r .start_lsn <<<"$gap")'::pg_lsn")" t
  run --separate-stderr walcheck "$WAL"
  assert_status 1
  assert_gaps_are_known
}

@test "a slot that begins where the server's WAL is gone is of no use, and is renewed" {
  leave_behind
  make_slot s
  before=$(slot restart_lsn s)
  switch_wal
  sql checkpoint
  # As after an accident in the server's directory.
  rm "$PGDATA/pg_wal/$(sql "select pg_walfile_name('$before')")"
  assert_refuses behind "--on-gap=mark" --slot s
  assert_goes_on --on-gap=mark
  assert_equal "$(sql "select '$(slot restart_lsn s)'::pg_lsn > '$before'")" t
  assert_gaps_are_known
}

@test "without a slot, WAL that the server has removed: 78 and no loop" {
  leave_behind
  forget_wal
  before=$(grep -c 'has already been removed' "$PGDATA/../log" || true)
  assert_refuses behind "has already been removed"
  assert_equal "$(grep -c 'ERROR:.*has already been removed' "$PGDATA/../log")" $((before + 1))
}

@test "a slot that the server gave up: 78 and no loop, and --on-gap=mark renews it" {
  make_slot s
  receive_segments 1
  sql "alter system set max_slot_wal_keep_size = '1MB'"
  sql "select pg_reload_conf()" >/dev/null
  forget_wal
  assert_equal "$(slot wal_status s)" lost
  assert_refuses behind "--on-gap=mark" --slot s
  assert_goes_on --on-gap=mark
  assert_equal "$(record_of gap | jq -r .reason)" behind
  assert_equal "$(slot wal_status s)" reserved
  assert_gaps_are_known
}

@test "--on-gap=fail is what is done anyway" {
  leave_behind
  forget_wal
  make_slot s
  assert_refuses behind "--on-gap=mark" --slot s --on-gap=fail
}

@test "a directory where no segment is whole is not fresh: it goes on there, or says that it cannot" {
  make_slot s
  receive_segments 2
  first=$(segments | head -n 1)
  find "$WAL" -type f ! -name "$first" -delete
  truncate -s 1000 "$WAL/$first"
  # The server has it still.
  receive --slot s --endpos "$(sql "select '$end'::pg_lsn - 1")" --no-loop
  assert_status 0
  assert_equal "$(jq -r 'select(.type == "start").state' <<<"$output")" resuming
  assert_equal "$(segments | head -n 1)" "$first"
  assert_as_on_server
  # And now no more.
  find "$WAL" -type f ! -name "$first" -delete
  truncate -s 1000 "$WAL/$first"
  sql "select pg_drop_replication_slot('s')" >/dev/null
  forget_wal
  make_slot s
  assert_refuses behind "--on-gap=mark" --slot s
  # Names of a cluster with other segments, and a foreign history.
  for name in 0000000100000000000000FF 0000000100000000000FFFFF.partial 00000007.history; do
    rm "$WAL"/0*
    echo "1	0/3000000	no reason" >"$WAL/$name"
    receive --slot s --no-loop --endpos 0/1
    assert_status 78
  done
}

@test "segments that pg_receivewal compressed: 78, and not fresh" {
  make_slot s
  for name in 000000010000000000000001.gz 000000010000000000000001.lz4 000000010000000000000001.gz.partial; do
    : >"$WAL/$name"
    receive --slot s --no-loop --endpos 0/1
    assert_status 78
    assert_stderr_has Decompress
    assert_equal "$(names_in "$WAL")" "$name"
    rm "$WAL/$name"
  done
}

@test "another cluster, with a slot of the same name: 78, whatever --on-gap says" {
  leave_behind
  server other --initdb --wal-segsize=1
  make_slot s
  assert_refuses other_system "$(sql "select system_identifier from pg_control_system()")" --slot s
  assert_refuses other_system "of its own" --slot s --on-gap=mark
  remove_server other
}

@test "another cluster, and nothing is left but an empty partial: 78" {
  start_receiver --slot s
  eventually 10 has_flushed walrecv
  switch_wal
  eventually 10 has_flushed walrecv
  stop_receiver
  rm "$WAL"/????????????????????????
  # The server may have written something meanwhile.
  truncate -s 0 "$WAL"/*.partial
  truncate -s 1M "$WAL"/*.partial
  server other --initdb --wal-segsize=1
  make_slot s
  for _ in 1 2 3 4 5 6; do switch_wal; done
  assert_refuses other_system "of its own" --slot s
  assert_equal "$(names_in "$WAL" | wc -l)" 1
  remove_server other
}

@test "a cluster that is made anew while the receiver runs: 78" {
  sockets=$(mktemp -d /tmp/sluice-pg.XXXXXX)
  chmod 777 "$sockets"
  options=(--initdb --wal-segsize=1 --setting "unix_socket_directories=$sockets" --setting port=5432)
  server anew "${options[@]}"
  PGHOST=$sockets PGPORT=5432
  start_receiver --slot s
  eventually 10 has_flushed walrecv
  switch_wal
  emit
  eventually 10 has_flushed walrecv
  before=$(cd "$WAL" && sha256sum ./* | sort)
  remove_server anew
  server anew "${options[@]}"
  wait_receiver
  assert_status 78
  grep -q "made anew" "$WORK/messages"
  assert_equal "$(cd "$WAL" && sha256sum ./* | sort)" "$before"
  remove_server anew
  rm -rf "$sockets"
}

@test "a clone that was promoted before the directory's end: diverged, 78, and --on-gap=mark sets aside" {
  make_slot s
  clone promoted
  sql "select pg_promote()" >/dev/null
  log=$PGDATA/../log
  server main
  receive_segments 2
  server promoted
  make_slot s
  assert_refuses diverged "left that timeline at" --slot s
  assert_goes_on --on-gap=mark
  assert_equal "$(record_of gap | jq -r '[.timeline, .end_timeline, .reason] | join(" ")')" "1 2 diverged"
  assert_equal "$(names_in "$WAL" -name '*.diverged-*' | wc -l)" 3
  assert_equal "$(names_in "$WAL" -name '*.history')" 00000002.history
  run ! grep "not in this server's history" "$log"
  assert_gaps_are_known
  # From now on it is a directory like any other.
  assert_goes_on
  assert_equal "$(record_of start | tail -n 1 | jq -r .state)" resuming
  remove_server promoted
}

@test "commits that the new primary never had: diverged, 78, also where the segment is open still" {
  make_slot s
  clone promoted
  server main
  sql "create table lost as select 1" && end=$(position)
  emit
  receive --slot s --endpos "$end" --no-loop
  assert_status 0
  server promoted
  sql "select pg_promote()" >/dev/null
  make_slot s
  assert_refuses diverged "commits perhaps" --slot s
  # It does not forget: not by being asked twice.
  assert_refuses diverged "commits perhaps" --slot s
  assert_goes_on --on-gap=mark
  assert_equal "$(record_of gap | jq -r '[.timeline, .end_timeline, .reason, .start_lsn == .end_lsn] | join(" ")')" "1 2 diverged true"
  assert_gaps_are_known
  assert_goes_on
  assert_equal "$(record_of start | tail -n 1 | jq -r .state)" resuming
  remove_server promoted
}

@test "back from timeline 2 to a server that is on timeline 1 still" {
  make_slot s
  clone promoted
  sql "select pg_promote()" >/dev/null
  make_slot s
  receive_segments 1
  server main
  assert_refuses diverged "not in the history" --slot s
  assert_goes_on --on-gap=mark
  assert_gaps_are_known
  run --separate-stderr walcheck "$WAL" <"$WAL/gaps.ndjson"
  assert_status 0
  assert_equal "$(names_in "$WAL" -name '00000002.history')" ""
  remove_server promoted
}
