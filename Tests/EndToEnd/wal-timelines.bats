# bats file_tags=long
# walrecv beside pg_receivewal where timelines begin and end: whatever the moment, both directories are the same, byte
# for byte. Both receive from a standby of the first server, which is then promoted.

# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154  # subshells, what `run` and others set
load support
load servers

setup_file() {
  server first --initdb --wal-segsize=1 --setting wal_keep_size=256MB --setting autovacuum=off \
    --setting wal_retrieve_retry_interval=100ms --setting bgwriter_delay=10s --setting checkpoint_timeout=1h
}

setup() {
  enter_work
  THEIRS=$WORK/theirs
  mkdir "$THEIRS"
  server=first
  # Where a test has killed it, it recovers.
  server first
  clone second --setting primary_conninfo="host=$PGHOST port=$PGPORT user=postgres"
}

teardown() {
  show_messages
  stop_both KILL
  remove_server second
  server first
  eventually 10 eval '[[ $(sql "select count(*) from pg_replication_slots where active") == 0 ]]'
  sql "select pg_drop_replication_slot(slot_name) from pg_replication_slots" >/dev/null
}

start_both() {
  # Both from the same place.
  sql "select pg_create_physical_replication_slot(name, true) from (values ('ours'), ('theirs')) as names(name)
    where not exists (select from pg_replication_slots where slot_name = name)" >/dev/null
  start_receiver --slot ours
  "$PGHOST/bin/pg_receivewal" --directory "$THEIRS" --slot theirs --synchronous >>"$WORK/theirs.log" 2>&1 3>&- &
  theirs=$!
  disown
  eventually 20 both_stream
}

both_stream() {
  [[ $(sql "select count(*) from pg_stat_replication where state = 'streaming'
    and application_name in ('walrecv', 'pg_receivewal')") == 2 ]]
}

both_have() { both_stream && has_flushed walrecv "${1:-}" && has_flushed pg_receivewal "${1:-}"; }

# pg_receivewal knows no polite SIGTERM before PostgreSQL 16; what it has confirmed it has.
stop_both() {
  if [[ -n ${theirs:-} ]]; then kill -KILL "$theirs"; fi
  theirs=
  if [[ -n ${receiver:-} ]]; then stop_receiver "${1:-TERM}"; fi
}

# All is received, and equal; the directories hold these timelines.
assert_equal_so_far() {
  eventually 20 both_have
  stop_both
  assert_status 0
  assert_same_directories "$WAL" "$THEIRS"
  assert_equal "$(names_in "$WAL" | cut -c 1-8 | uniq | xargs)" "$1"
  assert_as_on_server
}

promote() { sql "select pg_promote()" >/dev/null; }

# The server once more as a standby, of nobody, so that it can be promoted again.
demote() {
  stop_server "$1"
  touch "$PGDATA/standby.signal"
  chown --reference="$PGDATA" "$PGDATA/standby.signal"
  server "$1" --setting primary_conninfo=
}

# lose_first [COMMAND]: the standby has all that the first server has flushed, and so have both receivers; then that
# server dies. COMMAND is the last that was done there; it is done again if the server added something of its own.
lose_first() {
  local end tries
  for tries in 1 2 3 4 5; do
    server first
    "${1:-true}"
    end=$(sql "select pg_current_wal_flush_lsn()")
    server second
    eventually 20 both_have "$end"
    server first
    if [[ $(sql "select pg_current_wal_flush_lsn()") == "$end" ]]; then
      "$SUPPORT/postgres" kill "$SCRATCH/postgres-first"
      server second
      return
    fi
  done
  fail "the server does not come to rest"
}

# Leaves the last flushed byte inside a record that begins in one segment and reaches into the next: what is left of
# it is in the server's memory only, because the transaction does not end.
begin_crossing_record() {
  sql "select pg_logical_emit_message(false, '', repeat('m', 900000 - file_offset))
    from pg_walfile_name_offset(pg_current_wal_insert_lsn()) where file_offset < 800000" >/dev/null
  before=$(sql "select pg_current_wal_insert_lsn()")
  psql -qX -c begin -c "select pg_logical_emit_message(false, '', repeat('m', 300000))" -c "select pg_sleep(600)" \
    >/dev/null 2>&1 3>&- &
  disown
  eventually 20 eval '[[ $(sql "select pg_current_wal_flush_lsn() > '"'$before'"'::pg_lsn + 300000 - 8192") == t ]]'
  assert_equal "$(sql "select pg_current_wal_flush_lsn() < '$before'::pg_lsn + 300000")" t
}

branch() { cut -f 2 "$WAL/$1.history" | tail -n 1; }

@test "in the middle of a segment" {
  start_both
  eventually 20 both_have
  promote
  emit 2500000
  assert_equal_so_far "00000001 00000002"
  assert_same_file "$WAL/00000002.history" "$PGDATA/pg_wal/00000002.history"
}

@test "at the end of a segment" {
  start_both
  lose_first switch_wal
  promote
  emit 2500000
  assert_equal_so_far "00000001 00000002"
  [[ $(branch 00000002) == *00000 ]] || fail "the branch is at $(branch 00000002)"
}

# Promotes at a segment's end, which is also where the directory ends, while nobody receives.
promote_at_the_end() {
  start_both
  lose_first switch_wal
  eventually 20 both_have
  stop_both
  promote
  emit 1500000
}

goes_on_alone() {
  start_receiver --slot ours
  eventually 20 has_flushed walrecv
  stop_receiver
  assert_status 0
  assert_equal "$(record_of start | tail -n 1 | jq -r .state)" resuming
  assert_as_on_server
}

@test "at the end of a segment, while it is away" {
  promote_at_the_end
  goes_on_alone
}

@test "at the end of a segment, while it is away, and all complete segments are shipped" {
  promote_at_the_end
  rm "$WAL"/????????????????????????
  goes_on_alone
  assert_equal "$(record_of segment | tail -n 1 | jq -r .timeline)" 2
}

@test "idle: nothing is written before and after" {
  start_both
  lose_first
  promote
  assert_equal_so_far "00000001 00000002"
  start_both
  assert_equal_so_far "00000001 00000002"
}

@test "twice in a row, while they stream, and while they are away" {
  start_both
  promote
  emit 1500000
  demote second
  promote
  emit 1500000
  eventually 20 both_have
  assert_equal_so_far "00000001 00000002 00000003"
  demote second
  promote
  demote second
  promote
  emit 1500000
  start_both
  assert_equal_so_far "00000001 00000002 00000003 00000004 00000005"
  assert_equal "$(record_of timeline | jq -r .timeline | xargs)" "2 3 4 5"
}

@test "in the middle of a record that crosses segments, and is lost with the server" {
  start_both
  lose_first begin_crossing_record
  promote
  emit 1000
  eventually 20 both_have
  # It can be begun again from here, although what there is of the record lies behind the branch.
  stop_receiver
  assert_status 0
  before=$(wc -l <"$WORK/records")
  start_receiver --slot ours
  emit 2500000
  assert_equal_so_far "00000001 00000002"
  assert_equal "$(tail -n +$((before + 1)) "$WORK/records" | record_of start - | jq -r .state)" resuming
  assert_equal "$(sql "select '$(branch 00000002)'::pg_lsn - '0/0'::pg_lsn < x'$(names_in "$WAL" -name '00000001*' |
    tail -n 1 | cut -c 17-24)'::int::bigint * 1048576")" t
}

@test "a record that fills segments is lost while nobody receives: walrecv goes on, and loses nothing" {
  start_both
  lose_first begin_crossing_record
  eventually 20 both_have
  stop_both
  promote
  emit 1500000
  # PostgreSQL's own receiver asks for what the server never had, for ever.
  start_receiver --slot ours
  eventually 20 has_flushed walrecv
  stop_receiver
  assert_status 0
  assert_equal "$(record_of start | tail -n 1 | jq -r '"\(.state) \(.timeline)"')" "resuming 1"
  [[ $(record_of start | tail -n 1 | jq -r .detail) == *"never finished"* ]]
  assert_equal "$(names_in "$WAL" -name '00000001*' | wc -l)" "$(names_in "$THEIRS" -name '00000001*' | wc -l)"
  assert_as_on_server
  walcheck --deep "$WAL"
}

@test "a record that crosses segments is lost in the crash of a server that goes on" {
  server first
  start_both
  begin_crossing_record
  eventually 20 both_have
  "$SUPPORT/postgres" kill "$SCRATCH/postgres-first"
  server first
  emit 2500000
  assert_equal_so_far 00000001
  for name in $(segments); do
    "$SUPPORT/postgres" run "$SCRATCH/postgres-first" pg_waldump "$PGDATA/pg_wal/$name" 2>/dev/null || true
  done >"$WORK/dump"
  grep -q OVERWRITE_CONTRECORD "$WORK/dump"
}
