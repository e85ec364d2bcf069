# bats file_tags=long
# wal-archive and wal-archive-one: receiving goes on whatever the store does, and what is received arrives.
#
# The defects of the system that this replaces, and the tests that would find them here (file, title):
#
# W1   wal-archive          W1: a commit that waits for the receiver waits for no clock
# W2   wal-archive          W2: a partial segment and a temporary history are neither shipped nor removed
# W2   wal-archive          W2: the open segment is shipped now and then and at the end, and stays until it is complete
# W3   wal-archive          W3: a file is not removed before its copy is durable under its name
# W4   walrecv              without a slot, WAL that the server has removed: 78 and no loop
# W4   walrecv              another cluster, with a slot of the same name: 78, whatever --on-gap says
# W4   walrecv-faults       EIO when the directory is synced
# W5   walfetch             a store that answers with errors, late, in pieces or not at all
# W5   walfetch             a standby waits while the store is out, does not promote, and goes on when it is back
# W6   wal-archive          W6: an encrypted segment in another's place, or with its blocks in another order, is not delivered
# W6   base-backup          W6: an encrypted object in another's place, or with its blocks in another order, is refused: 65
# W7   base-backup          W7: the backup manifest is stored as the server made it
# W7   base-backup          a backup with a changed file does not pass for one
# W8   base-backup          W8: the newest whole backup is taken, never one without its record
# W8   base-backup          W8: a tar that leads outside leads nowhere
# W8   base-backup          a link in a tar is not followed when settings are written
# W9   walprune             W9: timelines are related by their histories, not by the text of names
# W12  wal-archive          W12: a segment costs few requests
# W12  walfetch             --prefetch has what follows ready, once each, and ends by itself
#
# W10 (its cron) and W11 (its SFTP) have none: there is no cron and no SFTP here, by design. Others start the pipelines,
# such as systemd, and the stores are S3 and directories.

# shellcheck disable=SC2016,SC2030,SC2031  # inner shells expand; each test is a subshell

load support
load recovering

setup_file() {
  start_postgres --own --setting wal_keep_size=1GB --initdb --wal-segsize=1
  start_store --own
  make_ground
  export SLUICE_RETRIES=1
}

teardown_file() {
  clear_ground
  stop_servers
}

setup() {
  enter_work
  SLOT=slot$BATS_TEST_NUMBER
  PREFIX=$BATS_TEST_NUMBER/wal
  STORE=s3://$BUCKET/$PREFIX
  system=$(psql -XAtd replication=true -c IDENTIFY_SYSTEM | cut -d '|' -f 1)
  data=$(sql 'show data_directory')
  archiver=
}

teardown() {
  if [[ -n ${archiver:-} ]]; then kill "$archiver" 2>/dev/null || true; fi
  psql -XAtqc "select pg_terminate_backend(active_pid) from pg_replication_slots where active" >/dev/null
  eventually 20 eval '[[ -z $(sql "select 1 from pg_replication_slots where active") ]]'
  sql "select count(pg_drop_replication_slot(slot_name)) from pg_replication_slots" >/dev/null
  stop_faults
}

@test "the tests that show that old defects are not here are there" {
  local defect file title
  while read -r defect file title; do
    grep -qF "@test \"$title\"" "$REPO/Tests/EndToEnd/$file.bats" || fail "$defect: $file has no test \"$title\""
  done < <(sed -n 's/^# \(W[0-9]\+ \+[a-z-]\+ \+\)/\1/p' "$BATS_TEST_FILENAME")
  assert_equal "$(sed -n 's/^# \(W[0-9]\+\) \+[a-z-].*/\1/p' "$BATS_TEST_FILENAME" | uniq | xargs)" \
    "W1 W2 W3 W4 W5 W6 W7 W8 W9 W12"
}

start_archiver() {
  wal-archive --store "$STORE" --directory "$WORK/wal" --slot "$SLOT" "$@" >>out 2>>err 3>&- 4>&- &
  archiver=$!
  eventually 20 eval '[[ -n $(sql "select 1 from pg_stat_replication where state = '"'streaming'"'") ]]'
}

# stop_archiver STATUS
stop_archiver() {
  local status=0
  kill "$archiver"
  wait "$archiver" || status=$?
  archiver=
  assert_equal "$status" "$1" "status of wal-archive"
}

# Finishes so many segments, each with a commit in it; prints the name of the last.
finish_segments() {
  local last
  for _ in $(seq "$1"); do
    # Where the log was written to may still be the end of the segment before.
    last=$(psql -XAtqc "create table if not exists commits (n serial)" -c "insert into commits default values" \
      -c "select pg_walfile_name(pg_switch_wal())" 2>/dev/null)
  done
  echo "$last"
}

stored() { s3ls "$STORE/" | jq -r .key | sed 's,.*/,,' | sort; }

is_stored() { object_exists "$PREFIX/$system/00000001/$1.zst"; }

# How many complete segments are still here.
waiting() { find wal -type f | grep -cE '/[0-9A-F]{24}$'; }

# What is stored under the names has the bytes that the server has.
assert_stored_as_served() {
  local name
  for name in $(stored | sed -n 's/^\([0-9A-F]\{24\}\)\.zst$/\1/p'); do
    s3 GET "/$BUCKET/$PREFIX/$system/00000001/$name.zst" | zst -d | cmp - "$data/pg_wal/$name" || fail "$name differs"
  done
}

# From the first to the last that is stored, none lacks.
assert_no_gap() {
  local names
  names=$(stored | sed -n 's/^.\{16\}\([0-9A-F]\{8\}\)\.zst$/\1/p')
  assert_equal "$(wc -l <<<"$names")" $((16#$(tail -n 1 <<<"$names") - 16#$(head -n 1 <<<"$names") + 1)) "segments stored"
}

# record NAME PATH: as walrecv writes it.
record() {
  local number=$((16#${1:16:8}))
  jq -nc --arg name "$1" --arg path "$2" --arg system "$system" --arg start "0/$(printf %X $((number << 20)))" \
    --arg stop "0/$(printf %X $(((number + 1) << 20)))" '{type: "segment", timeline: 1, segment: $name,
    start_lsn: $start, end_lsn: $stop, path: $path, bytes: 1048576, system_identifier: $system}'
}

one() { run --separate-stderr wal-archive-one --store "$STORE" "$@"; }

@test "segments arrive as they were, with what they are, and leave the directory" {
  start_archiver --receive-options '--status-interval=1s'
  last=$(finish_segments 3)
  eventually 30 is_stored "$last"
  eventually 10 eval '[[ $(ls wal | wc -l) == 1 ]]'
  head=$(s3 --show headers HEAD "/$BUCKET/$PREFIX/$system/00000001/$last.zst" | jq -r 'to_entries[] | "\(.key): \(.value)"' | tr '[:upper:]' '[:lower:]')
  start=$((16#${last:16} * 1048576))
  for member in "segment_size: 1048576" "system_identifier: $system" "timeline: 1" \
    "start_lsn: 0/$(printf %x $start)" "end_lsn: 0/$(printf %x $((start + 1048576)))"; do
    grep -qF "x-amz-meta-$member" <<<"$head" || fail "the object's metadata lacks $member: $head"
  done
  stop_archiver 0
  assert_stored_as_served
  assert_no_gap
  assert_equal "$(jq -r .type out | sort -u | xargs)" "object start"
  assert_equal "$(jq -r 'select(.type == "object") | .segment' out | sort)" "$(stored | sed 's/.zst$//')"
}

@test "a store that is gone for a while delays nothing but itself" {
  port=${STORE_URL##*:}
  start_archiver
  "$SUPPORT/s3-$STORE_KIND" stop "$SCRATCH/store-own"
  for _ in 1 2 3; do
    finish_segments 2
    at=$(sql 'select pg_current_wal_flush_lsn()')
    # What the server knows to be durable elsewhere moves on.
    eventually 15 eval '[[ $(sql "select flush_lsn >= '"'$at'"' from pg_stat_replication") == t ]]'
  done
  eventually 15 eval '[[ $(waiting) -ge 6 ]]'
  eventually 15 grep -q 'it is tried again' err
  "$SUPPORT/s3-$STORE_KIND" start "$SCRATCH/store-own" "$port" >/dev/null
  eventually 60 eval '[[ $(waiting) == 0 ]]'
  stop_archiver 0
  assert_stored_as_served
  assert_no_gap
  [[ $(stored | wc -l) -ge 6 ]]
}

@test "whatever is killed, nothing is lost, and a restart completes" {
  start_faults 'PUT . * delay@2'
  for victim in walrecv tail xargs s3put main; do
    start_archiver --workers 3
    finish_segments 3 >/dev/null
    # An upload does not last long: there is another one each time.
    eventually 20 eval 'finish_segments 1 >/dev/null; has_descendant "$archiver" s3put'
    case $victim in
    main) kill -KILL "$archiver" ;;
    s3put) eventually 20 eval 'finish_segments 1 >/dev/null; strike "$archiver" s3put' ;;
    *) kill_descendant "$archiver" "$victim" ;;
    esac
    finish_segments 1 >/dev/null
    if [[ $victim != @(main|walrecv) ]]; then
      at=$(sql 'select pg_current_wal_flush_lsn()')
      eventually 15 eval '[[ $(sql "select flush_lsn >= '"'$at'"' from pg_stat_replication") == t ]]'
      kill "$archiver"
    fi
    wait "$archiver" || true
    archiver=
    # What it started ends with it.
    eventually 20 eval '[[ -z $(sql "select 1 from pg_replication_slots where active") ]]'
  done
  stop_faults
  start_archiver
  last=$(finish_segments 1)
  eventually 60 eval '[[ $(waiting) == 0 ]]'
  eventually 10 is_stored "$last"
  stop_archiver 0
  assert_stored_as_served
  assert_no_gap
}

@test "a full disk under TMPDIR keeps nobody from receiving; what a run leaves is nobody's WAL, and goes with the next" {
  make --silent -C "$REPO" .build/support/io-faults.so
  mkdir tmp
  TMPDIR=$WORK/tmp SLUICE_FAULT=write:$WORK/tmp/:1+:ENOSPC LD_PRELOAD=$REPO/.build/support/io-faults.so start_archiver
  finish_segments 3 >/dev/null
  at=$(sql 'select pg_current_wal_flush_lsn()')
  eventually 15 eval '[[ $(sql "select flush_lsn >= '"'$at'"' from pg_stat_replication") == t ]]'
  [[ $(waiting) -ge 3 ]]
  eventually 15 grep -q 'it is tried again' err
  kill -KILL "$archiver"
  wait "$archiver" || true
  archiver=
  eventually 20 eval '[[ -z $(sql "select 1 from pg_replication_slots where active") ]]'
  [[ $(of_runs | wc -l) == 1 ]]
  walcheck wal
  walcheck wal | grep -F .wal-archive && fail "walcheck looks at it"
  eventually 20 flock --nonblock "$(of_runs)" true
  start_archiver
  eventually 30 eval '[[ $(waiting) == 0 ]]'
  assert_equal "$(of_runs | wc -l)" 1
  stop_archiver 0
  assert_equal "$(of_runs)" ""
  assert_no_gap
}

of_runs() { find wal -maxdepth 1 -name '.wal-archive.*'; }

@test "shipping that was interrupted begins again by itself" {
  start_archiver
  kill_descendant "$archiver" xargs
  last=$(finish_segments 2)
  eventually 30 is_stored "$last"
  grep -q 'begins again' err
  stop_archiver 0
  assert_no_gap
}

@test "W2: a partial segment and a temporary history are neither shipped nor removed" {
  mkdir wal
  name=$(finish_segments 1)
  cp "$data/pg_wal/$name" "wal/$name.partial"
  cp "$data/pg_wal/$name" "wal/$name"
  printf '1\t0/3000000\tx\n' | tee wal/00000002.history.tmp >wal/00000002.history
  run --separate-stderr wal-archive --no-receive --store "$STORE" --directory wal
  assert_status 0
  assert_equal "$(stored | xargs)" "$name.zst 00000002.history.zst"
  # The receiver looks at the histories, too.
  assert_equal "$(find wal -type f ! -name '.walrecv.*' -printf '%f\n' | sort | xargs)" "$name.partial 00000002.history 00000002.history.tmp"
  run --separate-stderr wal-archive --no-receive --store "$STORE" --directory wal
  assert_status 0
}

@test "W2: the open segment is shipped now and then and at the end, and stays until it is complete" {
  start_archiver --ship-partial --partial-interval 1s
  finish_segments 1 >/dev/null
  sql "insert into commits default values"
  open=$(sql "select pg_walfile_name(pg_current_wal_lsn())")
  eventually 20 is_stored "$open.partial"
  [[ -e wal/$open.partial ]]
  before=$(s3 GET "/$BUCKET/$PREFIX/$system/00000001/$open.partial.zst" | sha256sum)
  sql "insert into commits default values"
  eventually 20 eval '[[ $(s3 GET "/$BUCKET/$PREFIX/$system/00000001/$open.partial.zst" | sha256sum) != "$before" ]]'
  finish_segments 1 >/dev/null
  eventually 20 is_stored "$open"
  eventually 20 eval '! is_stored "$open.partial"'
  sql "insert into commits default values"
  open=$(sql "select pg_walfile_name(pg_current_wal_lsn())")
  at=$(sql 'select pg_current_wal_flush_lsn()')
  eventually 15 eval '[[ $(sql "select flush_lsn >= '"'$at'"' from pg_stat_replication") == t ]]'
  stop_archiver 0
  # What there was at the end is there to its last byte.
  s3 GET "/$BUCKET/$PREFIX/$system/00000001/$open.partial.zst" | zst -d | cmp - "wal/$open.partial"
}

@test "the same bytes once more are fine, other bytes are 1, and both are kept" {
  name=$(finish_segments 1)
  cp "$data/pg_wal/$name" segment
  record "$name" "$WORK/segment" >wanted
  one <wanted
  assert_status 0
  [[ ! -e segment ]]
  # Compressed otherwise, its object is another one, and it is still the same segment.
  for options in '' '--level=1' '--encrypt=openssl enc -aes-256-ctr -pbkdf2 -pass pass:x'; do
    cp "$data/pg_wal/$name" segment
    one ${options:+"$options"} <wanted
    assert_status 0
    [[ ! -e segment ]] || fail "it is still there"
  done
  before=$(s3 GET "/$BUCKET/$PREFIX/$system/00000001/$name.zst" | sha256sum)
  cp "$data/pg_wal/$name" segment
  printf x | dd of=segment bs=1 seek=5000 conv=notrunc status=none
  one <wanted
  assert_status 1
  assert_stderr_has 'other bytes'
  [[ -e segment ]]
  assert_equal "$(s3 GET "/$BUCKET/$PREFIX/$system/00000001/$name.zst" | sha256sum)" "$before"
}

@test "the same question where the store knows no checksums: it is read" {
  STORE=file://$WORK/store
  name=$(finish_segments 1)
  record "$name" "$WORK/segment" >wanted
  openssl='openssl enc -aes-256-ctr -pbkdf2 -pass pass:x'
  cp "$data/pg_wal/$name" segment
  one --encrypt "$openssl" <wanted
  assert_status 0
  cp "$data/pg_wal/$name" segment
  one --encrypt "$openssl" --decrypt "$openssl -d" <wanted
  assert_status 0
  [[ ! -e segment ]]
  cp "$data/pg_wal/$name" segment
  one --encrypt "$openssl" <wanted
  assert_status 65
  assert_stderr_has '--decrypt'
  printf x | dd of=segment bs=1 seek=5000 conv=notrunc status=none
  one --encrypt "$openssl" --decrypt "$openssl -d" <wanted
  assert_status 1
  [[ -e segment ]]
}

@test "W3: a file is not removed before its copy is durable under its name" {
  STORE=file://$WORK/store
  name=$(finish_segments 1)
  record "$name" "$WORK/segment" >wanted
  cp "$data/pg_wal/$name" segment
  for fault in write:store:1:ENOSPC fsync:store:1:EIO rename:store:1:EIO fsync:store:2:EIO write:store:1:KILL rename:store:1:KILL; do
    run --separate-stderr inject_fault "$fault" wal-archive-one --store "$STORE" <wanted
    [[ $status != 0 ]] || fail "exit 0 with $fault"
    [[ -e segment ]] || fail "removed with $fault"
    rm -rf store
  done
  one <wanted
  assert_status 0
  [[ ! -e segment ]]
  zst -d <"store/$system/00000001/$name.zst" | cmp - "$data/pg_wal/$name"
}

@test "an object that is not what was sent keeps the file here" {
  name=$(finish_segments 1)
  record "$name" "$WORK/segment" >wanted
  cp "$data/pg_wal/$name" segment
  # The answer to the upload is good, and then nobody finds it.
  start_faults 'PUT . * delay@0.01' 'HEAD . 1 500' 'HEAD . * close'
  one <wanted
  [[ $status != 0 ]]
  [[ -e segment ]]
  stop_faults
  one <wanted
  assert_status 0
  [[ ! -e segment ]]
}

@test "a file that is neither here nor there is reported: 65" {
  record 000000010000000000000001 "$WORK/nothing" >wanted
  one <wanted
  assert_status 65
  name=$(finish_segments 1)
  record "$name" "$WORK/segment" >wanted
  cp "$data/pg_wal/$name" segment
  one <wanted
  one <wanted
  assert_status 0
  one <<<'{"type":"segment","segment":"../../x","path":"/etc/passwd","system_identifier":"1"}'
  assert_status 65
}

@test "the file that came under the name while its predecessor was sent is not removed" {
  name=$(finish_segments 1)
  record "$name" "$WORK/segment" >wanted
  cp "$data/pg_wal/$name" segment
  # As a receiver does that marks a gap: the one is set aside, and another is received.
  one --encrypt 'mv segment aside && { cat aside && printf x; } >segment && cat' <wanted
  assert_status 0
  assert_stderr_has 'not the file any more'
  [[ -e aside ]]
  assert_equal "$(stat -c %s segment)" 1048577
  s3 GET "/$BUCKET/$PREFIX/$system/00000001/$name.zst" | zst -d | cmp - "$data/pg_wal/$name"
}

@test "a file of another cluster, position or size than its record says is refused: 65, and both are kept" {
  name=$(finish_segments 1)
  next=${name:0:16}$(printf %08X $((16#${name:16} + 1)))
  cp "$data/pg_wal/$name" segment
  record "$name" "$WORK/segment" >wanted
  record "$next" "$WORK/segment" >position
  jq -c '.system_identifier = "7123456789012345678"' wanted >system
  jq -c '.bytes = 16777216' wanted >size
  jq -c '.start_lsn = "0/F0000000"' wanted >start
  for case in position:'begins at' system:'of the system' size:'with segments of' start:'does not begin at'; do
    one <"${case%%:*}"
    assert_status 65
    assert_stderr_has "${case#*:}"
    [[ -e segment ]] || fail "removed as $case"
  done
  head -c 500000 segment >short
  record "$name" "$WORK/short" >wanted
  one <wanted
  assert_status 65
  head -c 1048576 /dev/zero >zeros
  for name in "$name" "$name.partial"; do
    record "$name" "$WORK/zeros" >wanted
    one <wanted
    assert_status 65
    assert_stderr_has 'does not begin as a segment'
  done
  printf '\x02' | dd of=segment bs=1 seek=4 conv=notrunc status=none
  record "${name%.partial}" "$WORK/segment" >wanted
  one <wanted
  assert_status 65
  assert_stderr_has 'on timeline 2'
  # A receiver with the wrong directory.
  mkdir wal && cp "$data/pg_wal/${name%.partial}" "wal/$next"
  run --separate-stderr wal-archive --no-receive --store "$STORE" --directory wal
  assert_status 65
  [[ -e wal/$next ]]
  assert_equal "$(stored)" ""
}

@test "a file that is gone is not in the archive because some other one is: 65" {
  name=$(finish_segments 2)
  before=${name:0:16}$(printf %08X $((16#${name:16} - 1)))
  record "$name" "$WORK/nothing" >wanted
  zst <"$data/pg_wal/$before" | s3put --to "$STORE/$system/00000001/$name.zst" >/dev/null
  one <wanted
  assert_status 65
  assert_stderr_has 'is another file'
  zst <"$data/pg_wal/$name" | s3put --to "$STORE/$system/00000001/$name.zst" >/dev/null
  one <wanted
  assert_status 0
}

# A segment with something in more than its first half; prints its name.
finish_full_segment() {
  finish_segments 1 >/dev/null
  sql "select pg_logical_emit_message(false, 'x', repeat('0123456789abcdef', 40000))" >/dev/null
  finish_segments 1
}

# part BYTES: what was received so far of the segment.
part() {
  head -c "$1" "$data/pg_wal/$name" >part
  truncate -s 1048576 part
}

assert_archived_is_part() { fetch_partial | cmp - part; }

fetch_partial() { s3get "$STORE/$system/00000001/$name.partial.zst" | bash -c "${DECRYPT:-cat}" | zst -d; }

@test "a partial file in the archive only grows" {
  name=$(finish_full_segment)
  record "$name.partial" "$WORK/part" >wanted
  cipher='openssl enc -aes-256-ctr -pbkdf2 -pass pass:x'
  for case in "s3://$BUCKET/$PREFIX" "file://$WORK/store" encrypted; do
    STORE=$case options=() DECRYPT=
    if [[ $case == encrypted ]]; then
      STORE=s3://$BUCKET/$PREFIX-encrypted DECRYPT="$cipher -d"
      options=(--encrypt "$cipher" --decrypt "$DECRYPT")
    fi
    for length in 100000 100000 400000; do
      part $length
      one "${options[@]}" <wanted
      assert_status 0
      assert_archived_is_part
    done
    # A second receiver, or one that had to begin again.
    part 300000
    one "${options[@]}" <wanted
    assert_status 1
    assert_stderr_has 'goes further'
    part 400000
    assert_archived_is_part
    # Other bytes, with more behind them.
    part 500000
    printf 'other' | dd of=part bs=1 seek=50000 conv=notrunc status=none
    one "${options[@]}" <wanted
    assert_status 65
    assert_stderr_has 'other bytes'
    part 400000
    assert_archived_is_part
    # A page that was still to come when the next one was read.
    part 400000
    head -c 4096 /dev/zero | dd of=part bs=4096 seek=10 conv=notrunc status=none
    rm -rf store
    s3rm --yes "$STORE/$system/00000001/$name.partial.zst" >/dev/null || true
    one "${options[@]}" <wanted
    assert_status 0
    part 450000
    one "${options[@]}" <wanted
    assert_status 0
    assert_archived_is_part
  done
}

@test "a partial file that cannot be compared is replaced only by the one that shipped it" {
  name=$(finish_full_segment)
  record "$name.partial" "$WORK/part" >wanted
  cipher='openssl enc -aes-256-ctr -pbkdf2 -pass pass:x'
  DECRYPT="$cipher -d"
  part 100000
  one --encrypt "$cipher" <wanted
  assert_status 0
  etag=$(jq -r .etag <<<"$output")
  part 200000
  one --encrypt "$cipher" <wanted
  assert_status 65
  assert_stderr_has '--decrypt'
  one --encrypt "$cipher" --replaces "$etag" <wanted
  assert_status 0
  assert_archived_is_part
  part 300000
  one --encrypt "$cipher" --replaces "$etag" <wanted
  assert_status 65
}

@test "the open segment is shipped again and again where nothing can be decrypted" {
  start_archiver --ship-partial --partial-interval 1s --encrypt 'openssl enc -aes-256-ctr -K 00 -iv 00 2>/dev/null'
  finish_segments 1 >/dev/null
  sql "insert into commits default values"
  open=$(sql "select pg_walfile_name(pg_current_wal_lsn())")
  eventually 20 is_stored "$open.partial"
  for _ in 1 2; do
    before=$(s3 GET "/$BUCKET/$PREFIX/$system/00000001/$open.partial.zst" | sha256sum)
    sql "insert into commits default values"
    eventually 20 eval '[[ $(s3 GET "/$BUCKET/$PREFIX/$system/00000001/$open.partial.zst" | sha256sum) != "$before" ]]'
  done
  stop_archiver 0
}

@test "W6: an encrypted segment in another's place, or with its blocks in another order, is not delivered" {
  cipher='openssl enc -aes-256-ctr -K 00 -iv 00 2>/dev/null'
  finish_segments 1 >/dev/null
  sql "select pg_logical_emit_message(false, 'x', string_agg(md5(i::text), '')) from generate_series(1, 10000) as i" >/dev/null
  last=$(finish_segments 1)
  before=${last:0:16}$(printf %08X $((16#${last:16} - 1)))
  for name in "$before" "$last"; do
    cp "$data/pg_wal/$name" segment
    record "$name" "$WORK/segment" >wanted
    one --encrypt "$cipher" <wanted
    assert_status 0
    s3get "$STORE/$system/00000001/$name.zst" >"$name" 2>/dev/null
  done
  [[ $(stat -c %s "$last") -gt 6144 ]]
  { head -c 4096 "$last" | tail -c 2048; head -c 2048 "$last"; tail -c +4097 "$last"; } >reordered
  { head -c 2048 "$last"; cat "$last"; } >doubled
  head -c 2048 "$last" >short
  for object in "$before" reordered doubled short; do
    s3put --to "$STORE/$system/00000001/$last.zst" <"$object" >/dev/null
    run --separate-stderr walfetch --from "$STORE" --system-identifier "$system" --decrypt "$cipher" --retry-for 1s "$last" "$WORK/to"
    assert_status 255
    [[ ! -e to ]] || fail "$object was delivered"
  done
  s3put --to "$STORE/$system/00000001/$last.zst" <"$last" >/dev/null
  run --separate-stderr walfetch --from "$STORE" --system-identifier "$system" --decrypt "$cipher" "$last" "$WORK/to"
  assert_status 0
  cmp to "$data/pg_wal/$last"
}

# commits_of STANDBY: the milliseconds of 100 commits that wait for it; the best of three rounds, since others are at work here, too.
commits_of() {
  local begin took best=
  sql_in postgres "alter system set synchronous_standby_names = '$1'"
  sql_in postgres "select pg_reload_conf()" >/dev/null
  eventually 15 eval '[[ $(sql "select application_name from pg_stat_replication where sync_state = '"'sync'"'") == '"$1"' ]]' || return
  for _ in 1 2 3; do
    begin=$(date +%s%3N)
    yes "insert into commits default values;" | head -n 100 | timeout 60 psql -XAtq --set ON_ERROR_STOP=1 || break
    took=$(($(date +%s%3N) - begin))
    best=$((took < ${best:-took + 1} ? took : best))
  done
  sql_in postgres "alter system reset synchronous_standby_names"
  sql_in postgres "select pg_reload_conf()" >/dev/null
  echo "$best"
}

@test "W1: a commit that waits for the receiver waits for no clock" {
  sql "create table if not exists commits (n serial)"
  start_archiver
  ours=$(commits_of walrecv)
  stop_archiver 0
  mkdir theirs
  "$PGHOST/bin/pg_receivewal" --directory theirs --synchronous >/dev/null 2>&1 3>&- 4>&- &
  archiver=$!
  theirs=$(commits_of pg_receivewal)
  kill -KILL "$archiver"
  wait "$archiver" || true
  archiver=
  # A clock that strikes every 20 ms would cost two seconds.
  [[ -n $ours && -n $theirs && $ours -lt $((theirs * 2 + 500)) ]] || fail "100 commits took $ours ms, and with pg_receivewal $theirs"
}

@test "--put-options reach the upload of each file: segments, histories, the open segment" {
  mkdir wal
  finish_segments 1 >/dev/null
  name=$(finish_segments 1)
  cp "$data/pg_wal/$name" "wal/$name"
  next=${name:0:16}$(printf %08X $((16#${name:16} + 1)))
  finish_segments 1 >/dev/null
  cp "$data/pg_wal/$next" "wal/$next.partial"
  printf '1\t0/1000000\tx\n' >wal/00000002.history
  run --separate-stderr wal-archive --no-receive --ship-partial --store "$STORE" --directory wal \
    --put-options '--meta owner=me --content-type=application/x-wal'
  assert_status 0
  for key in "00000001/$name" "00000001/$next.partial" 00000002/00000002.history; do
    s3 --show headers HEAD "/$BUCKET/$PREFIX/$system/$key.zst" | jq -r 'to_entries[] | "\(.key): \(.value)"' | tr '[:upper:]' '[:lower:]' >"$WORK/headers"
    grep -qxF 'x-amz-meta-owner: me' headers || fail "$key lacks it"
    grep -qxF 'content-type: application/x-wal' headers || fail "$key is of another type"
    grep -qF "x-amz-meta-system_identifier: $system" headers
  done
  run --separate-stderr wal-archive --no-receive --store "$STORE" --directory wal --put-options '--nonsense'
  assert_status 64
}

@test "W12: a segment costs few requests" {
  name=$(finish_segments 1)
  record "$name" "$WORK/segment" >wanted
  cp "$data/pg_wal/$name" segment
  start_faults
  one <wanted
  assert_status 0
  requests=$(wc -l <"$FAULT_LOG")
  [[ $requests -le 4 ]] || fail "$requests requests: $(jq -c '[.method, .target]' "$FAULT_LOG")"
  assert_equal "$(jq -r .method "$FAULT_LOG" | grep -c DELETE)" 0
}

@test "without a server what is here is shipped all the same" {
  mkdir wal
  name=$(finish_segments 1)
  cp "$data/pg_wal/$name" wal/
  run --separate-stderr env PGPORT=1 wal-archive --store "$STORE" --directory wal --slot none
  assert_status 69
  assert_equal "$(stored)" "$name.zst"
}

@test "a crash of the primary loses no commit that was received: the store alone restores it" {
  base=s3://$BUCKET/crash
  # A cluster of its own, since it will not come back.
  mkdir second
  eval "$("$SUPPORT/postgres" start "$WORK/second")"
  start_archiver --ship-partial --partial-interval 1h
  base-backup --store "$base" >/dev/null 2>&1
  export PGDATABASE=postgres
  last=$(finish_segments 2)
  for _ in $(seq 50); do sql "insert into commits default values"; done
  at=$(sql 'select pg_current_wal_flush_lsn()')
  eventually 15 eval '[[ $(sql "select flush_lsn >= '"'$at'"' from pg_stat_replication") == t ]]'
  home=$PGHOST
  "$SUPPORT/postgres" stop "$WORK/second"
  eventually 30 eval '[[ $(waiting) == 0 ]]'
  stop_archiver 0
  rm -rf wal
  PATH=$home/bin:$PATH run --separate-stderr wal-drill --from "$base" --wal "$STORE" --query 'select count(*) from commits'
  "$SUPPORT/postgres" remove "$WORK/second"
  eval "$("$SUPPORT/postgres" start "$SCRATCH/postgres-own")"
  assert_status 0
  assert_equal "$(jq -r .query_result <<<"$output")" 52
}

@test "transactions that were prepared before a crash and committed after it are restored from the store alone" {
  base=s3://$BUCKET/prepared
  mkdir third
  eval "$("$SUPPORT/postgres" start "$WORK/third" --setting max_prepared_transactions=10)"
  export PGDATABASE=postgres
  sql "create table prepared (i int)"
  start_archiver --ship-partial --partial-interval 1h
  base-backup --store "$base" >/dev/null 2>&1
  for i in 1 2 3; do psql -XAtq -c begin -c "insert into prepared values ($i)" -c "prepare transaction 'p$i'"; done
  "$SUPPORT/postgres" kill "$WORK/third"
  eval "$("$SUPPORT/postgres" start "$WORK/third")"
  eventually 30 eval '[[ -n $(sql "select 1 from pg_stat_replication where state = '"'streaming'"'") ]]'
  sql "commit prepared 'p1'"
  sql "rollback prepared 'p2'"
  at=$(sql 'select pg_current_wal_flush_lsn()')
  eventually 15 eval '[[ $(sql "select flush_lsn >= '"'$at'"' from pg_stat_replication") == t ]]'
  home=$PGHOST
  "$SUPPORT/postgres" kill "$WORK/third"
  stop_archiver 0
  rm -rf wal
  PATH=$home/bin:$PATH run --separate-stderr wal-drill --from "$base" --wal "$STORE" \
    --query "select (select string_agg(i::text, ',') from prepared) || ' ' || (select string_agg(gid, ',') from pg_prepared_xacts)"
  "$SUPPORT/postgres" remove "$WORK/third"
  eval "$("$SUPPORT/postgres" start "$SCRATCH/postgres-own")"
  assert_status 0
  assert_equal "$(jq -r .query_result <<<"$output")" "1 p3"
}
