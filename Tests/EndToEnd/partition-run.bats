# partition-run: partitions are made, archived, verified and dropped, and no row is ever nowhere.

# Tests are subshells, and what they eval or hand to other shells is in single quotes.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154

load support
load archiving

setup_file() {
  start_postgres
  start_store
  sql "create sequence ids"
}

setup() {
  enter_work
  STORE=s3://$BUCKET/$BATS_TEST_NUMBER/
  export SLUICE_RETRIES=1
}

# make_past TABLE DAYS ROWS: daily partitions that end today, with so many rows each, and the twin TABLE_twin with the same.
make_past() {
  change "create table $1 (id bigint not null, at timestamptz not null, doc jsonb) partition by range (at);
    do \$\$ declare d date := (now() at time zone 'UTC')::date; begin
      for i in 0..$2 loop
        execute format('create table $1_%s partition of $1 for values from (%L) to (%L)', to_char(d - i, 'YYYYMMDD'),
          (d - i)::timestamp at time zone 'UTC', (d - i + 1)::timestamp at time zone 'UTC');
      end loop; end \$\$;
    create table $1_twin (like $1)"
  add_rows "$1" 0 "$2" "$3"
}

# add_rows TABLE FIRST LAST ROWS: into the partitions of so many days ago.
add_rows() {
  change "with new as (insert into $1 select nextval('ids'), date_trunc('day', now(), 'UTC') - d * interval '1 day' + i * interval '1 ms',
      jsonb_build_object('n', i) from generate_series($2, $3) d, generate_series(1, $4) i returning *)
    insert into $1_twin select * from new"
}

# policy TABLE LINE…
policy() {
  local line
  printf 'tables:\n  - table: %s\n    key: at\n    interval: 1 day\n    premake: 3\n' "$1" >policy.yaml
  for line in "${@:2}"; do printf '    %s\n' "$line" >>policy.yaml; done
}

archiving_policy() { policy "$1" 'retention: 2 days' 'retire: archive then drop'; }

run_it() { run --separate-stderr partition-run --grace 100d --policy policy.yaml --store "$STORE" --manifest "$MANIFEST" "$@"; }

counts() { jq -r "select(.type == \"summary\") | [.created, .archived, .verified, .dropped, .waiting] | join(\" \")" <<<"$output"; }

steps() { jq -r '"\(.step) \(.partition)"' "$MANIFEST"; }

day() { date -u -d "$1 days ago" +%Y%m%d; }

partitions() { sql "select count(*) from pg_inherits where inhparent = '$1'::regclass"; }

# The oracle: each row of the twin is in the table, or in an object that the manifest has a receipt of.
assert_no_row_lost() {
  local table=$1 key
  stop_faults
  sql "create table ${table}_found (doc jsonb)"
  if [[ -s $MANIFEST ]]; then
    jq -R -r --arg t "$table" 'fromjson? | select(.table == $t) | .url' "$MANIFEST" | sort -u | while read -r key; do
      s3get "$key" | zst -d
    done | sed 's/\\/\\\\/g' | psql -qX -c "copy ${table}_found from stdin"
  fi
  assert_equal "$(sql "select count(*) from ${table}_twin w where not exists (select from $table t where t = w)
    and not exists (select from ${table}_found f where (f.doc ->> 'id')::bigint = w.id and f.doc -> 'doc' = w.doc)")" 0 "rows that are nowhere"
  sql "drop table ${table}_found"
}

@test "two runs: what the first archives the second drops once it has cooled, and a third does nothing" {
  make_past cycle 5 40
  archiving_policy cycle
  run_it
  assert_status 0
  assert_equal "$(counts)" "3 3 3 0 3"
  assert_equal "$(partitions cycle)" 9
  run_it
  assert_status 0
  assert_equal "$(counts)" "0 0 0 0 3"
  run_it --cool 0s
  assert_status 0
  assert_equal "$(counts)" "0 0 0 3 0"
  assert_equal "$(partitions cycle)" 6
  assert_equal "$(steps | sort | cut -d ' ' -f 1 | uniq -c | xargs)" "3 archived 3 dropped 3 verified"
  assert_no_row_lost cycle
  run_it --cool 0s
  assert_status 0
  assert_equal "$(counts)" "0 0 0 0 0"
  verify --manifest "$MANIFEST" --chain
  run --separate-stderr partition-restore --manifest "$MANIFEST" --table cycle --all
  assert_status 0
  assert_equal "$(sql "select count(*) from cycle_twin")" "$(sql "select count(*) from cycle")"
  assert_equal "$(contents cycle)" "$(contents cycle_twin)"
  verify --manifest "$MANIFEST" --chain
}

@test "all in one run, where nothing has to cool" {
  make_past quick 4 10
  archiving_policy quick
  run_it --cool 0
  assert_status 0
  assert_equal "$(counts)" "3 2 2 2 0"
  assert_no_row_lost quick
}

@test "names of tables in rows are compared before a drop as they were archived, whatever the search path" {
  make_past named 4 10
  change "alter table named add column what regclass default 'named_twin', add column kind regtype default 'numeric'"
  archiving_policy named
  PGOPTIONS='-c search_path=public' run_it --cool 0
  assert_status 0
  assert_equal "$(counts)" "3 2 2 2 0"
}

@test "no process is left for init, which may reap it late and be waited for" {
  make_past tidy 4 10
  archiving_policy tidy
  run --separate-stderr left_behind partition-run --grace 100d --policy policy.yaml --store "$STORE" --manifest "$MANIFEST" --cool 0
  assert_status 0
  assert_output ""
  assert_no_row_lost tidy
}

@test "the directory of a run keeps what is not the run's" {
  make_past kept 3 5
  archiving_policy kept
  run_it --run-dir run
  assert_status 0
  touch run/mine.ndjson
  run_it --run-dir run
  assert_status 0
  [[ -e run/mine.ndjson && -s run/plan.ndjson && ! -e run/made.ndjson ]] || fail "in the directory: $(ls run)"
  # This one has the manifest and the policy.
  files=$(find . -printf '%p %s %T@\n' | sort)
  run_it --run-dir .
  assert_status 64
  assert_stderr_has 'the directory "." is not empty'
  run --separate-stderr partition-run --policy policy.yaml --store "$STORE" --manifest run/plan.ndjson --run-dir run
  assert_status 64
  assert_equal "$(find . -printf '%p %s %T@\n' | sort)" "$files"
}

@test "a dry run prints the plan and leaves nothing" {
  make_past dry 4 5
  archiving_policy dry
  run_it --dry-run
  assert_status 0
  assert_equal "$(jq -r .action <<<"$output" | sort | uniq -c | xargs)" "2 archive 3 create 2 drop"
  [[ ! -e $MANIFEST && ! -e $MANIFEST.lock ]]
  assert_equal "$(partitions dry)" 5
}

@test "rows that arrive between archive and drop keep the partition, which is archived anew" {
  make_past late 4 20
  archiving_policy late
  run_it
  assert_status 0
  add_rows late 3 3 2
  # The next plan sees another fingerprint; the old plan's drop sees it under the lock.
  run_it --dry-run
  plan=$output
  run --separate-stderr pg-partapply --manifest "$MANIFEST" --cool 0 < <(grep '"action":"drop"' <<<"$plan")
  assert_status 1
  assert_equal "$(jq -r 'select(.outcome == "refused").partition' <<<"$output")" "late_$(day 3)"
  assert_no_row_lost late
  run_it --cool 0
  assert_status 0
  assert_equal "$(counts | cut -d ' ' -f 2-)" "1 1 1 0"
  assert_equal "$(partitions late)" 6
  assert_no_row_lost late
}

@test "the store fails at each point: nothing is dropped without its object, and the next run does it" {
  local rule
  for rule in 'PUT . * 503' 'PUT . * lost-answer' 'HEAD . * 503' 'GET . * 503' 'GET . * reset@100' 'PUT . 2 reset-req@100'; do
    make_past flaky 4 30
    archiving_policy flaky
    STORE=s3://$BUCKET/$BATS_TEST_NUMBER/$((++round))/ MANIFEST=$WORK/manifest-$round
    start_faults "$rule"
    run_it --cool 0
    assert_no_row_lost flaky
    # New partitions are there whatever became of the old ones.
    assert_equal "$(sql "select to_regclass('flaky_$(day -3)') is not null")" t "$rule"
    run_it --cool 0
    assert_status 0
    assert_equal "$(partitions flaky)" 6 "$rule"
    assert_no_row_lost flaky
    verify --manifest "$MANIFEST" --chain
    sql "drop table flaky, flaky_twin"
  done
}

@test "an object that rots before it is read back is not proof" {
  make_past rotten 3 20
  archiving_policy rotten
  STORE=file://$WORK/store
  # The publisher says that it is there; what is there is something else.
  mkdir bin
  printf '#!/bin/bash\n%s "$@" && find %s -type f -name "*.zst" -exec truncate -s -3 {} +\n' "$REPO/bin/s3put" "$WORK/store" >bin/s3put
  chmod +x bin/s3put
  real=$REPO/pipelines
  mkdir pipelines && cp "$real"/* pipelines/
  for tool in "$REPO"/bin/*; do [[ -e bin/${tool##*/} ]] || ln -s "$tool" "bin/${tool##*/}"; done
  run --separate-stderr pipelines/partition-run --policy policy.yaml --store "$STORE" --manifest "$MANIFEST" --cool 0
  [[ $status != 0 ]]
  assert_equal "$(counts)" "3 1 0 0 0"
  assert_stderr_has 'could not verify'
  assert_equal "$(partitions rotten)" 7
  run_it --cool 0
  assert_status 0
  assert_equal "$(partitions rotten)" 6
}

@test "a partition that was verified once stays where this run finds its object missing, and cannot write it" {
  make_past gone 4 10
  archiving_policy gone
  STORE=file://$WORK/store/
  run_it
  assert_status 0
  assert_equal "$(counts)" "3 2 2 0 2"
  # It cannot be written again either.
  rm -rf store && echo x >store
  run_it --cool 0
  [[ $status != 0 ]]
  assert_equal "$(jq -r 'select(.action == "drop").outcome' <<<"$output")" $'refused\nrefused'
  assert_equal "$(partitions gone)" 8
  rm store
  run_it --cool 0
  assert_status 0
  assert_equal "$(counts)" "0 2 2 2 0"
  assert_no_row_lost gone
}

@test "a partition that was verified once stays where the store cannot be reached" {
  make_past afar 4 10
  archiving_policy afar
  run_it
  assert_status 0
  AWS_ENDPOINT_URL=http://127.0.0.1:1 run_it --cool 0
  assert_status 69
  assert_equal "$(jq -r 'select(.action == "drop").outcome' <<<"$output")" $'refused\nrefused'
  assert_equal "$(partitions afar)" 8
  run_it --cool 0
  assert_status 0
  assert_equal "$(counts)" "0 0 0 2 0"
  assert_no_row_lost afar
}

@test "a hook that fails keeps the partition, and the others go on" {
  make_past hooked 4 10
  archiving_policy hooked
  run_it --cool 0 --hook "jq -e '.action != \"drop\" or .partition != \"hooked_$(day 3)\"' >/dev/null"
  assert_status 1
  assert_equal "$(jq -r 'select(.outcome == "refused") | "\(.action) \(.partition)"' <<<"$output")" "drop hooked_$(day 3)"
  assert_equal "$(partitions hooked)" 7
  run_it --cool 0
  assert_status 0
  assert_equal "$(partitions hooked)" 6
  assert_no_row_lost hooked
}

@test "a drop whose line was lost is noticed by the next run" {
  make_past cut 3 10
  archiving_policy cut
  run_it
  assert_status 0
  sql "drop table cut_$(day 3)"
  run_it
  assert_status 0
  assert_equal "$(jq -c 'select(.step == "dropped") | [.partition, .reconciled]' "$MANIFEST")" "[\"cut_$(day 3)\",true]"
  run_it
  assert_equal "$(steps | grep -c dropped)" 1
  verify --manifest "$MANIFEST" --chain
}

@test "another server with a database of that name is no proof that something was dropped" {
  make_past away 3 10
  archiving_policy away
  run_it
  sql "drop table away, away_twin"
  policy ids
  run_it
  assert_equal "$(steps | grep -c dropped)" 0
}

@test "two at once: the second says so and exits 75" {
  make_past twice 3 10
  archiving_policy twice
  (flock 8 && : >held && exec sleep 30) 8>>"$MANIFEST.lock" 3>&- &
  holder=$!
  eventually 10 test -e held
  run_it
  assert_status 75
  assert_stderr_has 'another run is at work'
  kill "$holder"
  eventually 10 flock -n "$MANIFEST.lock" true
  run_it
  assert_status 0
}

@test "--every begins at once, does it again, and stops cleanly on SIGTERM" {
  make_past daily 3 10
  archiving_policy daily
  partition-run --policy policy.yaml --store "$STORE" --manifest "$MANIFEST" --every 2s --cool 3s >records 2>messages 3>&- &
  service=$!
  eventually 30 grep -q '"type":"summary"' records
  eventually 60 grep -q '"step":"dropped"' "$MANIFEST"
  # Between two runs a restore has its turn.
  eventually 30 flock -n "$MANIFEST.lock" true
  kill -TERM "$service"
  status=0
  wait "$service" || status=$?
  [[ $status == 0 || $status == 143 ]] || fail "status $status"
  [[ $(grep -c '"type":"summary"' records) -ge 2 ]]
  assert_no_row_lost daily
  verify --manifest "$MANIFEST" --chain
}

@test "hours, and the parts of one day, are archived under keys of their own" {
  change "create table hourly (id bigint not null, at timestamptz not null, doc jsonb) partition by range (at);
    create table hourly_00 partition of hourly for values from ('2024-02-01 00:00Z') to ('2024-02-01 01:00Z');
    create table hourly_01 partition of hourly for values from ('2024-02-01 01:00Z') to ('2024-02-01 02:00Z') partition by hash (id);
    create table hourly_01_0 partition of hourly_01 for values with (modulus 2, remainder 0);
    create table hourly_01_1 partition of hourly_01 for values with (modulus 2, remainder 1);
    create table hourly_twin (like hourly);
    with new as (insert into hourly select i, timestamptz '2024-02-01 00:00Z' + i * interval '1 minute', '{}' from generate_series(0, 119) i returning *)
      insert into hourly_twin select * from new"
  printf 'tables:\n  - {table: hourly, key: at, interval: 1 hour, premake: 0, retention: 1 hour, keep_at_least: 0, retire: archive then drop}\n' >policy.yaml
  run_it --cool 0s --grace 100d
  assert_equal "$(jq -r 'select(.step == "archived") | .key | sub("export/hourly/2024/02/"; "")' "$MANIFEST" | sort | xargs)" \
    "2024-02-01/hourly_00.jsonl.zst 2024-02-01/hourly_01_0.jsonl.zst 2024-02-01/hourly_01_1.jsonl.zst"
  assert_equal "$(sql "select string_agg(inhrelid::regclass::text, ' ') from pg_inherits where inhparent = 'hourly'::regclass and inhrelid::regclass::text ~ '_0[01]$'")" ""
  assert_no_row_lost hourly
}

@test "a run ends by the signal that it got" {
  local signal
  make_past signalled 4 10
  policy signalled 'retention: 1 day' 'retire: drop' 'keep_at_least: 0'
  for signal in HUP:129 INT:130 TERM:143; do
    rm -f asked
    # What a shell begins in the background ignores SIGINT, unless it is told otherwise.
    env --default-signal=INT partition-run --policy policy.yaml --manifest "$MANIFEST" --hook 'touch asked; sleep 60' \
      >/dev/null 2>&1 3>&- &
    leader=$!
    eventually 30 test -e asked
    kill -"${signal%:*}" "$leader"
    status=0
    wait "$leader" || status=$?
    assert_equal "$status" "${signal#*:}" "$signal"
  done
  assert_no_row_lost signalled
}

@test "a run that is killed at any moment loses nothing, and the next one finishes" {
  local pause
  for pause in 0.3 0.8 1.5; do
    make_past killed 5 200
    archiving_policy killed
    STORE=s3://$BUCKET/$BATS_TEST_NUMBER/$pause/ MANIFEST=$WORK/manifest-$pause
    setsid partition-run --policy policy.yaml --store "$STORE" --manifest "$MANIFEST" --cool 0 >/dev/null 2>&1 3>&- &
    leader=$!
    sleep "$pause"
    # Its jobs have groups of their own in the same session.
    ps -o pid= --sid "$leader" | xargs -r kill -KILL 2>/dev/null || true
    wait "$leader" || true
    assert_no_row_lost killed
    eventually 20 flock -n "$MANIFEST.lock" true
    run_it --cool 0
    assert_status 0
    assert_equal "$(partitions killed)" 6
    assert_no_row_lost killed
    verify --manifest "$MANIFEST" --chain
    sql "drop table killed, killed_twin"
  done
}

@test "a policy that archives needs a store; one that does not, none; and one table's failure leaves the others" {
  make_past bare 3 5
  archiving_policy bare
  run --separate-stderr partition-run --policy policy.yaml --manifest "$MANIFEST"
  assert_status 64
  assert_equal "$(counts)" "3 0 0 0 0"
  policy bare 'retention: 2 days' 'retire: drop'
  printf '  - {table: nowhere, key: at, interval: 1 day}\n' >>policy.yaml
  run --separate-stderr partition-run --policy policy.yaml --manifest "$MANIFEST"
  assert_status 65
  assert_equal "$(counts)" "0 0 0 1 0"
  assert_equal "$(partitions bare)" 6
}

@test "usage errors come first, and nothing is made" {
  for options in '' '--policy nowhere.yaml' '--policy policy.yaml --workers 0' '--policy policy.yaml --every soon' '--policy policy.yaml --cool x'; do
    policy any
    # shellcheck disable=SC2086  # several words
    run --separate-stderr partition-run $options --manifest "$MANIFEST"
    [[ $status == 64 || $status == 74 ]] || fail "$options: $status"
    [[ ! -e $MANIFEST ]]
  done
}
