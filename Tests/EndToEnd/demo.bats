# What `make demo` shows to whoever sees this for the first time.

load support

# A demo that was not seen to its end removes its server before bats removes what names it.
teardown() {
  if kill "${demo:-none}" 2>/dev/null; then wait "$demo" || true; fi
}

# start_demo STEP: up to where it says that; sets `demo`, its process, and `server`, where its server is.
start_demo() {
  env -u PGHOST -u PGPORT -u PGUSER -u PGDATABASE "$SUPPORT/demo" >"$SCRATCH/output" 2>"$SCRATCH/errors" 3>&- &
  demo=$!
  eventually 60 grep -q "$1" "$SCRATCH/output"
  server=$(cat "$TMPDIR"/*/pg/home)
  [[ $(server_processes) == *postgres* ]] || fail "no server is to be seen"
}

server_processes() { pgrep -af -- "-D $server/" || true; }

@test "the demo comes to its end, where nothing differs, and leaves nothing behind" {
  assert_equal "$(make --silent --dry-run -C "$REPO" demo | tail -n 1)" Tests/Support/demo
  export TMPDIR=$BATS_TEST_TMPDIR/of-the-demo
  mkdir "$TMPDIR"
  start_demo 'What there is to archive'
  wait "$demo" || fail "exit $?: $(<"$SCRATCH/errors")"
  sed 's/\x1b\[[0-9]*m//g' "$SCRATCH/output" >"$SCRATCH/plain"
  assert_equal "$(tail -n 1 "$SCRATCH/plain")" 'Nothing differs.'
  assert_equal "$(grep -c '^300000 rows, md5 ' "$SCRATCH/plain")" 2
  assert_equal "$(grep ' ok$' "$SCRATCH/plain" | xargs)" "31 ok"
  assert_equal "$(server_processes)" "" "processes"
  assert_equal "$(find "$TMPDIR" -mindepth 1)" "" "files"
  [[ ! -e $server ]] || fail "the server's directory is left"
}
