# pg-snapshot: one moment for everything a command reads.

load support

setup_file() { start_postgres; }

@test "the command's status is the status, and its streams are untouched" {
  run pg-snapshot -- sh -c 'cat; exit 7' <<<hello
  assert_status 7
  assert_output hello
  run pg-snapshot -- sh -c 'kill -KILL $$'
  assert_status 137
  run --separate-stderr pg-snapshot -- /nonexistent/command
  assert_status 74
}

@test "all processes of the command see what was there when it began" {
  sql "create table seen (id int); insert into seen values (1)"
  pg-snapshot -- bash -c 'psql -qc "insert into seen values (2)"; pg-extract-jsonl --relation seen & pg-extract-jsonl --relation seen -j 2; wait' \
    >"$SCRATCH/seen"
  assert_equal "$(sort -u "$SCRATCH/seen")" '{"id":1}'
  assert_equal "$(wc -l <"$SCRATCH/seen")" 2
}

@test "a snapshot that is gone is an error" {
  # shellcheck disable=SC2016  # the inner shell expands it
  id=$(pg-snapshot -- sh -c 'echo "$SLUICE_SNAPSHOT"')
  run --separate-stderr env SLUICE_SNAPSHOT="$id" pg-extract-jsonl --relation pg_catalog.pg_class
  assert_status 69
  assert_equal "$output" ""
}

@test "the connection that holds it is lost: a warning in words, and readers end with 69" {
  # shellcheck disable=SC2016  # the inner shell expands it
  run --separate-stderr pg-snapshot -- sh -c '
    psql -XAtqc "select pg_terminate_backend(pid) from pg_stat_activity where application_name = '"'pg-snapshot'"' and datname = current_database()" >/dev/null
    while pg-extract-jsonl --relation pg_catalog.pg_am >/dev/null; do sleep 0.05; done
    pg-extract-jsonl --relation pg_catalog.pg_am'
  assert_status 69
  assert_stderr_has "pg-snapshot: warning: the connection that held the snapshot was lost: "
  # shellcheck disable=SC2154  # run sets it
  [[ $stderr != *PostgresError* ]] || fail "not in words"
}

@test "signals are passed on, and no connection is called lost" {
  for signal in TERM HUP; do
    pg-snapshot -- sh -c 'trap "" TERM HUP; echo ready; sleep 0.5; exit 3' >"$SCRATCH/out" 2>"$SCRATCH/err" 3>&- &
    pid=$!
    eventually 10 grep -q ready "$SCRATCH/out"
    kill -$signal $pid
    status=0
    wait $pid || status=$?
    assert_equal "$status $(cat "$SCRATCH/err")" "3 "
  done
}

@test "SIGTERM is passed on; no server: 69; no command: 64" {
  pg-snapshot -- sh -c 'trap "echo stopped; exit 3" TERM; echo ready; while :; do sleep 0.1; done' >"$SCRATCH/out" 3>&- &
  pid=$!
  eventually 10 grep -q ready "$SCRATCH/out"
  kill -TERM $pid
  status=0
  wait $pid || status=$?
  assert_equal "$status" 3
  assert_equal "$(tail -n 1 "$SCRATCH/out")" stopped
  run env PGHOST=/nonexistent pg-snapshot -- true
  assert_status 69
  run pg-snapshot
  assert_status 64
}
