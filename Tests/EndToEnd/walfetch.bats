# bats file_tags=long
# shellcheck disable=SC2016,SC2030,SC2031  # inner shells expand; each test is a subshell
load support

# walfetch against a real store: which of its three answers each situation gets, and that the destination is whole or
# not there. 1 ends a recovery, so that it must be proven.

setup_file() {
  start_store
  start_postgres --own --initdb --wal-segsize=1
  export SYSTEM ARCHIVE WAL SEGMENTS
  SYSTEM=$(sql "select system_identifier from pg_control_system()")
  ARCHIVE=s3://$BUCKET/wal
  WAL=$SCRATCH/segments
  mkdir "$WAL"
  sql "create table t (i int, text text)"
  # No record reaches from one of the segments into the next.
  sql 'select pg_switch_wal()' >/dev/null
  begin=$(sql 'select pg_walfile_name(pg_current_wal_insert_lsn())')
  for _ in 1 2 3 4 5 6 7 8 9; do
    sql "insert into t select i, md5(random()::text) from generate_series(1, 5000) i; select pg_switch_wal()" >/dev/null
  done
  while read -r name; do cp "$PGHOST/data/pg_wal/$name" "$WAL"; done < <(
    sql "select name from pg_ls_waldir() where name ~ '^[0-9A-F]{24}\$' and name >= '$begin'
      and name < pg_walfile_name(pg_current_wal_lsn())
      order by name")
  SEGMENTS=$(ls "$WAL")
  for name in $SEGMENTS; do zst <"$WAL/$name" | put "$name"; done
  FIRST=$(head -n 1 <<<"$SEGMENTS")
  SECOND=$(sed -n 2p <<<"$SEGMENTS")
  NONE=0000000100000000000000F0
  export FIRST SECOND NONE
}

# put NAME [SYSTEM]: what comes on standard input, as the object of that name in the archive.
put() { s3put --to "$ARCHIVE/${2:-$SYSTEM}/${1:0:8}/$1.zst" >/dev/null; }

setup() {
  WORK=$BATS_TEST_TMPDIR/work
  OUT=$WORK/out
  mkdir -p "$WORK/local"
  cd "$WORK" || return
}

teardown() {
  stop_faults
  if [[ -e $BATS_TEST_TMPDIR/work/standby ]]; then stop_standby; fi
}

fetch() { walfetch --from "$ARCHIVE" --system-identifier "$SYSTEM" --retry-for 0 --timeout 2s "$@"; }

# fails_unproven ARGUMENT…: neither delivered nor absent, and nothing under the destination's name or beside it.
fails_unproven() {
  run --separate-stderr fetch "$@" "$OUT"
  assert_status 255
  assert_stderr_has "walfetch: error: "
  assert_equal "$(find "$(dirname "$OUT")" -maxdepth 1 -name '*out*')" ""
}

delivers() {
  run --separate-stderr fetch "$@" "$OUT"
  assert_status 0
  assert_same_file "$OUT" "$WAL/$1"
  rm "$OUT"
}

is_absent() {
  run --separate-stderr fetch "$@" "$OUT"
  assert_status 1
  [[ ! -e $OUT ]]
}

# -- 0 and 1

@test "delivers from the store, byte for byte" {
  for name in $SEGMENTS; do delivers "$name"; done
  delivers "$FIRST" --range-size 64KiB --concurrency 3
}

@test "delivers from the local directory first, and asks nobody else" {
  cp "$WAL/$FIRST" local
  start_faults "* . * 500"
  delivers "$FIRST" -D "$WORK/none-of-mine/.." -D local
  assert_equal "$(wc -l <"$FAULT_LOG")" 0
}

@test "a damaged local file does not hide the one in the store, nor does it count as absent" {
  head -c 100000 "$WAL/$FIRST" >"local/$FIRST"
  delivers "$FIRST" -D local
  assert_stderr_has "local/$FIRST"
  cp "$WAL/$FIRST" "local/$NONE"
  fails_unproven "$NONE" -D local
  fails_unproven "$NONE" -D no-such-directory
}

@test "absent from the store and from the directory: 1, in silence" {
  is_absent "$NONE" -D local
  assert_output ""
  # shellcheck disable=SC2154  # set by run
  assert_equal "$stderr" "" "standard error"
  is_absent 00000002.history
  is_absent "$FIRST.00000028.backup"
  is_absent "$NONE" -v
  assert_stderr_has "is not there"
}

@test "a file archive answers alike" {
  ARCHIVE=file://$WORK/archive
  zst <"$WAL/$FIRST" | put "$FIRST"
  delivers "$FIRST"
  is_absent "$NONE"
  chmod 0 "$WORK/archive/$SYSTEM/00000001/$FIRST.zst"
  if ((EUID != 0)); then fails_unproven "$FIRST"; fi
  mv archive gone
  fails_unproven "$FIRST"
}

@test "the server's identifier is that of the data directory" {
  mkdir -p data/global data/pg_wal
  cp "$PGHOST/data/global/pg_control" data/global
  (cd data && walfetch --from "$ARCHIVE" "$FIRST" pg_wal/RECOVERYXLOG)
  assert_same_file data/pg_wal/RECOVERYXLOG "$WAL/$FIRST"
  walfetch --from "$ARCHIVE" "$FIRST" data/pg_wal/other
  assert_same_file data/pg_wal/other "$WAL/$FIRST"
  run --separate-stderr walfetch --from "$ARCHIVE" "$FIRST" "$OUT"
  assert_status 255
  assert_stderr_has --system-identifier
}

# -- 255: what is not proven

@test "an archive with nothing of this cluster proves nothing" {
  ARCHIVE=s3://$BUCKET/wall fails_unproven "$FIRST"
  assert_stderr_has --allow-empty-archive
  ARCHIVE=s3://$BUCKET/wall is_absent "$FIRST" --allow-empty-archive
  SYSTEM=7000000000000000001 fails_unproven "$FIRST"
  ARCHIVE=s3://no-such-bucket-here/wal fails_unproven "$FIRST" --allow-empty-archive
}

@test "wrong credentials" {
  AWS_SECRET_ACCESS_KEY=wrong fails_unproven "$FIRST"
  AWS_SECRET_ACCESS_KEY=wrong fails_unproven "$NONE"
  AWS_ACCESS_KEY_ID=nobody fails_unproven "$NONE"
}

@test "a store that answers with errors, late, in pieces or not at all" {
  local rule
  for rule in "* . * 500" "* . * 503" "* . * 403skew" "* . * blackhole" "GET zst * stall@1000" "GET zst * trunc@1000" \
    "GET zst * reset-resp@1000" "GET zst * okerr" "* . * close"; do
    start_faults "$rule"
    fails_unproven "$FIRST" || fail "with $rule"
    stop_faults
  done
}

@test "of a missing file a store tells at HEAD, and then breaks: not absent" {
  local rule
  for rule in "GET list-type * 500" "GET list-type * okerr" "GET list-type * trunc@100" "GET list-type * stall@100"; do
    start_faults "$rule"
    fails_unproven "$NONE" || fail "with $rule"
    stop_faults
  done
}

@test "nobody listens, and no such host" {
  AWS_ENDPOINT_URL=http://127.0.0.1:1 fails_unproven "$NONE"
  AWS_ENDPOINT_URL=http://no-such-host.invalid fails_unproven "$NONE"
}

@test "faults that pass, within --retry-for" {
  local rule
  for rule in "* . 4 503" "* . 4 500" "HEAD . 3 close" "GET zst 3 trunc@1000" "HEAD . 1 blackhole"; do
    start_faults "$rule"
    delivers "$FIRST" --retry-for 60s || fail "with $rule"
    stop_faults
  done
  start_faults "* . 3 500"
  is_absent "$NONE" --retry-for 60s
}

@test "retrying ends by SIGTERM: 143" {
  start_faults "* . * 503"
  walfetch --from "$ARCHIVE" --system-identifier "$SYSTEM" --retry-for 1h "$FIRST" "$OUT" 2>err 3>&- &
  eventually 10 grep -q 'trying again' err
  kill -TERM $!
  status=0
  wait $! || status=$?
  assert_status 143
  [[ ! -e $OUT ]]
}

@test "damaged objects, whatever it is: not delivered, and what was there stays" {
  local raw=$WORK/raw
  ARCHIVE=s3://$BUCKET/damaged
  zst <"$WAL/$FIRST" >good.zst
  # Without our digests in the metadata, what is in the object has to tell.
  upload() { s3 PUT "/$BUCKET/damaged/$SYSTEM/00000001/$FIRST.zst" --data "$@" >/dev/null; }
  refused() {
    fails_unproven "$FIRST"
    assert_stderr_has "$1"
  }
  cp good.zst "$raw" && printf '\xff\x00\xff' | dd of="$raw" bs=1 seek=20000 conv=notrunc status=none
  upload "$raw" && refused "is damaged"
  head -c 30000 good.zst >"$raw" && upload "$raw" && refused "is damaged"
  head -c 1000 /dev/urandom >"$raw" && upload "$raw" && refused "is damaged"
  : >"$raw" && upload "$raw" && refused "is damaged"
  head -c 500000 "$WAL/$FIRST" | zst >"$raw" && upload "$raw" && refused "should have 1048576 bytes"
  (cat "$WAL/$FIRST" && echo) | zst >"$raw" && upload "$raw" && refused "more than 1048576 bytes"
  printf short | zst >"$raw" && upload "$raw" && refused "only 5 bytes"
  zst <"$WAL/$SECOND" >"$raw" && upload "$raw" && refused "it begins at"
  head -c 1048576 /dev/zero | zst >"$raw" && upload "$raw" && refused "header is wrong"
  # With a digest that is not its own.
  upload good.zst --header "x-amz-meta-sluice-sha256: $(sha256sum </dev/null | cut -c 1-64)" && refused "SHA-256"
  echo precious >"$OUT"
  run --separate-stderr fetch "$FIRST" "$OUT"
  assert_status 255
  assert_equal "$(<"$OUT")" precious
}

@test "segments of another cluster or another timeline" {
  local other=7000000000000000002
  zst <"$WAL/$FIRST" | put "$FIRST" $other
  SYSTEM=$other fails_unproven "$FIRST"
  assert_stderr_has "of the system $SYSTEM"
  # The first segment of a timeline may be a copy of the one before, but never of a later one.
  cp "$WAL/$FIRST" segment
  printf '\x05' | dd of=segment bs=1 seek=4 conv=notrunc status=none
  zst <segment | put "00000002${FIRST:8}"
  fails_unproven "00000002${FIRST:8}"
  assert_stderr_has "timeline 5"
  zst <"$WAL/$FIRST" | put "00000002${FIRST:8}"
  run --separate-stderr fetch "00000002${FIRST:8}" "$OUT"
  assert_status 0
  s3rm --yes "s3://$BUCKET/wal/$SYSTEM/00000002/00000002${FIRST:8}.zst" >/dev/null
}

@test "wrong usage is not absence either" {
  local arguments
  for arguments in "" "$FIRST" "--no-such-option $FIRST $OUT" "nonsense $OUT" "../../$FIRST $OUT" "--prefetch x $FIRST $OUT" \
    "--retry-for x $FIRST $OUT"; do
    # shellcheck disable=SC2086  # several words
    run --separate-stderr fetch $arguments
    [[ $status == 255 ]] || fail "$arguments: $status"
  done
  run walfetch --system-identifier 1 "$FIRST" "$OUT"
  assert_status 255
  run walfetch --from ftp://x --system-identifier 1 "$FIRST" "$OUT"
  assert_status 255
  run walfetch --from "$ARCHIVE" --system-identifier x "$FIRST" "$OUT"
  assert_status 255
}

@test "disk full, I/O errors, no such directory" {
  local fault
  for fault in write:out:1:ENOSPC write:out:2:ENOSPC fsync:out:1:EIO rename:out:1:EIO; do
    run --separate-stderr inject_fault "$fault" walfetch --from "$ARCHIVE" --system-identifier "$SYSTEM" "$FIRST" "$OUT"
    assert_status 255
    assert_equal "$(ls -A)" local "after $fault"
  done
  touch file
  run --separate-stderr fetch "$FIRST" file/out
  assert_status 255
}

@test "killed just before it publishes: nothing there, and the next run cleans up" {
  run --separate-stderr inject_fault rename:out:1:KILL walfetch --from "$ARCHIVE" --system-identifier "$SYSTEM" "$FIRST" "$OUT"
  assert_status 137
  [[ ! -e $OUT ]]
  assert_equal "$(find . -name '.out.*.partial' | wc -l)" 1
  delivers "$FIRST"
  assert_equal "$(ls -A)" local
}

@test "two at once for the same segment" {
  local spool
  for spool in one one two two; do
    fetch --prefetch 2 --spool "$WORK/$spool" "$FIRST" "$OUT" 3>&- &
    first=$!
    fetch --prefetch 2 --spool "$WORK/$spool" "$FIRST" "$OUT" 3>&-
    wait $first
    assert_same_file "$OUT" "$WAL/$FIRST"
  done
}

# -- other files

@test "history files and backup labels" {
  printf '1\t0/5000148\tno recovery target specified\n' >history
  zst <history | put 00000002.history
  run fetch 00000002.history "$OUT"
  assert_status 0
  assert_same_file "$OUT" history
  rm "$OUT"
  printf 'START WAL LOCATION: 0/2000028 (file %s)\n' "$FIRST" >label
  zst <label | put "$FIRST.00000028.backup"
  fetch "$FIRST.00000028.backup" "$OUT"
  assert_same_file "$OUT" label
  rm "$OUT"
  cp history local/00000003.history
  fetch -D local 00000003.history "$OUT"
  assert_same_file "$OUT" history
  rm "$OUT"
  printf '' | zst | put 00000004.history
  fails_unproven 00000004.history
  echo nonsense | zst | put 00000004.history
  fails_unproven 00000004.history
  s3rm --yes "$ARCHIVE/$SYSTEM/00000002/00000002.history.zst" "$ARCHIVE/$SYSTEM/00000004/00000004.history.zst" >/dev/null
}

@test "an encrypted archive" {
  ARCHIVE=s3://$BUCKET/encrypted
  zst <"$WAL/$FIRST" | base64 | put "$FIRST"
  delivers "$FIRST" --decrypt 'base64 -d'
  is_absent "$NONE" --decrypt 'base64 -d'
  is_absent "$NONE" --decrypt 'cat >/dev/null; exit 3'
  fails_unproven "$FIRST"
  fails_unproven "$FIRST" --decrypt 'exit 3'
  assert_stderr_has "status 3"
  fails_unproven "$FIRST" --decrypt 'base64 -d; exit 1'
  fails_unproven "$FIRST" --decrypt 'base64 -d | head -c 100000'
  fails_unproven "$FIRST" --decrypt 'yes'
  start_faults "GET zst * trunc@1000"
  fails_unproven "$FIRST" --decrypt 'base64 -d'
  assert_stderr_has "could not read"
}

# -- fetching ahead

gets() { jq -r 'select(.method == "GET") | .target' "$FAULT_LOG" | grep -c "$1"; }
spooled() { find "$WORK/spool" -name '0*' -printf '%f\n' | sort; }
has_spooled() { [[ $(spooled | wc -l) == "$1" ]]; }
runner() { pgrep -f -- "[-]-prefetch-only.*--spool=$WORK/spool"; }
no_file() { [[ ! -e $1 ]]; }
no_runner() { ! runner >/dev/null; }

@test "--prefetch has what follows ready, once each, and ends by itself" {
  start_faults "GET zst * delay@0.3"
  delivers "$FIRST" --prefetch 4 --spool "$WORK/spool" --timeout 60s
  eventually 20 has_spooled 4
  assert_equal "$(spooled)" "$(sed -n 2,5p <<<"$SEGMENTS")"
  assert_equal "$(stat -c %a spool)" 700
  local name
  for name in $(head -n 5 <<<"$SEGMENTS" | tail -n 4); do
    delivers "$name" --prefetch 4 --spool "$WORK/spool" --retry-for 60s -v
    assert_stderr_has "/spool/$name"
  done
  for name in $(tail -n +6 <<<"$SEGMENTS"); do
    delivers "$name" --prefetch 4 --spool "$WORK/spool" --retry-for 60s
  done
  for name in $SEGMENTS; do assert_equal "$(gets "$name")" 1 "gets of $name"; done
  eventually 10 no_runner
  assert_equal "$(spooled)" ""
  is_absent "$NONE" --prefetch 4 --spool "$WORK/spool"
  sleep 0.3
  no_runner
}

@test "waits for a segment that is on its way, and does not fetch it twice" {
  start_faults "GET $SECOND * delay@2"
  # A request that took longer than it may would be made again.
  delivers "$FIRST" --prefetch 2 --spool "$WORK/spool" --timeout 60s
  eventually 10 eval '[[ $(gets "$SECOND") == 1 ]]'
  delivers "$SECOND" --prefetch 2 --spool "$WORK/spool" --retry-for 60s --timeout 60s
  assert_equal "$(gets "$SECOND")" 1
}

@test "does not wait for ever for one who is stopped" {
  start_faults "GET $SECOND 1 delay@1"
  delivers "$FIRST" --prefetch 1 --spool "$WORK/spool"
  eventually 10 eval '[[ $(gets "$SECOND") == 1 ]]'
  pid=$(runner)
  kill -STOP "$pid"
  delivers "$SECOND" --prefetch 1 --spool "$WORK/spool" --retry-for 2s
  kill -CONT "$pid"
  kill -TERM "$pid"
}

@test "the one who fetches ahead is killed: nothing wrong is left, and it goes on" {
  start_faults "GET zst * slow@300000"
  delivers "$FIRST" --prefetch 4 --spool "$WORK/spool"
  eventually 10 eval '[[ $(gets zst) -ge 4 ]]'
  kill -KILL "$(runner)"
  stop_faults
  for name in $(tail -n +2 <<<"$SEGMENTS"); do delivers "$name" --prefetch 4 --spool "$WORK/spool"; done
  eventually 10 no_runner
  assert_equal "$(find spool -name '*.partial')" ""
}

@test "what is behind is removed; what is damaged or old in the spool is fetched anew" {
  delivers "$FIRST" --prefetch 3 --spool "$WORK/spool"
  eventually 20 has_spooled 3
  head -c 1000 /dev/zero >"spool/$SECOND"
  delivers "$SECOND" --prefetch 3 --spool "$WORK/spool"
  assert_stderr_has "spool/$SECOND"
  third=$(sed -n 3p <<<"$SEGMENTS")
  fourth=$(sed -n 4p <<<"$SEGMENTS")
  eventually 20 test -e "spool/$third"
  touch -d '2 hours ago' "spool/$third"
  delivers "$third" --prefetch 3 --spool "$WORK/spool"
  assert_stderr_has "too old"
  # A jump forward.
  delivers "$(sed -n 6p <<<"$SEGMENTS")" --prefetch 3 --spool "$WORK/spool"
  eventually 10 no_file "spool/$fourth"
  eventually 10 no_runner
  assert_equal "$(spooled)" "$(sed -n 7,9p <<<"$SEGMENTS")"
}

@test "a spool that others can write to is refused" {
  mkdir spool && chmod 777 spool
  fails_unproven "$FIRST" --prefetch 2 --spool "$WORK/spool"
  chmod 700 spool && ln -s spool link
  fails_unproven "$FIRST" --prefetch 2 --spool "$WORK/link"
}

@test "by default the spool is below the temporary directory, with a name of its own" {
  mkdir tmp
  TMPDIR=$WORK/tmp delivers "$FIRST" --prefetch 1
  eventually 20 eval '[[ -n $(find tmp/walfetch-$SYSTEM-* -name "$SECOND") ]]'
  ARCHIVE=s3://$BUCKET/wal/ TMPDIR=$WORK/tmp delivers "$FIRST" --prefetch 1
}

@test "a disk that is full where segments wait, and a store that is out, only end the fetching ahead" {
  run --separate-stderr inject_fault "write:spool/.0:1+:ENOSPC" \
    walfetch --from "$ARCHIVE" --system-identifier "$SYSTEM" --prefetch 3 --spool "$WORK/spool" "$FIRST" "$OUT"
  assert_status 0
  eventually 10 grep -q 'No space left' spool/log
  eventually 10 no_runner
  assert_equal "$(spooled)" ""
  delivers "$SECOND" --prefetch 1 --spool "$WORK/spool"
}

# -- the tail of a segment that was never completed

# cut BYTES: the first bytes of the second segment, filled up with zeros, as a receiver leaves it.
cut_tail() {
  head -c "$1" "$WAL/$SECOND" >cut-tail
  truncate -s 1048576 cut-tail
}

records() { "$PGHOST/bin/pg_waldump" "$1" 2>/dev/null | sed 's/^.*tx: /tx: /'; }

@test "--use-partial delivers every whole record, and zeros behind" {
  ARCHIVE=s3://$BUCKET/partial
  mkdir got cut
  zst <"$WAL/$FIRST" | put "$FIRST"
  for length in 98304 262144 300000 400000 8192 64; do
    cut_tail $length
    cp cut-tail "cut/$SECOND"
    zst <cut-tail | put "$SECOND.partial"
    is_absent "$SECOND"
    run --separate-stderr fetch "$SECOND" "$OUT" --use-partial
    if [[ $(records "cut/$SECOND" | wc -l) == 0 ]]; then
      assert_status 1
      continue
    fi
    assert_status 0
    assert_stderr_has "up to 0/"
    mv "$OUT" "got/$SECOND"
    assert_equal "$(stat -c %s "got/$SECOND")" 1048576
    assert_equal "$(records "got/$SECOND")" "$(records "cut/$SECOND")"
    # Only zeros took the place of anything.
    cmp -l cut-tail "got/$SECOND" | awk '$3 != 0' >differences || true
    [[ ! -s differences ]]
  done
}

@test "--use-partial takes the tail that goes further, and the segment itself before any" {
  ARCHIVE=s3://$BUCKET/further
  zst <"$WAL/$FIRST" | put "$FIRST"
  cut_tail 98304 && zst <cut-tail | put "$SECOND.partial"
  cut_tail 294912 && cp cut-tail "local/$SECOND.partial"
  run --separate-stderr fetch "$SECOND" "$OUT" --use-partial -D local
  assert_status 0
  assert_stderr_has "local/$SECOND.partial"
  cut_tail 393216 && zst <cut-tail | put "$SECOND.partial"
  run --separate-stderr fetch "$SECOND" "$OUT" --use-partial -D local
  assert_status 0
  assert_stderr_has "$ARCHIVE"
  rm "$OUT"
  # Another timeline's tail is nobody else's.
  is_absent "00000002${SECOND:8}" --use-partial -D local
  # One that cannot be read may go further.
  start_faults "* partial * 500"
  fails_unproven "$SECOND" --use-partial -D local
  stop_faults
  zst <"$WAL/$SECOND" | put "$SECOND"
  delivers "$SECOND" --use-partial -D local
}

@test "--use-partial: an empty tail is none, and damage is said" {
  ARCHIVE=s3://$BUCKET/tails
  zst <"$WAL/$FIRST" | put "$FIRST"
  cut_tail 0 && cp cut-tail "local/$SECOND.partial"
  is_absent "$SECOND" --use-partial -D local
  cut_tail 300000 && printf '\xff\x00\xff\x01' | dd of=cut-tail bs=1 seek=150000 conv=notrunc status=none
  zst <cut-tail | put "$SECOND.partial"
  run --separate-stderr fetch "$SECOND" "$OUT" --use-partial -D local
  assert_status 0
  assert_stderr_has "warning: delivered the part"
  cmp -n 140000 "$OUT" "$WAL/$SECOND"
  rm "$OUT"
  head -c 1048576 /dev/urandom | zst | put "$SECOND.partial"
  fails_unproven "$SECOND" --use-partial -D local
  cut_tail 300000 && printf '\x01' | dd of=cut-tail bs=1 seek=24 conv=notrunc status=none
  zst <cut-tail | put "$SECOND.partial"
  fails_unproven "$SECOND" --use-partial
}

@test "--use-partial: a tail here that cannot be read may go further than the one in the archive: not delivered" {
  ARCHIVE=s3://$BUCKET/unread
  zst <"$WAL/$FIRST" | put "$FIRST"
  cut_tail 98304 && zst <cut-tail | put "$SECOND.partial"
  mkdir "local/$SECOND.partial"
  fails_unproven "$SECOND" --use-partial -D local
  assert_stderr_has 'hint: '
  rmdir "local/$SECOND.partial"
  head -c 1048576 /dev/urandom >"local/$SECOND.partial"
  fails_unproven "$SECOND" --use-partial -D local
  cut_tail 294912 && cp cut-tail "local/$SECOND.partial"
  mv "local/$SECOND.partial" aside
  ln -s "$SECOND.partial" "local/$SECOND.partial"
  fails_unproven "$SECOND" --use-partial -D local
  rm "local/$SECOND.partial"
  # Moved away it does not count, and the complete segment needs no tail.
  run --separate-stderr fetch "$SECOND" "$OUT" --use-partial -D local
  assert_status 0
  rm "$OUT"
  mkdir "local/$SECOND.partial"
  zst <"$WAL/$SECOND" | put "$SECOND"
  delivers "$SECOND" --use-partial -D local
}

@test "a segment that is finished while the archive is asked is not absent, and its tail not delivered" {
  ARCHIVE=s3://$BUCKET/finished
  zst <"$WAL/$FIRST" | put "$FIRST"
  for option in --verbose --use-partial; do
    rm -f local/*
    cp "$WAL/$SECOND" "local/$SECOND.partial"
    while_it_asks "$SECOND.zst" "mv 'local/$SECOND.partial' 'local/$SECOND'"
    delivers "$SECOND" "$option" -D local --timeout 10s
    stop_faults
  done
  # Completed and shipped, while the tail is being looked for: here the tail is read, there it is gone.
  for tail in none shorter; do
    rm -f local/*
    s3rm --yes "$ARCHIVE/$SYSTEM/00000001/$SECOND.zst" >/dev/null || true
    if [[ $tail == shorter ]]; then cut_tail 98304 && zst <cut-tail | put "$SECOND.partial"; fi
    zst <"$WAL/$SECOND" >complete
    while_it_asks "$SECOND.partial.zst" "AWS_ENDPOINT_URL=$STORE_URL put $SECOND <complete"
    delivers "$SECOND" --use-partial -D local --timeout 10s
    stop_faults
  done
}

# while_it_asks NAME COMMAND: the first request about the name takes two seconds, and the command runs in its midst.
while_it_asks() {
  start_faults "* $1 1 delay@2"
  { sleep 1 && eval "$2"; } 3>&- 4>&- &
}

# -- PostgreSQL

as_server() {
  if ((EUID == 0)); then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

# A base backup that wants WAL from ARCHIVE, and the WAL as pg_receivewal leaves it in the directory `received`.
start_archiving() {
  STANDBY=$PGHOST/$BATS_TEST_NUMBER
  ln -s "$STANDBY" standby
  ARCHIVE=s3://$BUCKET/test-$BATS_TEST_NUMBER
  sql "select pg_create_physical_replication_slot('s$BATS_TEST_NUMBER', true)" >/dev/null
  as_server "$PGHOST/bin/pg_basebackup" -h "$PGHOST" -p "$PGPORT" -U postgres -D "$STANDBY" -X none -c fast
  sql "drop table if exists r; create table r as select i, md5(i::text) as text from generate_series(1, 20000) i"
}

# Everything up to now, and the tail.
receive() {
  mkdir -p received
  "$PGHOST/bin/pg_receivewal" --slot "s$BATS_TEST_NUMBER" -D received --no-loop --endpos "$(sql "select pg_current_wal_flush_lsn()")"
}

ship() {
  local file
  for file in received/*; do zst <"$file" | put "${file#*/}"; done
}

# start_recovery SIGNAL OPTION…: with walfetch and these options as restore_command.
start_recovery() {
  local signal=$1
  shift
  cat >>"$STANDBY/postgresql.auto.conf" <<EOT
port = $((PGPORT + 1))
restore_command = '$REPO/bin/walfetch --from $ARCHIVE --timeout 1s $* %f %p'
recovery_target_timeline = latest
wal_retrieve_retry_interval = 200ms
EOT
  as_server touch "$STANDBY/$signal.signal"
  start_server
}

# bats waits for its descriptors until the last holder has closed them.
start_server() {
  (
    exec 3>&- 4>&-
    export HOME=$PGHOST TMPDIR=$PGHOST
    as_server "$PGHOST/bin/pg_ctl" start -D "$STANDBY" -l "$STANDBY/log" -s -w
  )
}

stop_standby() {
  if [[ -e $(readlink standby)/postmaster.pid ]]; then
    as_server "$PGHOST/bin/pg_ctl" stop -D "$(readlink standby)" -m immediate -s || true
  fi
  tail -n 30 "$(readlink standby)/log" || true
}

on_standby() { PGPORT=$((PGPORT + 1)) sql "$1"; }
on_standby_is() { [[ $(on_standby "$1" 2>/dev/null) == "$2" ]]; }

@test "PostgreSQL recovers to the end of the archive, the tail included" {
  start_archiving
  for rows in 30000 40000 50000; do
    sql "insert into r select i, md5(i::text) from generate_series(1, $rows) i"
    sql "select pg_switch_wal()" >/dev/null
  done
  sql "insert into r values (-1, 'last of all')"
  receive
  compgen -G 'received/*.partial' >/dev/null
  ship
  start_recovery recovery --use-partial --prefetch 4 -v
  eventually 60 on_standby_is "select pg_is_in_recovery()" f
  query="select count(*), sum(hashtext(r::text)) from r"
  assert_equal "$(on_standby "$query")" "$(sql "$query")"
  assert_equal "$(on_standby "select timeline_id from pg_control_checkpoint()")" 2
  grep -q 'delivered the part of' "$STANDBY/log"
  grep -q 'delivered from ".*/walfetch-' "$STANDBY/log"
  assert_equal "$(find "$STANDBY/pg_wal" -name '*walfetch*' -o -name '.*')" ""
}

@test "a standby waits while the store is out, does not promote, and goes on when it is back" {
  start_archiving
  sql "select pg_switch_wal()" >/dev/null
  receive
  ship
  # The first requests find an outage.
  start_faults "* . 10 500"
  start_recovery standby --retry-for 1h
  eventually 60 on_standby_is "select count(*) from r" 20000
  grep -q 'trying again' "$STANDBY/log"
  # An outage of another kind: nobody answers.
  proxy=$(cut -d ' ' -f 1 "$FAULTS/pid")
  kill -STOP "$proxy"
  sql "insert into r select i, md5(i::text) from generate_series(1, 10000) i"
  sql "select pg_switch_wal()" >/dev/null
  receive
  AWS_ENDPOINT_URL=$STORE_URL ship
  sleep 5
  on_standby_is "select pg_is_in_recovery(), count(*) from r" "t|20000"
  kill -CONT "$proxy"
  eventually 60 on_standby_is "select pg_is_in_recovery(), count(*) from r" "t|30000"
}

@test "an outage longer than --retry-for ends the server, and never the recovery" {
  start_archiving
  sql "select pg_switch_wal()" >/dev/null
  receive
  ship
  start_faults "* . * 500"
  run start_recovery recovery --retry-for 2s
  [[ $status != 0 ]]
  [[ ! -e $STANDBY/postmaster.pid ]]
  as_server "$PGHOST/bin/pg_controldata" "$STANDBY" >control
  grep -q "Latest checkpoint's TimeLineID: *1\$" control
  assert_equal "$(find "$STANDBY/pg_wal" -name '*.history')" ""
  # And with the store back it recovers.
  AWS_ENDPOINT_URL=$STORE_URL start_server
  eventually 60 on_standby_is "select pg_is_in_recovery()" f
  assert_equal "$(on_standby "select count(*) from r")" 20000
}
