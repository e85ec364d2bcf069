# partition-restore: what was dropped comes back, proven, and the manifest says so.

# Tests are subshells, and what they eval or hand to other shells is in single quotes.
# shellcheck disable=SC2016,SC2030,SC2031

load support
load archiving

setup_file() { start_postgres; }

setup() {
  enter_work
  name='test'
  # shellcheck source=pipelines/common.sh
  . "$REPO/pipelines/common.sh"
}

restore_it() { run --separate-stderr partition-restore --manifest "$MANIFEST" "$@"; }

# Drops the partition, as partition-run would say it in the manifest.
drop_with_line() {
  change "drop table $1"
  receipt_of "$1" | append_step "$MANIFEST" dropped
}

@test "a key with braces is a key where --key says so, and a template where a variable does" {
  printf '{"type":"object","key":"%s","partition_schema":"public","partition":"p"}\n' 'a{b}' c >"$MANIFEST"
  restore_it --key 'a{b}' --dry-run
  assert_status 0
  assert_equal "$(jq -r .key <<<"$output")" 'a{b}'
  SLUICE_KEY='{table}/{partition}' restore_it --partition p --dry-run
  assert_status 0
  assert_equal "$(jq -r .key <<<"$output")" $'a{b}\nc'
}

@test "a dropped partition comes back into its place, with a line, and only once" {
  make_days back 3 50
  before=$(contents back)
  archived back
  drop_with_line back_20240102
  restore_it --partition back_20240102
  assert_status 0
  assert_equal "$(jq -r '"\(.step) \(.partition) \(.rows)"' <<<"$output")" "restored back_20240102 50"
  assert_equal "$(contents back)" "$before"
  count=$(receipts)
  restore_it --all
  assert_status 0
  assert_output ""
  assert_equal "$(receipts)" "$count"
  verify --manifest "$MANIFEST" --chain
}

@test "a restore that was killed before its line has it the next time" {
  make_days late 2 10
  archived late
  drop_with_line late_20240101
  restore --manifest "$MANIFEST" --partition late_20240101 --attach
  restore_it --partition late_20240101
  assert_status 0
  assert_equal "$(jq -r .step <<<"$output")" restored
  restore_it --partition late_20240101
  assert_output ""
}

@test "a table that has got a column since takes the old rows; one whose rows would differ is not attached" {
  make_days older 2 20
  archived older
  drop_with_line older_20240101
  change "alter table older add column later int default 7"
  restore_it --partition older_20240101
  assert_status 0
  assert_equal "$(sql 'select count(*), count(later) from older_20240101')" "20|20"
  drop_with_line older_20240102
  change "alter table older alter column amount type numeric(20, 2)"
  restore_it --partition older_20240102
  assert_status 65
  assert_output ""
  assert_stderr_has 'not those that were archived'
  assert_equal "$(sql "select relispartition from pg_class where relname = 'older_20240102'")" f
}

@test "what is not in the manifest is 65, a damaged object too, and a run at work is 75" {
  make_days bad 2 20
  archived bad
  drop_with_line bad_20240101
  restore_it --partition nobody
  assert_status 65
  (flock 8 && : >held && exec sleep 20) 8>>"$MANIFEST.lock" 3>&- &
  holder=$!
  eventually 10 test -e held
  restore_it --partition bad_20240101
  assert_status 75
  kill "$holder"
  wait "$holder" || true
  eventually 10 flock -n "$MANIFEST.lock" true
  printf x >>"$WORK/store/export/bad/2024/01/2024-01-01.jsonl.zst"
  restore_it --partition bad_20240101
  [[ $status != 0 ]]
  assert_equal "$(jq -r .step "$MANIFEST" | tail -n 1)" dropped
  assert_equal "$(sql "select to_regclass('bad_20240101')")" ""
}
