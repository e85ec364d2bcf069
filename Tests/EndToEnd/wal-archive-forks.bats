# wal-archive where two servers were promoted to one timeline: their segments have the same names, and only one's belong
# into an archive.

# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154  # subshells, what `run` and others set
load support
load servers

# Two clones of one backup, x and y, whose histories are the same.
setup_file() {
  local data
  server first --initdb --wal-segsize=1
  data=$PGDATA
  "$SUPPORT/postgres" run "$SCRATCH/postgres-first" pg_basebackup -D "$data/../clone" -X stream -c fast --no-sync \
    -h "$PGHOST" -p "$PGPORT" -U postgres
  promote x 2
  promote y 6
  cmp "$SCRATCH/x/00000002.history" "$SCRATCH/y/00000002.history"
}

teardown_file() { stop_servers; }

# promote NAME COUNT: that clone, with so many segments of its own in $SCRATCH/NAME.
promote() {
  local file
  server "$1" --from "$data/../clone" --signal standby --setting wal_keep_size=256MB --setting autovacuum=off
  sql_in postgres "select pg_promote()" >/dev/null
  for _ in $(seq "$2"); do
    psql -XAtqd postgres -c "create table if not exists of_$1 (i int)" -c "insert into of_$1 select generate_series(1, $2 * 100)" \
      -c "select pg_switch_wal()" >/dev/null
  done
  mkdir "$SCRATCH/$1"
  cp "$PGDATA/pg_wal/00000002.history" "$SCRATCH/$1/"
  find "$PGDATA/pg_wal" -name '00000002????????????????' | sort | head -n "$2" | xargs cp -t "$SCRATCH/$1"
  system=$(psql -XAtd "dbname=postgres replication=true" -c IDENTIFY_SYSTEM | cut -d '|' -f 1)
  export system
}

setup() {
  WORK=$BATS_TEST_TMPDIR
  cd "$WORK" || return
  STORE=file://$WORK/store
  archiver=
  cp -r "$SCRATCH"/{x,y} .
  mapfile -t segments < <(basename -a y/????????????????????????)
  [[ ${#segments[@]} == 6 ]]
}

teardown() { if [[ -n $archiver ]]; then kill "$archiver" || true; fi; }

# ship DIR: what is there, once.
ship() { run --separate-stderr wal-archive --no-receive --store "$STORE" --directory "$@"; }

stored() { find store -type f -printf '%f\n' | sed 's/.zst$//' | grep -vE '^[.]|receipt' | sort; }

# assert_only_x [NAME]...: the archive has what x shipped, and these; y still has all.
assert_only_x() {
  assert_equal "$(stored)" "$(printf '%s\n' "${segments[@]::2}" 00000002.history "$@" | sort)" "what is stored"
  for name in "${segments[@]}"; do cmp "y/$name" "$SCRATCH/y/$name" || fail "$name is gone"; done
  for name in "${segments[@]::2}"; do zst -d <"store/$system/00000002/$name.zst" | cmp - "$SCRATCH/x/$name"; done
}

count_told() { grep -c "another than the archive's" <<<"$1"; }

@test "what lies behind other bytes is neither shipped nor removed, and that is said once: 1" {
  ship x
  assert_status 0
  for workers in 1 4; do
    ship y --workers $workers
    assert_status 1
    assert_equal "$(count_told "$stderr")" 1 "how often it is said"
    assert_only_x
  done
}

@test "what does not go on from what the archive has is not shipped" {
  ship x
  mkdir later
  mv y/"${segments[0]}" y/"${segments[1]}" later/
  ship y
  assert_status 1
  assert_stderr_has "${segments[2]} does not go on from"
  mv later/* y/
  assert_only_x
  # Its own does.
  rm -r store
  mkdir mine
  cp y/00000002.history y/"${segments[0]}" y/"${segments[1]}" mine/
  ship mine
  assert_status 0
  ship y
  assert_status 0
  assert_equal "$(stored | wc -l)" 7
}

@test "a receiver goes on, and its end is 1 when something is held back" {
  ship x
  wal-archive --store "$STORE" --directory y --ship-partial --partial-interval 200ms >out 2>err 3>&- &
  archiver=$!
  eventually 20 eval '[[ $(psql -XAtd postgres -c "select 1 from pg_stat_replication") == 1 ]]'
  eventually 20 grep -q "another than the archive's" err
  sql_in postgres "create table t$$ (i int)"
  sql_in postgres "select pg_switch_wal()" >/dev/null
  eventually 20 eval '[[ $(ls y/????????????????????????  | wc -l) -gt 6 ]]'
  sleep 1
  kill "$archiver"
  status=0
  wait "$archiver" || status=$?
  archiver=
  assert_status 1
  assert_equal "$(count_told "$(<err)")" 1 "how often it is said"
  assert_only_x
}

@test "a timeline that came from behind that place is held back, too, and one from before is not" {
  at=$(awk '{ print $2 }' y/00000002.history)
  # The header of a segment may be of the timeline before.
  for case in "0/FFFFFFF:" "$at:00000003.history 00000003${segments[5]:8}"; do
    rm -rf store x
    cp -r "$SCRATCH/x" .
    ship x
    { cat y/00000002.history && printf '2\t%s\tx\n' "${case%%:*}"; } >y/00000003.history
    cp "y/${segments[5]}" "y/00000003${segments[5]:8}"
    ship y
    assert_status 1
    # shellcheck disable=SC2086  # several words
    assert_only_x ${case#*:}
  done
}
