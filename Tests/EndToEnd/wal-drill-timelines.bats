# bats file_tags=long
# wal-drill where an archive has two timelines: what lies on the way of the newest one counts, and nothing else.

# shellcheck disable=SC2016,SC2030,SC2031  # inner shells expand; each test is a subshell

load support
load recovering

# The first server was left for the second, and went on, not knowing; its last backup is the newest.
setup_file() {
  start_postgres --own --setting wal_keep_size=1GB --initdb --wal-segsize=1
  start_store
  make_ground
  mkdir "$GROUND/scratch"
  chmod 755 "$GROUND/scratch"
  export BASE=s3://$BUCKET/base ARCHIVE=s3://$BUCKET/wal SLUICE_SCRATCH=$GROUND/scratch PGDATABASE=postgres
  system=$(psql -XAtd replication=true -c IDENTIFY_SYSTEM | cut -d '|' -f 1)
  export system
  sql "create table kept (i int)"
  walrecv --create-slot --reserve-wal --slot first
  base-backup --store "$BASE" --label first >/dev/null 2>&1
  fill 1
  as_server pg_basebackup -D "$GROUND/clone" -h "$PGHOST" -p "$PGPORT" -U postgres -X stream -c fast
  fill 1
  ship first
  (
    eval "$("$SUPPORT/postgres" start "$SCRATCH/postgres-second" --version "${SLUICE_PG_VERSION:-15}" \
      --from "$GROUND/clone" --signal standby --setting restore_command="cp $(sql 'show data_directory')/pg_wal/%f %p" 3>&-)"
    sql "select pg_promote()" >/dev/null
    walrecv --create-slot --reserve-wal --slot second
    fill 2
    sql "insert into kept values (2)"
    ship second
    sql "select count(*) from kept" >"$GROUND/expected"
  )
  base-backup --store "$BASE" --label left >/dev/null 2>&1
  fill 1
  ship first
  # What a test takes away, it finds here.
  for key in $(s3ls "$ARCHIVE/$system/" | jq -r .key); do s3get "s3://$BUCKET/$key" >"$GROUND/${key##*/}"; done
}

teardown_file() {
  clear_ground
  stop_servers
}

setup() {
  need_verifybackup
  enter_work
  changed=()
}

teardown() {
  local name
  for name in "${changed[@]}"; do put "$name" <"$GROUND/$name"; done
}

# Three segments with rows of that value in each.
fill() {
  for _ in 1 2 3; do
    psql -XAtqc "insert into kept select $1 from generate_series(1, 10)" -c "select pg_switch_wal()" >/dev/null
  done
}

# ship SLOT: all that the server has written comes into the archive.
ship() {
  local at
  wal-archive --store "$ARCHIVE" --directory "$GROUND/wal-$1" --slot "$1" --ship-partial >/dev/null 2>>"$GROUND/err" 3>&- 4>&- &
  at=$(sql 'select pg_current_wal_flush_lsn()')
  eventually 20 eval '[[ $(sql "select flush_lsn >= '"'$at'"' from pg_stat_replication") == t ]]'
  kill $!
  wait $!
}

# lose NAME, put NAME: an object of the archive; put takes it from standard input.
lose() {
  changed+=("$1")
  s3 DELETE "/$BUCKET/wal/$system/${1:0:8}/$1"
}

put() {
  s3 DELETE "/$BUCKET/wal/$system/${1:0:8}/$1"
  s3put --to "s3://$BUCKET/wal/$system/${1:0:8}/$1" >/dev/null
}

# The segments of a timeline, as they are named in the archive.
segments() { find "$GROUND" -maxdepth 1 -regextype posix-extended -regex ".*/0000000$1[0-9A-F]{16}.zst" -printf '%f\n' | sort; }

# The number of the segment in which timeline 2 began, in hexadecimal.
branch() {
  local at
  at=$(zst -d <"$GROUND/00000002.history.zst" | awk '{ print $2 }')
  printf '%08X%08X' $((16#${at%/*})) $((16#${at#*/} >> 20))
}

drill() { run --separate-stderr wal-drill --from "$BASE" --wal "$ARCHIVE" --query 'select count(*) from kept' "$@"; }

# assert_all_reached: the newest timeline, to its end.
assert_all_reached() {
  assert_status 0
  assert_equal "$(jq -c '[.backup, .timeline, .missing_segment, .query_result]' <<<"$output")" \
    "[\"first\",2,null,\"$(cat "$GROUND/expected")\"]"
}

# assert_ended_before NAME
assert_ended_before() {
  assert_status 1
  assert_equal "$(jq -r .missing_segment <<<"$output")" "$1"
  assert_stderr_has "although there is more behind it: $1"
}

@test "the newest timeline is replayed to its end, though the one before has more" {
  drill
  assert_all_reached
}

@test "what lacks of a timeline behind the branch is not on the way" {
  mapfile -t behind < <(segments 1 | awk -v branch="00000001$(branch).zst" '$0 > branch')
  [[ ${#behind[@]} -ge 2 ]]
  lose "${behind[0]}"
  lose "00000001$(branch).zst"
  walcheck < <(s3ls "$ARCHIVE/$system/") >verdicts && fail "walcheck finds nothing"
  drill
  assert_all_reached
}

restore() { run --separate-stderr base-restore --from "$BASE" --wal "$ARCHIVE" --to "$WORK/data" --target-action promote "$@"; }

@test "a backup of a timeline that was left before it ended is passed over, unless it is asked for" {
  for options in --target-timeline=latest --target-timeline=2; do
    restore "$options"
    assert_status 0
    assert_equal "$(jq -r .backup <<<"$output")" first "the backup with $options"
    assert_stderr_has '"left" is passed over: timeline 1'
    rm -rf data
  done
  for options in --backup=left --target-timeline=current --target-timeline=1; do
    restore "$options"
    assert_status 0
    assert_equal "$(jq -r .backup <<<"$output")" left "the backup with $options"
    assert_equal "$(setting_of "$WORK/data" recovery_target_timeline)" "$(sed -n 's/.*timeline=//p' <<<"$options" | grep . || echo latest)"
    if [[ $options == --target* ]]; then
      serve "$WORK/data"
      eventually 20 eval '[[ $(restored_sql "select not pg_is_in_recovery()") == t ]]'
      # All that the first server has, and nothing of the second.
      assert_equal "$(restored_sql "select count(*) || ' ' || max(i) from kept")" "$(sql "select count(*) || ' ' || max(i) from kept")"
      unserve "$WORK/data"
    fi
    rm -rf data
  done
  run --separate-stderr base-restore --from "$BASE/$system/left/" --wal "$ARCHIVE" --to "$WORK/data"
  assert_status 1
  assert_stderr_has "no backup leads to the target's timeline"
  [[ ! -e data ]]
}

@test "a history that lacks is named: its timeline is not found" {
  lose 00000002.history.zst
  drill --backup first
  assert_ended_before 00000002.history
  assert_equal "$(jq -r .timeline <<<"$output")" 1
}

@test "a segment that lacks is named: before the branch, and behind" {
  before=$(segments 1 | awk -v branch="00000001$(branch).zst" '$0 < branch' | tail -n 1)
  lose "$before"
  drill
  assert_ended_before "${before%.zst}"
  put "$before" <"$GROUND/$before"
  last=$(segments 2 | tail -n 1)
  lose "$last"
  drill
  assert_ended_before "${last%.zst}"
  assert_equal "$(jq -r .timeline <<<"$output")" 2
}

@test "damage that ends replay is told from the end" {
  damaged=$(segments 2 | tail -n 1)
  changed+=("$damaged")
  zst -d <"$GROUND/$damaged" >segment
  # Behind the header of the first page, and in its first record.
  printf 'damaged' | dd of=segment bs=1 seek=60 conv=notrunc status=none
  zst <segment | put "$damaged"
  drill
  assert_ended_before "${damaged%.zst}"
  assert_equal "$(jq -r .timeline <<<"$output")" 2
}
