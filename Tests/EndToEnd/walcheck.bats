# bats file_tags=long
# walcheck finds what is missing or damaged in archives that PostgreSQL's own receiver made, and nothing else.

# Tests are subshells, and what they eval or hand to other shells is in single quotes.
# shellcheck disable=SC2016,SC2030,SC2031

load support
load wal-archives

setup_file() {
  start_wal_server --initdb --wal-segsize=1
  start_store
  # An archive with two timelines, each with a segment that is not finished, and one that was switched from.
  export ARCHIVE=$SCRATCH/archive SYSTEM
  start_receiving "$ARCHIVE"
  load_small
  befall switch
  load_large
  load_pages
  befall promotion
  load_small
  load_large
  stop_receiving
  SYSTEM=$(sql "select system_identifier from pg_control_system()")
}

setup() {
  WORK=$BATS_TEST_TMPDIR/work
  cp -r "$ARCHIVE" "$WORK"
  cd "$WORK" || return
  mapfile -t FIRST < <(find . -name '00000001????????????????' -printf '%f\n' | sort)
  mapfile -t SECOND < <(find . -name '00000002????????????????' -printf '%f\n' | sort)
}

teardown() {
  stop_faults
  abandon_receiving
}

check() { run --separate-stderr walcheck "$@"; }

# finds VERDICT SEGMENT [DETAIL…]: the only finding is that one, of that segment, and the status is 1.
finds() {
  assert_status 1
  assert_equal "$(jq -r 'select(.verdict != "ok") | "\(.verdict) \(.segment)"' <<<"$output")" "$1 $2" findings
  [[ $output == *"${3:-}"* ]] || fail "no such detail: $3"
}

is_clean() {
  assert_status 0
  assert_equal "$(jq -r .verdict <<<"$output" | sort -u)" ok
}

lsn_of() { sql "select '$((16#${1:8:8}))'::numeric * 4294967296 + $((16#${1:16:8})) * 1048576"; }

# patch FILE OFFSET HEX
patch() { xxd -r -p <<<"$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }

# upload: the files of this directory into the store as an archive, whose URL is then in ROOT.
upload() {
  ROOT=${1:-s3://$BUCKET/$BATS_TEST_NUMBER/wal}
  local name
  for name in *; do
    zst <"$name" | ${2:-cat} | s3put --to "$ROOT/$SYSTEM/${name:0:8}/$name.zst" >/dev/null
  done
}

# put_again NAME: standard input in the place of that file's object.
put_again() {
  s3 DELETE "/$BUCKET/$BATS_TEST_NUMBER/wal/$SYSTEM/${1:0:8}/$1.zst"
  s3put --to "$ROOT/$SYSTEM/${1:0:8}/$1.zst" >/dev/null
}

# agrees_with_the_server DIRECTORY: pg_waldump sees as many records, and the same last one, on each timeline.
agrees_with_the_server() {
  local timeline theirs
  for timeline in $(timelines "$1"); do
    theirs=$(dump_timeline "$1" "$timeline" |
      awk '{ count++; lsn = $0 } END { sub(/.* lsn: /, "", lsn); sub(/,.*/, "", lsn); sub("/0*", "/", lsn); print count, lsn }')
    assert_equal "$(jq -r --argjson t "$((16#$timeline))" 'select(.timeline == $t) | "\(.records) \(.last_record)"' <<<"$output")" \
      "$theirs" "records of $1, timeline $timeline"
  done
}

# SLUICE_WAL_ARCHIVES says how many (10), a tenth of them with segments of 16 MiB; the first is any of those of 1 MiB.
@test "no false alarm on clean archives, and each record that PostgreSQL sees" {
  local count=${SLUICE_WAL_ARCHIVES:-10} first=$((RANDOM % 45))
  local loads=(small large subtransactions pages schema) compressions
  local events=(nothing switch restart_point crash promotion torn torn_promotion) number
  # As many as the server was built with.
  mapfile -t compressions < <(sql "select unnest(enumvals) from pg_settings where name = 'wal_compression'")
  for ((number = first; number < first + count * 9 / 10; number++)); do
    set_server "wal_compression = ${compressions[number % ${#compressions[@]}]}"
    set_server "full_page_writes = $((number % 3 ? 1 : 0))"
    start_receiving "$SCRATCH/clean-$number"
    "load_${loads[number % 5]}" "$number"
    befall "${events[number % 7]}"
    "load_${loads[number * 3 % 5]}" "${number}_again"
    stop_receiving
    check --deep "$SCRATCH/clean-$number"
    is_clean
    agrees_with_the_server "$SCRATCH/clean-$number"
    rm -r "$SCRATCH/clean-$number"
  done
  start_postgres
  for ((number = 0; number < count / 10; number++)); do
    start_receiving "$SCRATCH/large-$number"
    "load_${loads[number % 5]}" "$number"
    befall "${events[number % 3]}"
    load_large
    stop_receiving
    check --deep "$SCRATCH/large-$number"
    is_clean
    agrees_with_the_server "$SCRATCH/large-$number"
  done
}

@test "every flipped byte that lies in records or headers is found" {
  run --separate-stderr "$SUPPORT/wal-flips" "$WORK" "${SLUICE_WAL_FLIPS:-150}" "${SLUICE_SEED:-$RANDOM}" "$PGHOST/bin/pg_waldump"
  echo "# $output" >&3
  assert_status 0
  assert_equal "$(jq '.found > .flips * 0.8 and .undecidable < 5' <<<"$output")" true
}

@test "a record that a crash cut off is followed by one that says so" {
  local directory=$SCRATCH/cut
  start_receiving "$directory"
  load_small
  befall torn
  load_small
  stop_receiving
  dump_timeline "$directory" "$(timelines "$directory")" --rmgr XLOG | grep OVERWRITE_CONTRECORD
  check --deep "$directory"
  is_clean
}

@test "a chain's verdict says from where to where it goes" {
  check .
  is_clean
  local keys='.type, .system_identifier, .timeline, .segment, .last_segment, .segments, .records'
  assert_equal "$(jq -c "[$keys]" <<<"$output" | head -n 1)" \
    "[\"verdict\",\"$SYSTEM\",1,\"${FIRST[0]}\",\"$(ls 00000001*.partial)\",$((${#FIRST[@]} + 1)),null]"
  check --deep --jobs 1 .
  is_clean
  one_by_one=$output
  check --deep -j 4 .
  assert_output "$one_by_one"
  agrees_with_the_server "$WORK"
}

@test "segments that are missing" {
  rm "${FIRST[2]}"
  check .
  finds gap "${FIRST[2]}" "the segment is missing"
  assert_equal "$(jq -c 'select(.verdict == "ok") | .segments' <<<"$output" | head -n 1)" 2
  rm "${FIRST[3]}" "${FIRST[4]}"
  check --deep .
  finds gap "${FIRST[2]}" "the 3 segments up to ${FIRST[4]} are missing"
  check --keep failing .
  assert_equal "$(wc -l <<<"$output")" 1
  check --keep ok .
  assert_status 1
  assert_equal "$(jq -r .verdict <<<"$output" | sort -u)" ok
}

@test "gaps that are known are no findings" {
  rm "${FIRST[2]}" "${FIRST[3]}"
  check .
  jq -c 'select(.verdict == "gap") | {type: "gap", timeline, start_lsn: .lsn, end_lsn}' <<<"$output" >"$SCRATCH/gaps"
  check --deep --known-gaps "$SCRATCH/gaps" .
  is_clean
  rm "${FIRST[4]}"
  check --known-gaps "$SCRATCH/gaps" .
  assert_status 1
  echo '{"type":"gap","timeline":1}' >"$SCRATCH/gaps"
  check --known-gaps "$SCRATCH/gaps" .
  assert_status 65
}

@test "an unfinished segment in the middle" {
  mv "${FIRST[2]}" "${FIRST[2]}.partial"
  check .
  finds partial "${FIRST[2]}.partial"
}

@test "segments of another size" {
  : >"${FIRST[1]}"
  check .
  finds size "${FIRST[1]}" "it has 0 bytes, not 1048576"
  cp "$ARCHIVE/${FIRST[1]}" .
  truncate -s -1 "${FIRST[0]}"
  check --deep .
  finds size "${FIRST[0]}"
  cp "$ARCHIVE/${FIRST[0]}" .
  truncate -s +8192 "${FIRST[1]}"
  check --deep .
  finds size "${FIRST[1]}"
}

@test "a segment with a bad magic number, in another's place, or another cluster's" {
  patch "${FIRST[1]}" 0 00d0
  check .
  finds header "${FIRST[1]}" "magic"
  cp "$ARCHIVE/${FIRST[2]}" "${FIRST[1]}"
  check .
  finds header "${FIRST[1]}" "it begins at"
  cp "$ARCHIVE/${FIRST[1]}" .
  patch "${FIRST[1]}" 24 0102030405060708
  check .
  assert_status 1
  assert_equal "$(jq -r 'select(.verdict != "ok") | "\(.verdict) \(.segment)"' <<<"$output")" \
    "other-system ${FIRST[1]}"$'\n'"gap ${FIRST[1]}"
}

@test "a damaged page and a damaged record, with the segment and the place" {
  patch "${FIRST[1]}" 16384 ffff
  check .
  is_clean
  check --deep .
  finds header "${FIRST[1]}" "$(sql "select pg_lsn(0) + $(lsn_of "${FIRST[1]}") + 16384" 2>/dev/null || true)"
  cp "$ARCHIVE/${FIRST[1]}" .
  patch "${FIRST[3]}" 100000 deadbeef
  check --deep .
  finds record "${FIRST[3]}" "the record's checksum differs"
  assert_equal "$(jq -r 'select(.verdict == "ok") | .timeline' <<<"$output")" 2
}

@test "the chain of records goes on from timeline to timeline" {
  # All records of the new one's segments hold, but they follow others than those of this archive.
  local last=${FIRST[-1]}
  python3 - "$last" <<'PY'
import sys
# The header of the last page says that less remains of a record than what the next segment begins with.
name = sys.argv[1]
data = bytearray(open(name, "rb").read())
page = data[-8192:]
data[-8192 + 24:] = bytes(8192 - 24)
open(name, "wb").write(data)
PY
  check --deep .
  assert_status 1
  assert_equal "$(jq -r 'select(.verdict != "ok") | .segment' <<<"$output" | head -n 1)" "$last"
}

@test "the same segment whole and unfinished" {
  cp "${FIRST[1]}" "${FIRST[1]}.partial"
  truncate -s 300000 "${FIRST[1]}.partial"
  truncate -s 1048576 "${FIRST[1]}.partial"
  check --deep .
  is_clean
  patch "${FIRST[1]}.partial" 5000 deadbeef
  check .
  finds duplicate "${FIRST[1]}.partial"
}

@test "timelines and their histories" {
  cp -r . "$SCRATCH/whole"
  rm 00000002.history
  check .
  finds history 00000002.history "missing"
  printf '3\t0/1\tnonsense\n' >00000002.history
  check .
  finds history 00000002.history
  printf '1\t0/FF000000\tlater\n' >00000002.history
  check .
  finds history "${SECOND[0]}" "the timeline began later"
  cp "$ARCHIVE/00000002.history" .
  printf '1\t0/1\tx\n2\t0/FF000000\ty\n' >00000003.history
  check .
  finds history 00000003.history "contradicts"
}

@test "where a timeline begins nothing may be missing, but what it has a copy of" {
  rm 00000001*.partial
  check --deep .
  is_clean
  rm "${FIRST[-1]}"
  check .
  finds gap "${FIRST[-1]}"
  rm 00000001*
  check --deep .
  is_clean
  cp "$ARCHIVE/${FIRST[-1]}" .
  rm "${SECOND[0]}"
  check .
  finds gap "${SECOND[0]}"
}

@test "an archive in a bucket, by its listing" {
  upload
  s3ls "$ROOT/" >"$SCRATCH/listing"
  check --deep <"$SCRATCH/listing"
  is_clean
  agrees_with_the_server "$WORK"
  check <"$SCRATCH/listing"
  is_clean
  # Listed, and not there any more; not listed at all.
  s3 DELETE "/$BUCKET/$BATS_TEST_NUMBER/wal/$SYSTEM/00000001/${FIRST[1]}.zst"
  check --deep <"$SCRATCH/listing"
  finds missing "${FIRST[1]}"
  check < <(s3ls "$ROOT/")
  finds gap "${FIRST[1]}"
}

@test "objects that are empty, cannot be decompressed, or are of another size" {
  upload
  : | put_again "${FIRST[0]}"
  check < <(s3ls "$ROOT/")
  finds size "${FIRST[0]}" "it is empty"
  zst <"${FIRST[0]}" >"$SCRATCH/object"
  head -c 5000 "$SCRATCH/object" | put_again "${FIRST[0]}"
  check --deep < <(s3ls "$ROOT/")
  finds content "${FIRST[0]}"
  head -c 500000 "${FIRST[0]}" | zst >"$SCRATCH/object"
  put_again "${FIRST[0]}" <"$SCRATCH/object"
  check --deep < <(s3ls "$ROOT/")
  finds size "${FIRST[0]}"
}

@test "a segment under two keys" {
  upload
  cp "${FIRST[1]}" "$SCRATCH/again"
  zst <"$SCRATCH/again" | s3put --to "$ROOT-2/$SYSTEM/00000001/${FIRST[1]}.zst" >/dev/null
  check < <(s3ls "$ROOT/" "$ROOT-2/")
  finds duplicate "${FIRST[1]}" "$ROOT-2/"
  # The same key twice is one object.
  check < <(s3ls "$ROOT/" "$ROOT/")
  is_clean
}

@test "an encrypted archive, in a folder" {
  upload "file://$SCRATCH/encrypted" base64
  s3ls "file://$SCRATCH/encrypted/" >"$SCRATCH/listing"
  check --deep --decrypt 'base64 -d' <"$SCRATCH/listing"
  is_clean
  agrees_with_the_server "$WORK"
  check --segment-size 1MiB <"$SCRATCH/listing"
  assert_status 1
  check <"$SCRATCH/listing"
  assert_status 65
  assert_stderr_has "--decrypt"
}

@test "several systems in one archive are several chains, unless one is named" {
  upload "file://$SCRATCH/two"
  local other=$((SYSTEM + 1))
  mkdir -p "$SCRATCH/two/$other"
  cp -r "$SCRATCH/two/$SYSTEM/00000001" "$SCRATCH/two/$other"
  check < <(s3ls "file://$SCRATCH/two/")
  is_clean
  assert_equal "$(jq -r .system_identifier <<<"$output" | sort -u | wc -l)" 2
  check --system-identifier "$SYSTEM" < <(s3ls "file://$SCRATCH/two/")
  assert_status 1
  assert_equal "$(jq -r 'select(.verdict != "ok") | .verdict' <<<"$output" | sort -u)" other-system
  # What the segments say of themselves is looked at, too.
  check --deep < <(s3ls "file://$SCRATCH/two/$other/")
  assert_status 1
  assert_equal "$(jq -r .verdict <<<"$output" | sort -u)" other-system
}

@test "records of a receiver" {
  local name
  for name in "${FIRST[@]}"; do
    printf '{"type":"segment","timeline":1,"segment":"%s","path":"%s","bytes":1048576,"system_identifier":"%s"}\n' \
      "$name" "$WORK/$name" "$SYSTEM"
  done >"$SCRATCH/records"
  check --deep <"$SCRATCH/records"
  is_clean
  sed -i 2d "$SCRATCH/records"
  check <"$SCRATCH/records"
  finds gap "${FIRST[1]}"
  rm "${FIRST[2]}"
  check --deep --keep failing <"$SCRATCH/records"
  assert_equal "$(jq -r '"\(.verdict) \(.segment)"' <<<"$output")" "gap ${FIRST[1]}"$'\n'"missing ${FIRST[2]}"
}

@test "what could not be found out is unknown, and 69" {
  upload
  s3ls "$ROOT/" >"$SCRATCH/listing"
  start_faults "HEAD ${FIRST[1]} * 503"
  check --deep --retries 1 <"$SCRATCH/listing"
  assert_status 69
  assert_equal "$(jq -r 'select(.verdict != "ok") | "\(.verdict) \(.segment)"' <<<"$output")" "unknown ${FIRST[1]}"
  stop_faults
  AWS_ENDPOINT_URL=http://127.0.0.1:1 check --deep --retries 0 <"$SCRATCH/listing"
  assert_status 69
}

@test "nothing to check is no success, and wrong use is told" {
  mkdir "$SCRATCH/empty"
  check "$SCRATCH/empty"
  assert_status 1
  check </dev/null
  assert_status 1
  check <<<'{"type":'
  assert_status 65
  check <<<'{"type":"segment","segment":"x"}'
  assert_status 65
  check "$SCRATCH/nowhere"
  assert_status 78
  for words in 'one two' '--keep most' '--segment-size 3MiB' '--jobs 0' '--system-identifier x'; do
    # shellcheck disable=SC2086  # several words
    check $words </dev/null
    assert_status 64
  done
}

@test "unfinished segments: nothing in it yet, and its last record not whole" {
  local name
  name=$(ls 00000002*.partial)
  truncate -s 0 "$name" && truncate -s 1048576 "$name"
  check --deep .
  is_clean
  cp "$ARCHIVE/$name" .
  # Sectors from the middle on never came.
  truncate -s $((512 * 600)) "$name" && truncate -s 1048576 "$name"
  check --deep .
  is_clean
  patch "$name" $((512 * 600 + 20000)) deadbeef
  check --deep .
  assert_status 1
  assert_equal "$(jq -r 'select(.verdict != "ok") | .segment' <<<"$output")" "$name"
}
