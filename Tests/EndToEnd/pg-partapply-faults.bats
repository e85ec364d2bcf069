# bats file_tags=long
# pg-partapply where things go wrong: locks, kills, hooks, rows that come late. A row that exists nowhere is a failure.
# shellcheck disable=SC2030,SC2031  # functions of pipelines run in subshells

load support
load servers
load partitions
load partitioning

setup_file() {
  start_postgres
  sql "$(<"$REPO/Tests/EndToEnd/partitions.sql")"
  make --silent -C "$REPO" .build/support/io-faults.so
}

setup() {
  cd "$BATS_TEST_TMPDIR" || return
  sql 'drop schema if exists public cascade; create schema public; grant all on schema public to public' 2>/dev/null
  MANIFEST=$BATS_TEST_TMPDIR/manifest.ndjson
}

# A test with a server of its own has nobody asleep on the shared one.
teardown() { [[ -n ${server:-} ]] || end_sleepers; }

# Says in the manifest that a partition is archived and verified, as partition-run does.
prove() {
  local record rows
  record=$(pg-partitions --table "$(sql "select inhparent::regclass from pg_inherits where inhrelid = '$1'::regclass")" --count exact --key '{partition}' |
    jq -c --arg p "$1" 'select(.partition == $p)')
  rows=$(pg-extract-jsonl --record "$record" | sha256sum)
  record=$(jq -c --arg raw "${rows%% *}" '.type = "object" | .sha256 = "0" | .raw_sha256 = $raw' <<<"$record")
  in_pipeline append_step "$MANIFEST" archived <<<"$record"
  in_pipeline append_step "$MANIFEST" verified <<<"$record"
}

# in_pipeline FUNCTION WORD…: one of those that pipelines share.
in_pipeline() {
  (
    name='test'
    # shellcheck source=pipelines/common.sh
    . "$REPO/pipelines/common.sh"
    "$@"
  )
}

forget_proofs() { rm -f "$MANIFEST" "$MANIFEST".*; }

drop_with_proof() { retirement drop "$1" '{"needs_proof":true}'; }

# -- the archive's proof

@test "nothing is dropped without proof, nor before it has cooled, and the drop is written down" {
  sql "select plan.make('ev')" >/dev/null
  drop_with_proof ev_1 >"$BATS_TEST_TMPDIR/plan"
  run --separate-stderr pg-partapply <"$BATS_TEST_TMPDIR/plan"
  assert_status 1
  run --separate-stderr pg-partapply --manifest "$MANIFEST" < <(retirement archive ev_1; cat "$BATS_TEST_TMPDIR/plan")
  assert_status 1
  assert_equal "$(jq -r .detail <<<"$output" | head -n 1)" 'no proof that "public"."ev_1" is in the archive'
  prove ev_1
  assert_equal "$(retirement archive ev_1 | apply --manifest "$MANIFEST")" "archive ev_1 done"
  run --separate-stderr pg-partapply --manifest "$MANIFEST" <"$BATS_TEST_TMPDIR/plan"
  assert_status 0
  assert_equal "$(jq -r .outcome <<<"$output")" waiting
  assert_equal "$(partitions_of ev)" "ev_1 ev_2"
  assert_equal "$(apply --manifest "$MANIFEST" --cool 0 <"$BATS_TEST_TMPDIR/plan")" "drop ev_1 done"
  assert_equal "$(partitions_of ev)" ev_2
  assert_equal "$(tail -n 1 "$MANIFEST" | jq -r '[.step, .partition, .rows] | join(" ")')" "dropped ev_1 1440"
  assert_equal "$(tail -n 1 "$MANIFEST" | jq -r .previous_sha256)" \
    "$(tail -n 2 "$MANIFEST" | head -n 1 | tr -d '\n' | sha256sum | cut -d ' ' -f 1)"
  assert_equal "$(apply --manifest "$MANIFEST" --cool 0 <"$BATS_TEST_TMPDIR/plan")" "drop ev_1 exists it is gone"
}

@test "a proof that is not of this table, or not of the last copy, or of what was dropped, is none" {
  sql "select plan.make('ev')" >/dev/null
  prove ev_1
  cp "$MANIFEST" good && cp "$MANIFEST.head" good.head
  local change
  for change in '{step: "archived"}' '{step: "dropped"}' '{step: "restored"}' '{step: "verified", oid: "1"}' \
    '{step: "verified", fingerprint: "f"}' '{step: "verified", rows: null}' '{step: "verified", raw_sha256: null}' '{step: "verified", at: "then"}'; do
    cp good "$MANIFEST" && cp good.head "$MANIFEST.head"
    tail -n 1 good | jq -c "del(.previous_sha256) + $change" | in_pipeline append_chained "$MANIFEST"
    run --separate-stderr pg-partapply --manifest "$MANIFEST" --cool 0 <<<"$(drop_with_proof ev_1)"
    [[ $status == 1 ]] || fail "$change: exit $status"
  done
  # A line that a power cut left unfinished proves nothing, and hides no other.
  cp good "$MANIFEST" && cp good.head "$MANIFEST.head"
  echo nonsense >>"$MANIFEST"
  run --separate-stderr pg-partapply --manifest "$MANIFEST" --cool 0 < <(drop_with_proof ev_1; creation create ev ev_3 2024-01-03 2024-01-04)
  assert_status 0
  assert_equal "$(jq -r .outcome <<<"$output")" $'done\ndone'
  assert_equal "$(partitions_of ev)" "ev_2 ev_3"
}

@test "a manifest of which a line is missing or changed, or that lost its chain, is no proof" {
  sql "select plan.make('ev')" >/dev/null
  prove ev_1
  prove ev_2
  cp "$MANIFEST" good
  local damage
  for damage in 1d 2d 4d 's/"rows":[0-9]*/"rows":1439/' 's/,"previous_sha256":[^}]*//' '2s/,"previous_sha256":[^}]*//'; do
    sed "$damage" good >"$MANIFEST"
    run --separate-stderr pg-partapply --manifest "$MANIFEST" --cool 0 <<<"$(drop_with_proof ev_1)"
    assert_status 1
    assert_equal "$(jq -r '.outcome + " " + .detail[:25]' <<<"$output")" "refused the manifest is no proof," "$damage"
  done
  assert_equal "$(partitions_of ev)" "ev_1 ev_2"
  # Without the digest of the last line, which may be lost, the lines vouch for one another.
  cp good "$MANIFEST" && rm "$MANIFEST.head"
  assert_equal "$(drop_with_proof ev_1 | apply --manifest "$MANIFEST" --cool 0)" "drop ev_1 done"
}

@test "rows that come, go or change between archive and drop: back to the start, not gone" {
  local kind change
  for kind in false true; do
    for change in "insert into ev values ('2024-01-01', 9999)" "delete from ev where n = 5" "update ev set note = 'y' where n = 5"; do
      sql "drop table if exists ev, ev_1; select plan.make('ev', $kind)" >/dev/null
      prove ev_1
      drop_with_proof ev_1 >"$BATS_TEST_TMPDIR/plan"
      sql "$change; select pg_stat_force_next_flush()" >/dev/null
      run --separate-stderr pg-partapply --manifest "$MANIFEST" --cool 0 <"$BATS_TEST_TMPDIR/plan"
      assert_status 1
      assert_equal "$(partitions_of ev | cut -c 1-9)" "ev_1 ev_2"
    done
  done
}

@test "a row that comes after the first count, while the hook runs, is seen under the lock and kept" {
  local kind
  for kind in false true; do
    sql "drop table if exists ev, ev_1; select plan.make('ev', $kind)" >/dev/null
    forget_proofs
    prove ev_1
    run --separate-stderr pg-partapply --manifest "$MANIFEST" --cool 0 \
      --hook "psql -qXc \"insert into ev values ('2024-01-01', 7777)\"" <<<"$(drop_with_proof ev_1)"
    assert_status 1
    assert_equal "$(jq -r '[.outcome, .detail] | join(": ")' <<<"$output")" "refused: 1 rows came since it was archived"
    assert_equal "$(bound_of ev_1)" "FOR VALUES FROM ('2024-01-01 00:00:00+00') TO ('2024-01-02 00:00:00+00')"
    assert_equal "$(sql "select count(*), sum((n = 7777)::int) from ev")" "2881|1"
    assert_equal "$(sql "select count(*) from pg_constraint where conname = 'sluice_bound'")" 0
  done
}

@test "a change that its session has not told the statistics of yet is seen in the rows themselves, which are archived anew" {
  local kind
  for kind in false true; do
    sql "drop table if exists ev, ev_1; select plan.make('ev', $kind)" >/dev/null
    forget_proofs
    prove ev_1
    # What comes within a second of a report waits for the next one, and that for the session to be idle.
    psql -qX -c 'select count(*) from ev' -c "update ev set note = 'y' where n = 5" -c 'select pg_sleep(60)' >/dev/null 2>&1 3>&- &
    eventually 10 somebody_sleeps
    run --separate-stderr pg-partapply --manifest "$MANIFEST" --cool 0 <<<"$(drop_with_proof ev_1)"
    assert_status 1
    assert_equal "$(jq -r '[.outcome, .detail] | join(": ")' <<<"$output")" 'refused: rows of "public"."ev_1" have changed since it was archived'
    assert_equal "$(sql "select count(*), sum((note = 'y')::int) from ev")" "2880|1"
    assert_equal "$(tail -n 1 "$MANIFEST" | jq -c '[.step, .partition, .fingerprint]')" '["refuted","ev_1",null]'
    end_sleepers
    prove ev_1
    assert_equal "$(drop_with_proof ev_1 | apply --manifest "$MANIFEST" --cool 0)" "drop ev_1 done"
  done
}

@test "a part that comes while the hook runs has no proof, and is not dropped with the others" {
  sql "create table lv (at date not null, kind text not null, n int) partition by range (at);
    create table lv_1 partition of lv for values from ('2024-01-01') to ('2024-01-02') partition by list (kind);
    create table lv_1_de partition of lv_1 for values in ('de'); insert into lv select '2024-01-01', 'de', g from generate_series(1, 5) g"
  prove lv_1_de
  run --separate-stderr pg-partapply --manifest "$MANIFEST" --cool 0 \
    --hook "psql -qXc \"create table lv_1_fr partition of lv_1 for values in ('fr'); insert into lv values ('2024-01-01', 'fr', 6)\"" <<<"$(drop_with_proof lv_1)"
  assert_status 1
  assert_equal "$(jq -r '[.outcome, .detail] | join(": ")' <<<"$output")" 'refused: no proof that "public"."lv_1_fr" is in the archive'
  assert_equal "$(sql "select count(*), max(n) from lv")" "6|6"
  prove lv_1_fr
  assert_equal "$(drop_with_proof lv_1 | apply --manifest "$MANIFEST" --cool 0)" "drop lv_1 done"
}

@test "G6: a drop never cascades: what depends on the table keeps it, attached" {
  sql "select plan.make('ev'); create view uses as select * from ev_1" >/dev/null
  run --separate-stderr pg-partapply <<<"$(retirement drop ev_1)"
  assert_status 1
  [[ $output == *'view uses depends on table ev_1'* ]] || fail "other words"
  assert_equal "$(partitions_of ev)" "ev_1 ev_2"
  sql "drop view uses; create table child (at timestamptz, n int, constraint own foreign key (at, n) references ev_1)"
  run --separate-stderr pg-partapply <<<"$(retirement drop ev_1)"
  assert_status 1
  assert_equal "$(jq -r .detail <<<"$output")" 'foreign key "own" of child refers to it'
}

@test "facts that no longer hold: another table of the name, another bound, another place" {
  sql "select plan.make('ev')" >/dev/null
  retirement drop ev_1 >"$BATS_TEST_TMPDIR/plan"
  sql "alter table ev detach partition ev_1; alter table ev attach partition ev_1 for values from ('2023-12-31 00:00:00+00') to ('2024-01-02 00:00:00+00')"
  run --separate-stderr pg-partapply <"$BATS_TEST_TMPDIR/plan"
  assert_status 1
  sql "drop table ev_1; create table ev_1 partition of ev for values from ('2024-01-01 00:00:00+00') to ('2024-01-02 00:00:00+00')"
  run --separate-stderr pg-partapply <"$BATS_TEST_TMPDIR/plan"
  assert_status 1
  assert_equal "$(partitions_of ev)" "ev_1 ev_2"
}

# -- hooks

@test "P11: a hook gets the record, and one that fails, hangs or dies keeps the partition, but not the others" {
  sql "select plan.make('ev'), plan.make('fv')" >/dev/null
  { retirement drop ev_1; retirement drop fv_1; creation create ev ev_3 2024-01-03 2024-01-04; } >"$BATS_TEST_TMPDIR/plan"
  local hook
  for hook in 'exit 3' 'sleep 1000 & sleep 1000' 'kill -9 $$'; do
    run --separate-stderr pg-partapply --hook "read -r r; case \$r in *ev_1*) $hook ;; esac" --hook-timeout 500ms --dry-run <"$BATS_TEST_TMPDIR/plan"
    assert_status 0
    run --separate-stderr pg-partapply --hook "read -r r; case \$r in *ev_1*) $hook ;; esac" --hook-timeout 500ms <"$BATS_TEST_TMPDIR/plan"
    assert_status 1
    [[ $(partitions_of ev) == "ev_1 ev_2 ev_3" ]] || fail "the partition is gone"
  done
  assert_equal "$(jq -r .outcome <<<"$output")" $'exists\nrefused\nexists'
  assert_equal "$(partitions_of fv)" fv_2
  run pgrep -fx 'sleep 1000'
  assert_status 1
  retirement drop ev_1 | pg-partapply --hook "cat >'$BATS_TEST_TMPDIR/record'" >/dev/null
  assert_equal "$(jq -r '[.type, .action, .schema, .table, .partition] | join(" ")' "$BATS_TEST_TMPDIR/record")" "action drop public ev ev_1"
}

@test "what comes behind an action that was not done is not done either: a hook that keeps a partition from its detach" {
  sql "select plan.make('ev')" >/dev/null
  run --separate-stderr pg-partapply --hook false --hook-for detach < <(retirement drop ev_1; retirement detach ev_1)
  assert_status 1
  assert_equal "$(jq -r '[.action, .outcome] | join(" ")' <<<"$output")" $'detach refused\ndrop refused'
  assert_equal "$(partitions_of ev)" "ev_1 ev_2"
}

@test "a hook is asked of the kinds of actions that it is for" {
  sql "select plan.make('ev')" >/dev/null
  { creation create ev ev_3 2024-01-03 2024-01-04; retirement drop ev_1; } >"$BATS_TEST_TMPDIR/plan"
  run --separate-stderr pg-partapply --hook false --hook-for create,detach <"$BATS_TEST_TMPDIR/plan"
  assert_equal "$(jq -r .outcome <<<"$output")" $'refused\nrefused'
  run --separate-stderr pg-partapply --hook false --hook-for detach <"$BATS_TEST_TMPDIR/plan"
  assert_equal "$(jq -r .outcome <<<"$output")" $'done\ndone'
  run --separate-stderr pg-partapply --hook false --hook-for retire </dev/null
  assert_status 64
}

# -- names, owners, servers

@test "mixed case, quotes and 63 bytes in names (P7, P8)" {
  local long="Ev \"é\" 'x'; drop table t; --0123456789012345678901234567890123"
  [[ $(printf %s "$long" | wc -c) == 63 ]] || fail "the name has $(printf %s "$long" | wc -c) bytes"
  sql "create schema \"S \"\"1\"; create table \"S \"\"1\".\"T\"\"t\" (\"K k\" timestamptz not null, n int) partition by range (\"K k\");
    create table \"S \"\"1\".\"D'\" partition of \"S \"\"1\".\"T\"\"t\" default; insert into \"S \"\"1\".\"T\"\"t\" values ('2024-01-03', 1)"
  creation drain '"S ""1"."T""t"' "${long//\'/\'\'}" 2024-01-03 2024-01-04 >"$BATS_TEST_TMPDIR/plan"
  creation create '"S ""1"."T""t"' 'New "1"' 2024-01-04 2024-01-05 >>"$BATS_TEST_TMPDIR/plan"
  run --separate-stderr pg-partapply <"$BATS_TEST_TMPDIR/plan"
  assert_status 0
  assert_equal "$(jq -r .outcome <<<"$output")" $'done\ndone'
  run --separate-stderr pg-partapply <<<"$(retirement drop '"S ""1"."New ""1"""')"
  assert_status 0
  assert_equal "$(sql "select relname from pg_class where relispartition and relkind = 'r' order by 1 desc limit 1")" "$long"
}

@test "an owner who is no superuser does it all; who is not the owner may not (77)" {
  sql "do 'begin create role keeper login; exception when duplicate_object then null; end'; grant create on schema public to keeper; grant usage on schema plan to keeper; create schema old authorization keeper"
  PGUSER=keeper sql "select plan.make('ev', true); insert into ev values ('2024-01-03', 1)" >/dev/null
  prove ev_1
  { creation create ev ev_4 2024-01-04 2024-01-05; creation drain ev ev_3 2024-01-03 2024-01-04; drop_with_proof ev_1; retirement move ev_2 '{"to_schema":"old"}'; } >"$BATS_TEST_TMPDIR/plan"
  sql "do 'begin create role stranger login; exception when duplicate_object then null; end'"
  PGUSER=stranger run --separate-stderr pg-partapply --budget 1s < <(head -n 1 "$BATS_TEST_TMPDIR/plan")
  assert_status 77
  PGUSER=keeper run --separate-stderr pg-partapply --manifest "$MANIFEST" --cool 0 <"$BATS_TEST_TMPDIR/plan"
  assert_status 0
  assert_equal "$(jq -r .outcome <<<"$output" | sort | uniq -c | tr -s ' ')" " 4 done"
  sql 'drop schema old cascade' 2>/dev/null
}

@test "another run that is at work on the table: busy, 75, and the others go on" {
  sql "select plan.make('ev'), plan.make('fv')" >/dev/null
  psql -qXc "select pg_advisory_lock((1936487529::bigint << 32) | 'ev'::regclass::oid::bigint), pg_sleep(60)" >/dev/null 2>&1 3>&- &
  eventually 10 somebody_sleeps
  run --separate-stderr pg-partapply --budget 300ms < <(creation create ev ev_3 2024-01-03 2024-01-04; creation create fv fv_3 2024-01-03 2024-01-04)
  assert_status 75
  assert_equal "$(jq -r .outcome <<<"$output")" $'busy\ndone'
}

somebody_sleeps() { ! nobody_sleeps; }

@test "a read replica: says so, does nothing, and exits with 0" {
  server=main
  server main
  "$REPO/Tests/Support/postgres" run "$SCRATCH/postgres-main" psql -h "$PGHOST" -p "$PGPORT" -U postgres -qXAt -d postgres \
    -c "create table ev (at timestamptz not null) partition by range (at); create table ev_1 partition of ev default" >/dev/null
  clone replica
  run --separate-stderr pg-partapply <<<'{"type":"action","action":"drop","schema":"public","table":"ev","partition_schema":"public","partition":"ev_1","facts":{"oid":"1"}}'
  assert_status 0
  assert_output ""
  assert_stderr_has "read replica"
  stop_server replica
  remove_server replica
  remove_server main
}

@test "a server that is not there: 69; one that goes away: 69, and the rest is tried" {
  run --separate-stderr env PGHOST=/nowhere pg-partapply <<<"{\"type\":\"action\",\"action\":\"archive\",\"schema\":\"a\",\"table\":\"b\",\"partition_schema\":\"a\",\"partition\":\"c\"}"
  assert_status 69
  sql "select plan.make('ev'), plan.make('fv')" >/dev/null
  run --separate-stderr pg-partapply \
    --hook "grep -q fv_1 || psql -qXAtc \"select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pg-partapply' and datname = current_database()\" >&2" \
    < <(retirement detach ev_1; retirement detach fv_1)
  assert_status 69
  assert_equal "$(jq -r .outcome <<<"$output")" $'failed\ndone'
}

# -- locks

# inserting SECONDS SQL COMMAND…: runs the command while two sessions insert. One that had to wait longer than 150 ms for
# a lock would fail, whatever else the machine is busy with. Sets `longest`, in milliseconds, and `inserts`.
inserting() {
  local seconds=$1 statement=$2 pid
  shift 2
  echo "$statement" >"$BATS_TEST_TMPDIR/insert.sql"
  rm -f "$BATS_TEST_TMPDIR"/wait.*
  env --default-signal=INT PGOPTIONS='-c lock_timeout=150ms' pgbench --no-vacuum --file "$BATS_TEST_TMPDIR/insert.sql" --client 2 --time "$seconds" --rate 200 --log \
    --log-prefix "$BATS_TEST_TMPDIR/wait" >"$BATS_TEST_TMPDIR/pgbench" 2>&1 3>&- &
  pid=$!
  sleep 0.3
  "$@"
  # What it has in its buffer is lost.
  sleep 1
  kill -INT "$pid" 2>/dev/null || true
  wait "$pid" || true
  ! grep -E 'ERROR|aborted' "$BATS_TEST_TMPDIR/pgbench" || fail "an insert failed"
  # Without the time that it stood in pgbench's own queue behind another.
  longest=$(cat "$BATS_TEST_TMPDIR"/wait.* | awk '{ wait = $3 - ($7 > 0 ? $7 : 0); if (wait > m) m = wait } END { print int(m / 1000) }')
  inserts=$(cat "$BATS_TEST_TMPDIR"/wait.* | wc -l)
  echo "# $inserts inserts, the longest took $longest ms" >&3
  ((inserts > 20)) || fail "only $inserts inserts"
}

@test "under a long SELECT and a long transaction no insert fails, and none waits longer than the lock timeout and 50 ms" {
  local kind
  for kind in false true; do
    sql "drop table if exists ev, ev_1; select plan.make('ev', $kind)" >/dev/null
    { creation create ev ev_3 2024-01-03 2024-01-04; creation create ev ev_4 2024-01-04 2024-01-05; retirement detach ev_1; } >"$BATS_TEST_TMPDIR/plan"
    psql -qXc "begin; select count(*) from ev; select pg_sleep(3)" >/dev/null 2>&1 3>&- &
    psql -qXc "begin; insert into ev values ('2024-01-02', 9999); select pg_sleep(2)" >/dev/null 2>&1 3>&- &
    eventually 10 somebody_sleeps
    inserting 30 "insert into ev values (timestamptz '2024-01-02' + random() * interval '23 hours', 10000 + (random() * 1e9)::int)" \
      pg-partapply <"$BATS_TEST_TMPDIR/plan" >"$BATS_TEST_TMPDIR/results" || fail "exit $?: $(<"$BATS_TEST_TMPDIR/results")"
    jq -r '"# \(.action) \(.attempts) tries, \(.elapsed_ms) ms"' "$BATS_TEST_TMPDIR/results" >&3
    assert_equal "$(jq -r .outcome "$BATS_TEST_TMPDIR/results")" $'done\ndone\ndone'
  done
}

@test "nor with foreign keys in both directions, and a drop" {
  local kind
  for kind in false true; do
    sql "drop table if exists refs, ev, ev_1, kinds, places; select plan.make('ev', $kind); create table kinds (k int primary key);
      create table places (p int primary key); insert into kinds values (1); insert into places values (1);
      alter table ev add kind int default 1 references kinds, add place int default 1 references places;
      create table refs (at timestamptz, n int, foreign key (at, n) references ev);
      insert into refs select at, n from ev where at >= '2024-01-02' limit 10" >/dev/null
    { creation create ev ev_3 2024-01-03 2024-01-04; creation create ev ev_4 2024-01-04 2024-01-05; retirement drop ev_1; } >"$BATS_TEST_TMPDIR/plan"
    psql -qXc "begin; select count(*) from ev; select pg_sleep(3)" >/dev/null 2>&1 3>&- &
    psql -qXc "begin; insert into refs select at, n from ev where at >= '2024-01-02' limit 1; select pg_sleep(2)" >/dev/null 2>&1 3>&- &
    eventually 10 somebody_sleeps
    inserting 30 "insert into ev values (timestamptz '2024-01-02' + random() * interval '23 hours', 10000 + (random() * 1e9)::int)" \
      pg-partapply --budget 60s <"$BATS_TEST_TMPDIR/plan" >"$BATS_TEST_TMPDIR/results" || fail "exit $?: $(<"$BATS_TEST_TMPDIR/results")"
    jq -r '"# \(.action) \(.attempts) tries, \(.elapsed_ms) ms"' "$BATS_TEST_TMPDIR/results" >&3
    assert_equal "$(jq -r .outcome "$BATS_TEST_TMPDIR/results")" $'done\ndone\ndone'
    assert_equal "$(partitions_of ev)" "ev_2 ev_3 ev_4$([[ $kind == false ]] || echo ' ev_default')"
  done
  sql "drop table refs, ev, kinds, places"
}

@test "who never makes room: busy, 75, after the budget, and nothing is changed" {
  sql "select plan.make('ev', true)" >/dev/null
  { creation create ev ev_3 2024-01-03 2024-01-04; retirement drop ev_1; } >"$BATS_TEST_TMPDIR/plan"
  psql -qXc "begin; select count(*) from ev; select pg_sleep(60)" >/dev/null 2>&1 3>&- &
  eventually 10 is_locked ev_default
  run --separate-stderr pg-partapply --budget 1s <"$BATS_TEST_TMPDIR/plan"
  assert_status 75
  assert_equal "$(jq -r .outcome <<<"$output")" $'busy\nrefused'
  run --separate-stderr pg-partapply --budget 1s < <(tail -n 1 "$BATS_TEST_TMPDIR/plan")
  assert_status 75
  assert_equal "$(partitions_of ev)" "ev_1 ev_2 ev_default"
}

@test "a million rows in the default partition are drained while others insert among them" {
  sql "create table ev (at timestamptz not null, n bigint, note text, primary key (at, n)) partition by range (at); create table ev_default partition of ev default;
    insert into ev select timestamptz '2024-01-03' + i * interval '80 milliseconds', i, 'x' from generate_series(1, 1000000) i; insert into ev values ('2030-01-01', 0)"
  creation drain ev ev_3 2024-01-03 2024-01-04 >"$BATS_TEST_TMPDIR/plan"
  inserting 120 "insert into ev values (timestamptz '2024-01-03' + random() * interval '23 hours', 10000000 + (random() * 1e12)::bigint)" \
    pg-partapply <"$BATS_TEST_TMPDIR/plan" >"$BATS_TEST_TMPDIR/results" || fail "exit $?: $(<"$BATS_TEST_TMPDIR/results")"
  jq -r '"# \(.detail), \(.attempts) tries, \(.elapsed_ms) ms"' "$BATS_TEST_TMPDIR/results" >&3
  assert_equal "$(sql "select count(*), sum(n) from ev where n between 1 and 1000000")" "1000000|500000500000"
  assert_equal "$(sql "select count(*) >= $inserts, count(*) = count(distinct n) from ev where n >= 10000000")" "t|t"
  assert_equal "$(sql 'select count(*) from only ev_default')" 1
}

# -- kills

# The rows that are anywhere, each once.
all_rows() {
  local query table
  for table in $(sql "select c.oid::regclass from pg_class c join pg_attribute a on attrelid = c.oid and attname = 'note' join pg_namespace n on n.oid = relnamespace where relkind = 'r' and nspname in ('public', 'old')"); do
    query+="${query:+ union all }select * from only $table"
  done
  sql "select count(*), md5(string_agg(t::text, ';' order by t::text)) from ($query) t"
}

layout() {
  sql "select string_agg(inhrelid::regclass || ' ' || pg_get_expr(relpartbound, c.oid) || inhdetachpending || coalesce(obj_description(c.oid), ''), ';' order by inhrelid::regclass::text)
    from pg_inherits join pg_class c on c.oid = inhrelid where inhparent = 'ev'::regclass"
  sql "select string_agg(c.oid::regclass::text, ' ' order by c.oid::regclass::text) from pg_class c join pg_namespace n on n.oid = relnamespace where nspname in ('public', 'old') and relkind = 'r'"
  sql "select count(*) from pg_constraint where conname = 'sluice_bound'"
}

# killed_everywhere WITH_DEFAULT PLAN_COMMAND: the plan is killed before or after messages to the server in turn, at each tenth
# of them from a random one on (SLUICE_KILL_EVERY=1 is all); nothing is lost, and the next run brings all to the same end.
killed_everywhere() {
  local n=0 kills=0 step=${SLUICE_KILL_EVERY:-10} fault wanted='' rows status kept
  while :; do
    n=$((n + step)) fault=KILL
    if ((n % 2)); then fault=SENT; fi
    sql "drop schema if exists old cascade; drop table if exists ev, ev_1, ev_2, ev_3, ev_4, ev_5; create schema old; select plan.make('ev', $1);
      do 'begin if $1 then insert into ev select timestamptz ''2024-01-03 00:00:00+00'' + i * interval ''1 minute'', i from generate_series(0, 99) i; end if; end'" >/dev/null 2>&1
    forget_proofs
    prove ev_1
    "$2" >"$BATS_TEST_TMPDIR/plan"
    rows=$(all_rows)
    kept=$(sql "select count(*) from ev where at >= '2024-01-02'")
    if [[ -z $wanted ]]; then
      n=$((1 + RANDOM % step - step))
      pg-partapply --manifest "$MANIFEST" --cool 0 --batch-rows 30 <"$BATS_TEST_TMPDIR/plan" >"$BATS_TEST_TMPDIR/results" || fail "$(<"$BATS_TEST_TMPDIR/results")"
      wanted=$(layout)
      continue
    fi
    status=0
    SLUICE_FAULT=send:socket:$n:$fault LD_PRELOAD=$REPO/.build/support/io-faults.so pg-partapply --manifest "$MANIFEST" --cool 0 --batch-rows 30 \
      <"$BATS_TEST_TMPDIR/plan" >/dev/null 2>&1 || status=$?
    if [[ $status == 0 ]]; then break; fi
    [[ $status == 137 ]] || fail "message $n: exit $status"
    kills=$((kills + 1))
    if [[ -n $(sql "select to_regclass('ev_1')") ]]; then assert_equal "$(all_rows)" "$rows" "rows after kill $n"; fi
    pg-partapply --manifest "$MANIFEST" --cool 0 --batch-rows 30 <"$BATS_TEST_TMPDIR/plan" >"$BATS_TEST_TMPDIR/results" ||
      fail "message $n: $(<"$BATS_TEST_TMPDIR/results")"
    assert_equal "$(layout)" "$wanted" "layout after kill $n"
    assert_equal "$(jq -r .step "$MANIFEST" | tail -n 2 | tr '\n' ' ')" "verified dropped " "manifest after kill $n"
    assert_equal "$(sql "select (select count(*) from ev) + (select count(*) from old.ev_2)")" "$kept" "rows after the run behind kill $n"
  done
  echo "# $kills kills at $n messages" >&3
  ((n > 30)) || fail "only $n"
}

# What a policy wants of ev_1 at noon of the next day.
next_plan() {
  pg-partplan "$POLICY" --at 2024-01-02T12:00:00Z | grep '"partition":"ev_1"'
}

@test "kill -9 anywhere between a detach and what follows it: the next plan goes on with the table" {
  local retire kind n status kills=0 place step=${SLUICE_KILL_EVERY:-10}
  for retire in drop detach 'move to old'; do
    for kind in false true; do
      policy <<<"- {table: ev, key: at, interval: 1 day, premake: 0, retention: 12 hours, keep_at_least: 0, retire: $retire}"
      for ((n = 1 + RANDOM % step; n <= 60; n += step)); do
        sql "drop schema if exists old cascade; drop table if exists ev, ev_1; create schema old; select plan.make('ev', $kind);
          comment on table ev_1 is E'it''s\n mine'" >/dev/null 2>&1
        next_plan >plan
        status=0
        SLUICE_FAULT=send:socket:$n:KILL LD_PRELOAD=$REPO/.build/support/io-faults.so pg-partapply <plan >/dev/null 2>&1 || status=$?
        [[ $status == 137 ]] || break
        kills=$((kills + 1))
        if [[ $retire != detach && $(sql "select relispartition from pg_class where relname = 'ev_1'") == f && -z $(sql "select to_regclass('old.ev_1')") ]]; then
          assert_equal "$(pg-partcheck "$POLICY" | jq -r 'select(.finding == "orphan") | .severity + " " + .partition')" "error ev_1"
        fi
        if next_plan >plan; then
          pg-partapply <plan >results || fail "message $n: $(<results)"
        fi
        next_plan && fail "message $n: there is more to do"
        assert_equal "$(sql "select count(*) from ev where at < '2024-01-02'")" 0
        place=
        case $retire in
          detach) place=public.ev_1 ;;
          move*) place=old.ev_1 ;;
        esac
        assert_equal "$(sql "select string_agg(c.oid::regclass::text, ' ') from pg_class c where relname = 'ev_1' and not relispartition")" "${place#public.}"
        if [[ -n $place ]]; then
          assert_equal "$(sql "select count(*), obj_description('$place'::regclass) from $place")" "1440|it's
 mine"
        fi
      done
      [[ $status == 0 ]] || fail "exit $status at message $n"
    done
  done
  ((kills > 40 / step)) || fail "only $kills kills"
}

@test "a hook that refuses the drop leaves the partition attached" {
  policy <<<"- {table: ev, key: at, interval: 1 day, premake: 0, retention: 12 hours, keep_at_least: 0, retire: drop}"
  sql "select plan.make('ev')" >/dev/null
  next_plan >plan
  run --separate-stderr pg-partapply --hook '! grep -q "\"action\":\"drop\""' <plan
  assert_status 1
  assert_equal "$(partitions_of ev)" "ev_1 ev_2"
  assert_equal "$(sql "select obj_description('ev_1'::regclass) is null")" t
}

gentle_plan() { creation create ev ev_4 2024-01-04 2024-01-05; retirement move ev_2 '{"to_schema":"old"}'; retirement archive ev_1; drop_with_proof ev_1; }

hard_plan() { creation drain ev ev_3 2024-01-03 2024-01-04; gentle_plan; }

@test "kill -9 between any two statements of create, move, archive and drop: the next run heals" { killed_everywhere false gentle_plan; }

@test "kill -9 between any two statements with a default partition, a drain included: the next run heals" { killed_everywhere true hard_plan; }
