# Detaching while others are in the middle of something: the permutations of PostgreSQL's detach-partition-concurrently-1 to
# 4, with pg-partapply in the place of ALTER TABLE … DETACH PARTITION CONCURRENTLY.

load support
load partitions

setup_file() {
  start_postgres
  sql "$(<"$REPO/Tests/EndToEnd/partitions.sql")"
}

setup() {
  sql 'drop schema if exists public cascade; create schema public; grant all on schema public to public' 2>/dev/null
  sql "select plan.make('ev')" >/dev/null
  retirement detach ev_1 >"$BATS_TEST_TMPDIR/plan"
}

teardown() {
  if [[ -n ${other:-} ]]; then exec {other}>&- || true; fi
  if [[ -n ${session:-} ]]; then wait "$session" || true; fi
}

# A session that others have to wait for: say SQL tells it something, and answers is what it printed.
open_session() {
  mkfifo "$BATS_TEST_TMPDIR/session"
  psql -qXAt <"$BATS_TEST_TMPDIR/session" >"$BATS_TEST_TMPDIR/answers" 2>&1 3>&- &
  session=$!
  exec {other}>"$BATS_TEST_TMPDIR/session"
}

# say SQL: tells the session, and waits until it has done it.
say() {
  said=$((${said:-0} + 1))
  printf '%s\n\\echo end of %s\n' "$1" "$said" >&"$other"
  eventually 10 grep -q "^end of $said$" "$BATS_TEST_TMPDIR/answers"
}

# The answer to what was said last.
answer() { grep -v '^end of' "$BATS_TEST_TMPDIR/answers" | tail -n 1; }

detach_beside() {
  pg-partapply <"$BATS_TEST_TMPDIR/plan" >"$BATS_TEST_TMPDIR/result" 2>&1 3>&- {other}>&- &
  applier=$!
}

is_pending() { [[ $(sql "select inhdetachpending from pg_inherits where inhrelid = 'ev_1'::regclass") == t ]]; }

outcome() { jq -r .outcome "$BATS_TEST_TMPDIR/result"; }

@test "who has read the table goes on as before, and the detach ends with its transaction (1)" {
  local level seen
  for level in 'read committed' 'repeatable read'; do
    sql "drop table if exists ev, ev_1; select plan.make('ev')" >/dev/null
    retirement detach ev_1 >"$BATS_TEST_TMPDIR/plan"
    rm -f "$BATS_TEST_TMPDIR/session"
    open_session
    say "begin isolation level $level; select count(*) from ev;"
    assert_equal "$(answer)" 2880
    detach_beside
    eventually 10 is_pending
    # Others see the table without the partition at once; who has a snapshot sees what it saw.
    assert_equal "$(sql 'select count(*) from ev')" 1440
    say 'select count(*) from ev;'
    seen=1440
    if [[ $level == repeatable* ]]; then seen=2880; fi
    assert_equal "$(answer)" $seen
    kill -0 "$applier" || fail "it did not wait: $(<"$BATS_TEST_TMPDIR/result")"
    say 'commit;'
    exec {other}>&-
    wait "$applier"
    assert_equal "$(outcome)" 'done'
    assert_equal "$(partitions_of ev) $(sql 'select count(*) from ev_1')" "ev_2 1440"
  done
}

@test "a reference that is being made to a row keeps the partition, attached (2)" {
  sql "create table child (at timestamptz, n int, constraint points foreign key (at, n) references ev)"
  open_session
  say "begin; insert into child values ('2024-01-01', 0);"
  detach_beside
  sleep 0.5
  kill -0 "$applier" || fail "it did not wait: $(<"$BATS_TEST_TMPDIR/result")"
  say 'commit;'
  local status=0
  wait "$applier" || status=$?
  assert_equal "$status $(outcome)" "1 refused"
  assert_equal "$(partitions_of ev) $(sql 'select count(*) from ev')" "ev_1 ev_2 2880"
  ! is_pending || fail "it is left half detached"
  # And a reference to a row that is no longer in the table cannot be made.
  sql 'delete from child'
  detach_beside
  wait "$applier"
  run sql "insert into child values ('2024-01-01', 0)"
  [[ $status != 0 && $output == *'violates foreign key constraint'* ]] || fail "it could be made"
}

@test "a detach that is stopped while it waits is ended by the next, whatever was done meanwhile (3)" {
  local stop
  for stop in INT TERM KILL; do
    sql "drop table if exists ev, ev_1; select plan.make('ev')" >/dev/null
    retirement detach ev_1 >"$BATS_TEST_TMPDIR/plan"
    rm -f "$BATS_TEST_TMPDIR/session"
    open_session
    say 'begin; select count(*) from ev;'
    detach_beside
    eventually 10 is_pending
    kill -"$stop" "$applier"
    wait "$applier" || true
    # In between, the partition's own rows can be read and written under its name, and not through the table.
    sql "insert into ev_1 values ('2024-01-01', 100000)"
    run sql "insert into ev values ('2024-01-01', 100001)"
    [[ $status != 0 && $output == *'no partition of relation "ev"'* ]] || fail "written through the table: $output"
    say 'commit;'
    exec {other}>&-
    assert_equal "$(apply <"$BATS_TEST_TMPDIR/plan" | cut -d ' ' -f 1-2)" "detach ev_1"
    assert_equal "$(partitions_of ev) $(sql 'select count(*) from ev_1')" "ev_2 1441"
    assert_equal "$(apply <"$BATS_TEST_TMPDIR/plan")" "detach ev_1 exists"
  done
}

@test "while a detach is pending no reference to its rows can be made, and those of others can (4)" {
  sql "create table child (at timestamptz, n int, constraint points foreign key (at, n) references ev)"
  leave_pending ev ev_1
  run sql "insert into child values ('2024-01-01', 0)"
  [[ $status != 0 && $output == *'violates foreign key constraint'* ]] || fail "it could be made"
  sql "insert into child select at, n from ev where at = '2024-01-02'"
  assert_equal "$(apply <"$BATS_TEST_TMPDIR/plan" | cut -d ' ' -f 1-2)" "detach ev_1"
  assert_equal "$(partitions_of ev) $(sql 'select count(*) from child')" "ev_2 1"
}
