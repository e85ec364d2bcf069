# wal-drill: recoveries rehearsed from a real store, and what becomes of them when the archive is not whole.

# shellcheck disable=SC2016,SC2030,SC2031  # inner shells expand; each test is a subshell

load support
load recovering

setup_file() {
  start_postgres --own --setting wal_keep_size=1GB --initdb --wal-segsize=1
  start_store
  make_ground
  mkdir "$GROUND/scratch" "$GROUND/space"
  chmod 755 "$GROUND/scratch"
  own "$GROUND/space"
  export BASE=s3://$BUCKET/base ARCHIVE=s3://$BUCKET/wal SLUICE_SCRATCH=$GROUND/scratch
  sql "create tablespace apart location '$GROUND/space'"
  sql "create table kept tablespace apart as select i from generate_series(1, 1000) i"
  walrecv --create-slot --reserve-wal --slot drill
  base-backup --store "$BASE" --label first --spool "$GROUND/spool" >/dev/null 2>&1
  for _ in 1 2 3; do
    psql -XAtqc "insert into kept select 1 from generate_series(1, 10)" -c "select pg_switch_wal()" >/dev/null
  done
  sql "insert into kept select 1 from generate_series(1, 5)"
  ship
  system=$(psql -XAtd replication=true -c IDENTIFY_SYSTEM | cut -d '|' -f 1)
  export system
}

teardown_file() {
  clear_ground
  stop_servers
}

setup() {
  need_verifybackup
  enter_work
}

# Everything that the server has written until now comes into the archive.
ship() {
  local at
  wal-archive --store "$ARCHIVE" --directory "$GROUND/wal" --slot drill --ship-partial >/dev/null 2>"$GROUND/err" 3>&- 4>&- &
  at=$(sql 'select pg_current_wal_flush_lsn()')
  eventually 20 eval '[[ $(sql "select flush_lsn >= '"'$at'"' from pg_stat_replication") == t ]]'
  kill $!
  wait $!
}

drill() { run --separate-stderr wal-drill --from "$BASE" --wal "$ARCHIVE" "$@"; }

# Neither files nor a server.
assert_nothing_left() {
  assert_equal "$(ls -A "$GROUND/scratch")" "" "what is left of the drill"
  assert_equal "$(pgrep -fc "$GROUND/scratch")" 0 "processes of the drill"
}

@test "the record says what was reached, how much would be lost and how long it took" {
  before=$(s3ls "s3://$BUCKET/" | jq -r '.key + .etag' | sha256sum)
  drill --query 'select count(*) from kept'"" --dbname "$PGDATABASE"
  assert_status 0
  assert_equal "$(command jq -c 'keys_unsorted' <<<"$output")" \
    '["type","backup","system_identifier","timeline","reached_lsn","last_commit_at","rpo_ms","rto_ms","restore_ms","replay_ms","started_at","missing_segment","query_result"]'
  assert_equal "$(jq -c '[.type, .backup, .system_identifier, .timeline, .query_result]' <<<"$output")" \
    "[\"drill\",\"first\",\"$system\",1,\"1035\"]"
  assert_equal "$(jq -c '[.rto_ms == .restore_ms + .replay_ms, .rpo_ms > 0, .rpo_ms < 600000]' <<<"$output")" "[true,true,true]"
  assert_nothing_left
  # It only reads.
  assert_equal "$(s3ls "s3://$BUCKET/" | jq -r '.key + .etag' | sha256sum)" "$before" "what the store has"
}

@test "what was committed and received is there, and no more is lost than was not" {
  sql "insert into kept select 1 from generate_series(1, 7)"
  drill --query 'select count(*) from kept' --dbname "$PGDATABASE"
  assert_equal "$(jq -r .query_result <<<"$output")" 1035
  ship
  drill --query 'select count(*) from kept' --dbname "$PGDATABASE"
  assert_equal "$(jq -r .query_result <<<"$output")" 1042
}

@test "a segment that the archive lacks: the record names it, and the status is 1" {
  local lacking
  lacking=$(s3ls "$ARCHIVE/$system/" | jq -r .key | grep -E '/[0-9A-F]{24}.zst$' | sort | tail -n 1)
  s3get "s3://$BUCKET/$lacking" >kept
  s3 DELETE "/$BUCKET/$lacking"
  drill
  s3put --to "s3://$BUCKET/$lacking" <kept >/dev/null
  assert_status 1
  assert_equal "$(jq -r .missing_segment <<<"$output").zst" "${lacking##*/}"
  assert_stderr_has "although there is more behind it"
  assert_nothing_left
  drill
  assert_status 0
}

@test "an archive that does not make the backup consistent: 65, and nothing is left" {
  run --separate-stderr wal-drill --from "$BASE" --wal "s3://$BUCKET/empty" --fetch-options "--allow-empty-archive --retry-for=1s"
  assert_status 65
  assert_output ""
  assert_stderr_has 'did not get to the end'
  assert_nothing_left
}

@test "a store that goes away in the middle: no success, and nothing is left" {
  start_faults "GET 0000000100000000 * 503"
  drill --fetch-options '--retry-for=1s' --replay-timeout 15s
  stop_faults
  [[ $status != 0 ]]
  assert_output ""
  assert_nothing_left
}

@test "--scratch says where, --keep leaves it there, and the server complains of nothing that was done to it" {
  mkdir elsewhere
  own elsewhere
  chmod 755 elsewhere
  drill --scratch "$WORK/elsewhere" --keep
  assert_status 0
  assert_nothing_left
  assert_equal "$(find elsewhere -mindepth 1 -maxdepth 1 -name "wal-drill.*" | wc -l)" 1
  grep -h 'could not' elsewhere/*/log && fail "it complains"
  [[ -d $(echo elsewhere/*/data) ]]
  drill --scratch "$WORK/elsewhere"
  assert_equal "$(find elsewhere -mindepth 1 -maxdepth 1 | wc -l)" 1
  run --separate-stderr wal-drill --from "$BASE" --wal "$ARCHIVE" --scratch "$WORK/nowhere"
  assert_status 74
}

@test "a query that fails: 65; wrong usage: 64; no backup: 1" {
  drill --query 'select nonsense'
  assert_status 65
  assert_nothing_left
  run --separate-stderr wal-drill --from "$BASE"
  assert_status 64
  drill --replay-timeout soon
  assert_status 64
  drill --backup none
  assert_status 1
  assert_nothing_left
}

@test "SIGTERM ends it: 143, and nothing is left" {
  wal-drill --from "$BASE" --wal "$ARCHIVE" --query 'select pg_sleep(60)' >out 2>err 3>&- 4>&- &
  job=$!
  eventually 60 has_descendant "$job" psql
  kill "$job"
  status=0
  wait "$job" || status=$?
  assert_equal "$status" 143
  eventually 10 eval '[[ -z $(ls -A "$GROUND/scratch") ]]'
}

@test "no command of the backup's configuration is run, nor does replay wait as it says" {
  for setting in recovery_end_command archive_cleanup_command; do
    sql_in postgres "alter system set $setting = 'touch $WORK/$setting'"
  done
  sql_in postgres "alter system set recovery_min_apply_delay = '1d'"
  base-backup --store "$BASE" --label settings --spool "$GROUND/spool" >/dev/null 2>&1
  sql_in postgres "alter system reset all"
  sql "insert into kept values (0)"
  ship
  drill --backup settings --query 'select count(*) from kept where i = 0' --dbname "$PGDATABASE" --replay-timeout 60s
  assert_status 0
  assert_equal "$(jq -r .query_result <<<"$output")" 1
  assert_equal "$(ls -A "$WORK")" ""
}

@test "a backup of a standby: the drill ends, and asks nothing of the primary" {
  as_server pg_basebackup -D "$WORK/standby" -h "$PGHOST" -p "$PGPORT" -U postgres -X stream -c fast -R \
    -T "$GROUND/space=$WORK/space"
  serve "$WORK/standby"
  PGHOST=$WORK/socket PGPORT=5432 base-backup --store "$BASE" --label standby --spool "$GROUND/spool" >/dev/null 2>&1
  unserve "$WORK/standby"
  sql "insert into kept values (-1)"
  ship
  sql "insert into kept values (-1)"
  drill --backup standby --query 'select count(*) from kept where i = -1' --dbname "$PGDATABASE" --replay-timeout 60s
  assert_status 0
  assert_equal "$(jq -r .query_result <<<"$output")" 1
  assert_stderr_has 'standby.signal was removed'
  assert_nothing_left
}
