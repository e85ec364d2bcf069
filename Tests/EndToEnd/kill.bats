# Whatever is killed, and whenever: what is published is whole or not there, and the next run completes.

# Tests are subshells, and what they eval or hand to other shells is in single quotes.
# shellcheck disable=SC2016,SC2030,SC2031

load support
load archiving

setup_file() {
  start_postgres
  MIN_PART=1 start_store --own
  # Big enough that its object comes in several parts, and that every stage is at work for a while.
  sql "create table big (id bigint, t text, d date) partition by range (d);
    create table big_1 partition of big for values from ('2024-01-01') to ('2024-01-02');
    insert into big select i, md5(i::text) || md5((i * 7)::text), '2024-01-01' from generate_series(1, 120000) i"
  settle
  RECORD=$(pg-partitions --table big)
  # Little is held back between the stages.
  export RECORD SLUICE_FRAME_SIZE=128KiB
}

teardown_file() { stop_servers; }

setup() {
  enter_work
  printf '%s\n' "$RECORD" >"$WORK/record"
}

# Stops in the middle of the stream until the file `go` is there, and says so with the file `half`.
slow_filter() {
  cat >"$WORK/slow" <<SH
head -c $1
touch "$WORK/half"
until [ -e "$WORK/go" ]; do sleep 0.02; done
exec cat
SH
  echo "sh $WORK/slow"
}

# The process below $1 with that name, wherever in its tree; empty if there is none.
descendant() {
  local pid
  for pid in $(pgrep -P "$1"); do
    if [[ $(cat "/proc/$pid/comm" 2>/dev/null) == "$2" ]]; then
      echo "$pid"
      return
    fi
    descendant "$pid" "$2"
  done
}

found_below() { [[ -n $(descendant "$1" "${2:0:15}") ]]; }

start_job() {
  archive-one --store "$STORE" --manifest "$MANIFEST" --put-options '--part-size=256KiB --concurrency=2' "$@" \
    <"$WORK/record" >"$WORK/out" 2>"$WORK/err" 3>&- &
  job=$!
}

# Nothing is there: no object, no line.
assert_nothing_published() {
  [[ ! -s $MANIFEST ]] || fail "the manifest has a line"
  case $STORE in
  file:*) assert_equal "$(stored_files | grep -v '\.partial$')" "" ;;
  *) if object_exists export/big/2024/01/2024-01-01.jsonl.zst; then fail "the object is there"; fi ;;
  esac
}

# The next run completes, and leaves nothing but its object.
assert_completes() {
  rm -f "$WORK/half" "$WORK/go"
  run --separate-stderr archive-one --store "$STORE" --manifest "$MANIFEST" \
    --put-options '--part-size=256KiB --concurrency=2' <"$WORK/record"
  assert_status 0
  assert_equal "$(receipts)" 1
  verify_all
  assert_status 0
  case $STORE in
  file:*) assert_equal "$(stored_files)" export/big/2024/01/2024-01-01.jsonl.zst ;;
  *) assert_equal "$(unfinished_uploads)" "" ;;
  esac
}

on_s3() {
  STORE=s3://$BUCKET/
  "$REPO/bin/s3rm" --yes "s3://$BUCKET/export/big/2024/01/2024-01-01.jsonl.zst" >/dev/null 2>&1 || true
}

# kill_stage NAME: while its stream stands still in the middle.
kill_stage() {
  rm -f "$WORK/half" "$WORK/go" "$MANIFEST"
  start_job --encrypt "$(slow_filter 700000)"
  eventually 20 test -e "$WORK/half"
  victim=$(descendant "$job" "${1:0:15}")
  [[ -n $victim ]] || fail "$1 is not at work"
  kill -KILL "$victim"
  touch "$WORK/go"
  status=0
  wait "$job" || status=$?
  [[ $status != 0 ]] || fail "exit 0 although $1 was killed"
  assert_nothing_published
}

@test "a stage is killed in the middle of its stream: file store" {
  for stage in pg-extract-jsonl zst s3put; do
    kill_stage "$stage"
    assert_completes
    rm -r "$WORK/store"
  done
}

@test "a stage is killed in the middle of its stream: S3, in parts" {
  for stage in pg-extract-jsonl zst s3put; do
    on_s3
    kill_stage "$stage"
    assert_completes
  done
  assert_equal "$(receipt_of big_1 | jq '.parts > 1')" true
}

@test "the shell and all stages are killed together" {
  for store in "$STORE" "s3://$BUCKET/"; do
    STORE=$store
    if [[ $STORE == s3:* ]]; then on_s3; fi
    rm -f "$MANIFEST" "$WORK/half"
    start_job --encrypt "$(slow_filter 700000)"
    eventually 20 test -e "$WORK/half"
    # shellcheck disable=SC2046  # a list of numbers
    kill -KILL "$job" $(for stage in pg-extract-jsonl zst s3put bash sh; do descendant "$job" "$stage"; done)
    wait "$job" || true
    touch "$WORK/go"
    assert_nothing_published
    eventually 20 eval '! pgrep -f "[s]3put --to $STORE --record" >/dev/null'
    assert_completes
  done
}

@test "the shell alone is killed: what its stages publish is whole, and the next run finds it" {
  start_job --encrypt "$(slow_filter 700000)"
  eventually 20 test -e "$WORK/half"
  kill -KILL "$job"
  wait "$job" || true
  touch "$WORK/go"
  eventually 20 test -e "$WORK/store/export/big/2024/01/2024-01-01.jsonl.zst"
  [[ ! -s $MANIFEST ]]
  assert_completes
  assert_equal "$(receipt_of big_1 | jq -r .outcome)" identical
}

@test "a stage is killed before its first byte" {
  for stage in pg-extract-jsonl zst s3put; do
    rm -f "$MANIFEST"
    # The reader waits for the lock, so that nothing flows yet.
    psql -qXc "begin; lock big_1 in access exclusive mode; select pg_sleep(60)" >/dev/null 2>&1 3>&- &
    locker=$!
    eventually 10 eval '[[ $(sql "select count(*) from pg_locks where relation = '"'big_1'"'::regclass and granted") == 1 ]]'
    start_job
    eventually 10 eval 'found_below $job pg-extract-jsonl && found_below $job zst && found_below $job s3put'
    kill -KILL "$(descendant "$job" "${stage:0:15}")"
    sql "select pg_terminate_backend(pid) from pg_locks where relation = 'big_1'::regclass and granted" >/dev/null
    wait "$locker" || true
    status=0
    wait "$job" || status=$?
    [[ $status != 0 ]] || fail "exit 0 although $stage was killed"
    assert_nothing_published
  done
  assert_completes
}

@test "the publisher is killed when all was read but nothing was published" {
  # At the very calls that publish: the file's fsync and its new name.
  for call in fsync rename; do
    rm -rf "$MANIFEST" "$WORK/store"
    make --silent -C "$REPO" .build/support/io-faults.so
    SLUICE_FAULT=$call:2024-01-01.jsonl.zst:1:KILL LD_PRELOAD=$REPO/.build/support/io-faults.so start_job
    status=0
    wait "$job" || status=$?
    assert_status 137
    assert_nothing_published
    assert_completes
  done
}

@test "the whole run is killed: the next does the missing partitions only, the third reads nothing" {
  make_days killed 4 500
  cat >"$WORK/gate" <<SH
mkdir "$WORK/1" 2>/dev/null || mkdir "$WORK/2" 2>/dev/null || until [ -e "$WORK/go" ]; do sleep 0.02; done
exec cat
SH
  setsid archive --store "$STORE" --manifest "$MANIFEST" --table killed --workers 2 --encrypt "sh $WORK/gate" \
    >/dev/null 2>&1 3>&- &
  session=$!
  eventually 30 eval '[[ $(receipts) == 2 ]]'
  # Some may be born while others are killed.
  while members=$(ps -o pid= -s "$session"); do
    # shellcheck disable=SC2086  # a list of numbers
    kill -KILL $members 2>/dev/null || true
    sleep 0.05
  done
  wait "$session" || true
  archived killed
  assert_summary "2 0 2 0"
  verify_all
  assert_status 0
  assert_equal "$(stored_files | wc -l)" 4
  before=$(pages_looked_at)
  archived killed
  assert_summary "0 0 4 0"
  assert_equal "$(pages_looked_at)" "$before"
}

@test "a job that is killed takes no other with it" {
  make_days spared 4 50
  cat >"$WORK/gate" <<SH
if mkdir "$WORK/1" 2>/dev/null; then
  echo \$PPID >"$WORK/ppid" && mv "$WORK/ppid" "$WORK/half"
  until [ -e "$WORK/go" ]; do sleep 0.02; done
fi
exec cat
SH
  for victim in s3put archive-one; do
    rm -rf "$WORK/1" "$WORK/half" "$WORK/go" "$MANIFEST" "$WORK/store"
    archive --store "$STORE" --manifest "$MANIFEST" --table spared --workers 2 --encrypt "sh $WORK/gate" \
      >"$WORK/out" 2>/dev/null 3>&- &
    run=$!
    eventually 20 test -e "$WORK/half"
    # The filter's parent is the job's subshell for it.
    job=$(ps -o ppid= -p "$(<"$WORK/half")" | xargs)
    if [[ $victim == archive-one ]]; then kill -KILL "$job"; else kill -KILL "$(descendant "$job" "$victim")"; fi
    eventually 20 eval '[[ $(receipts) -ge 3 ]]'
    touch "$WORK/go"
    status=0
    wait "$run" || status=$?
    [[ $status != 0 ]] || fail "exit 0 although $victim was killed"
    assert_equal "$(receipts)" 3
    archived spared
    verify_all
    assert_status 0
    assert_equal "$(stored_files | wc -l)" 4
  done
}

@test "SIGTERM ends a run with 143 and leaves no process and no upload behind" {
  on_s3
  archive --store "$STORE" --manifest "$MANIFEST" --table big --encrypt "$(slow_filter 700000)" \
    --put-options '--part-size=256KiB' >"$WORK/out" 2>/dev/null 3>&- &
  run=$!
  eventually 20 test -e "$WORK/half"
  group=$(ps -o pgid= -p "$(descendant "$run" s3put)" | xargs)
  kill -TERM "$run"
  status=0
  wait "$run" || status=$?
  assert_status 143
  assert_equal "$(ps -eo pgid=,stat= | awk -v g="$group" '$1 == g && $2 !~ /^Z/')" ""
  assert_equal "$(unfinished_uploads)" ""
  assert_nothing_published
  settle
}

@test "restore is killed: no rows or all rows, and the next one completes" {
  run --separate-stderr archive --store "$STORE" --manifest "$MANIFEST" --table big
  assert_status 0
  before=$(contents big)
  sql "drop table big_1"
  for victim in s3get zst pg-load-jsonl restore; do
    rm -f "$WORK/half" "$WORK/go"
    restore --manifest "$MANIFEST" --partition big_1 --attach --decrypt "$(slow_filter 700000)" >/dev/null 2>&1 3>&- &
    run=$!
    eventually 20 test -e "$WORK/half"
    if [[ $victim == restore ]]; then
      kill -KILL "$run"
    else
      kill -KILL "$(descendant "$run" "${victim:0:15}")"
    fi
    touch "$WORK/go"
    status=0
    wait "$run" || status=$?
    [[ $status != 0 ]] || fail "exit 0 although $victim was killed"
    settle
    rows=$(if sql "select to_regclass('big_1')" | grep -q .; then sql "select count(*) from big_1"; fi)
    case $victim in
    # The stages go on without the shell.
    restore) assert_equal "$rows" 120000 ;;
    *) assert_equal "$rows" "" ;;
    esac
    assert_equal "$(sql "select count(*) from big")" 0
  done
  run --separate-stderr restore --manifest "$MANIFEST" --partition big_1 --attach
  assert_status 0
  assert_equal "$(contents big)" "$before"
}
