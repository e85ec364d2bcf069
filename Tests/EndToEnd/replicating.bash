# Helpers of the tests that replicate from one database into another of the file's own cluster: `load replicating` behind
# `load support`. Each test has the databases $source and $target and the name of a slot, $slot; the publication is p.
# shellcheck shell=bash

setup() {
  cd "$BATS_TEST_TMPDIR" || return
  export PGOPTIONS='-c client_min_messages=warning'
  n=$((${BATS_TEST_NUMBER:-0}))
  source=src_$n target=dst_$n slot=slot_$n
  sql_in postgres "create database $source"
  sql_in postgres "create database $target"
}

teardown() {
  local slots
  slots=$(sql_in postgres "select string_agg(pid::text, ' ') from pg_stat_activity where datname in ('$source', '$target')")
  for pid in $slots; do sql_in postgres "select pg_terminate_backend($pid)" >/dev/null; done
  for name in $(sql_in postgres "select slot_name from pg_replication_slots where database = '$source'"); do
    eventually 5 drop_slot "$name"
  done
}

drop_slot() { sql_in postgres "select pg_drop_replication_slot('$1')" >/dev/null 2>&1; }

at_source() { sql_in "$source" "$1"; }
at_target() { sql_in "$target" "$1"; }

# both SQL: the same tables on both sides.
both() { at_source "$1" && at_target "$1"; }

catch_up() {
  replicate --source "dbname=$source" --target "dbname=$target" --publication p --slot "$slot" --until now "$@"
}

assert_equal_sides() { cdc-diff --source "dbname=$source" --target "dbname=$target" --publication p >differences || fail "$(<differences)"; }

snapshot() { cdc-snapshot --dbname "dbname=$source" --publication p "$@"; }

# -- the pipe without the pipeline: nothing is confirmed, so that everything comes again each time, and is passed over

# make_slot [OPTION…]: from here on changes are kept.
make_slot() { cdc-recv --dbname "dbname=$source" --slot "$slot" --publication p --create-slot "$@" >/dev/null; }

# copy [OPTION…]: the snapshot goes to the target, and the slot goes on from there.
copy() {
  local -a statuses
  snapshot --slot "$slot" --create-slot "$@" | cdc-apply --dbname "dbname=$target" --source "$slot" >acks
  statuses=("${PIPESTATUS[@]}")
  [[ ${statuses[*]} == "0 0" ]] || fail "the pipe: ${statuses[*]}"
}

# received [OPTION…]: the frames of what the slot has kept, transactions in parts as soon as they are large.
received() {
  cdc-recv --dbname "dbname=$source" --slot "$slot" --publication p --no-loop --streaming on \
    --endpos "$(at_source 'select pg_current_wal_lsn()')" "$@"
}

# stream [OPTION…]: that goes to the target. Leaves the frames and the events in files of these names.
stream() {
  local -a statuses
  received "$@" | tee frames | cdc-decode --memory 0 --spool . | tee events | cdc-apply --dbname "dbname=$target" --source "$slot" >acks
  statuses=("${PIPESTATUS[@]}")
  [[ ${statuses[*]} == "0 0 0 0 0" ]] || fail "the pipe: ${statuses[*]}"
}
