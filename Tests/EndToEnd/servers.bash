# Helpers of the tests that need clusters of their own, and receivers: `load servers` behind `load support`. A test's
# receivers write into $WAL, and their records and messages are $WORK/records and $WORK/messages.
# shellcheck shell=bash disable=SC2154,SC2034  # `run` sets variables, tests use them

# server NAME OPTION…: makes or starts the cluster; the PG… variables then lead there, and PGDATA to its files.
server() {
  local exports
  exports=$("$SUPPORT/postgres" start "$SCRATCH/postgres-$1" --version "${SLUICE_PG_VERSION:-15}" "${@:2}" 3>&-) ||
    return
  eval "$exports"
  PGDATA=$(<"$SCRATCH/postgres-$1/home")/data
}

stop_server() { "$SUPPORT/postgres" stop "$SCRATCH/postgres-$1" --mode "${2:-fast}"; }

remove_server() { "$SUPPORT/postgres" remove "$SCRATCH/postgres-$1"; }

# clone NAME OPTION…: a standby with a copy of what the present server has, which asks nobody for more.
clone() {
  local from=$PGDATA name=$1
  shift
  "$SUPPORT/postgres" run "$SCRATCH/postgres-$server" pg_basebackup -D "$from/../clone" -X stream -c fast --no-sync \
    -h "$PGHOST" -p "$PGPORT" -U postgres
  server "$name" --from "$from/../clone" --signal standby "$@"
  rm -rf "$from/../clone"
}

enter_work() {
  WORK=$BATS_TEST_TMPDIR
  WAL=$WORK/wal
  mkdir "$WAL"
}

# receive OPTION…: until it ends by itself. Leaves status, output and stderr.
receive() {
  run --separate-stderr timeout 60 walrecv --directory "$WAL" "$@"
}

start_receiver() {
  walrecv --directory "$WAL" "$@" >>"$WORK/records" 2>>"$WORK/messages" 3>&- &
  receiver=$!
}

# Leaves its status.
stop_receiver() {
  kill -s "${1:-TERM}" "$receiver"
  wait_receiver
}

wait_receiver() {
  status=0
  wait "$receiver" || status=$?
  receiver=
}

# has_flushed NAME [LSN]: the receiver has confirmed all up to LSN, or all that the server has.
has_flushed() {
  [[ $(sql_in postgres "select bool_and(flush_lsn >= coalesce(nullif('${2:-}', ''), case when pg_is_in_recovery()
    then pg_last_wal_replay_lsn() else pg_current_wal_flush_lsn() end::text)::pg_lsn)
    from pg_stat_replication where application_name = '$1'") == t ]]
}

position() { sql_in postgres 'select pg_current_wal_insert_lsn()'; }

# Ends the segment, with something in it.
switch_wal() {
  sql_in postgres "select pg_logical_emit_message(false, '', 'end of a segment'), pg_switch_wal()" >/dev/null
}

# Something that is flushed. $1: bytes (100).
emit() {
  sql_in postgres "begin; select pg_logical_emit_message(true, '', repeat('m', ${1:-100})); commit" >/dev/null
}

names_in() { find "$1" -maxdepth 1 -type f ! -name '.walrecv.*' "${@:2}" -printf '%f\n' | LC_ALL=C sort; }

partials() { names_in "$WAL" -name '*.partial'; }

segments() { names_in "$WAL" -regextype posix-extended -regex '.*/[0-9A-F]{24}'; }

record_of() { command jq -c "select(.type == \"$1\")" "${2:-$WORK/records}"; }

# Each complete segment that the server still has is as the server has it; there is one at least.
assert_as_on_server() {
  local name count=0
  for name in $(segments) $(names_in "$WAL" -name '*.history'); do
    if [[ -e $PGDATA/pg_wal/$name ]]; then
      cmp "$WAL/$name" "$PGDATA/pg_wal/$name" || fail "$name is not what the server has"
      count=$((count + 1))
    fi
  done
  ((count > 0)) || fail "nothing was compared"
}

# What one directory has and the other has not, or has otherwise. Only ours may have a next segment made ahead.
assert_same_directories() {
  local name ours=$1 theirs=$2
  for name in $(names_in "$theirs"); do
    cmp "$theirs/$name" "$ours/$name" || fail "$name is not what pg_receivewal has"
  done
  for name in $(names_in "$ours"); do
    if [[ -e $theirs/$name ]]; then continue; fi
    [[ $name == *.partial ]] || fail "pg_receivewal has no $name"
    cmp --bytes "$(stat -c %s "$ours/$name")" "$ours/$name" /dev/zero || fail "pg_receivewal has no $name"
  done
}

# For a teardown: of a test that failed, what the receivers had to say.
show_messages() {
  if [[ -z ${BATS_TEST_COMPLETED:-} && -s $WORK/messages ]]; then
    echo "-- messages of the receivers:"
    tail -n 20 "$WORK/messages"
    tail -n 5 "$WORK/records"
  fi
}
