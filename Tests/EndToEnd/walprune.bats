# walprune: a plan over real archives, and what carries it out.

# shellcheck disable=SC2016,SC2030,SC2031  # inner shells expand; each test is a subshell

load support

setup_file() { start_store; }

setup() {
  cd "$BATS_TEST_TMPDIR" || return
  mkdir wal
  : >backups
}

# Segments are of 1 MiB, so that the number is the rest of the name, and LSN N00000.
segment() { printf '%08X00000000%08X\n' "$1" "$2"; }

# in_directory TIMELINE FIRST LAST [SYSTEM]: these segments, in ./wal.
in_directory() {
  local number address file files=() before after
  before=$(little 2 $((0xD110)) 2 2 4 "$1")
  after=$(little 8 0 8 "${4:-7}" 4 1048576 4 8192)
  for ((number = $2; number <= $3; number++)); do
    printf -v file 'wal/%08X00000000%08X' "$1" "$number"
    # The address is NUMBER MiB.
    printf -v address '\\x00\\x00\\x%02x\\x%02x\\x00\\x00\\x00\\x00' $((number << 4 & 255)) $((number >> 4))
    printf '%b' "$before$address$after" >"$file"
    files+=("$file")
  done
  truncate -s 1M "${files[@]}"
}

# header TIMELINE NUMBER SYSTEM SIZE: the beginning of the first page, as PostgreSQL 15 writes it.
header() { printf '%b' "$(little 2 $((0xD110)) 2 2 4 "$1" 8 $(($2 << 20)) 8 0 8 "$3" 4 "$4" 4 8192)"; }

# little [BYTES NUMBER]...: the lowest byte first, as escapes.
little() {
  local bytes=''
  while (($#)); do
    for ((at = 0; at < $1; at++)); do printf -v bytes '%s\\x%02x' "$bytes" $(($2 >> 8 * at & 255)); done
    shift 2
  done
  printf '%s' "$bytes"
}

# backup LABEL TIMELINE START DAY [SYSTEM]: a record, of a backup that took half a segment.
backup() {
  jq -nc --arg backup "$1" --argjson timeline "$2" --arg start "$(printf '0/%X00080' "$3")" --arg stop "$(printf '0/%X80000' "$3")" \
    --arg at "2024-01-$4T12:00:00.000000Z" --arg system "${5:-7}" '{type: "backup", backup: $backup, system_identifier: $system,
      timeline: $timeline, start_lsn: $start, stop_lsn: $stop, segment_size: 1048576, started_at: $at, finished_at: $at,
      url: "file:///base/7/\($backup)/", tablespaces: [], bytes: 1}' >>backups
}

plan() { run --separate-stderr bash -c 'walprune "$@" <backups' - --at 2024-01-31T12:00:00Z "$@"; }

names() { jq -r .segment <<<"$output" | xargs; }

# archive: what is in ./wal, as it would lie in the archive at ROOT.
archive() {
  local name
  local name
  while read -r name; do zst <"wal/$name" | s3put --to "$1/7/${name:0:8}/$name.zst" >/dev/null; done < <(ls wal)
}

@test "a plan over a directory, and xargs rm carries it out" {
  in_directory 1 1 30
  printf '1\t0/1A80000\tpromoted\n' >wal/00000002.history
  in_directory 2 26 40
  touch "wal/$(segment 2 41).partial" wal/notes "wal/$(segment 1 99).x"
  truncate -s 5 "wal/$(segment 1 0)"
  backup a 1 5 10
  backup b 1 20 20
  backup c 2 35 25
  plan -D wal --keep-last 2
  assert_status 0
  assert_equal "$(names)" "$(for i in $(seq 1 19); do segment 1 "$i"; done | xargs)"
  assert_equal "$(head -n 1 <<<"$output")" \
    '{"type":"segment","path":"wal/000000010000000000000001","bytes":1048576,"timeline":1,"segment":"000000010000000000000001","start_lsn":"0/100000","end_lsn":"0/200000"}'
  jq -r .path <<<"$output" | xargs -d '\n' rm
  plan -D wal --keep-last 2
  assert_status 0
  assert_output ""
  assert_equal "$(find wal -name '*.history' -o -name '*.partial' -o -name notes -o -name '*.x' | wc -l)" 4
}

@test "a plan over an archive, and s3rm carries it out: files and a real store" {
  in_directory 1 1 12
  printf '1\t0/A80000\tpromoted\n' >wal/00000002.history
  in_directory 2 10 20
  touch "wal/$(segment 1 2).partial"
  backup a 1 5 10
  backup b 2 15 25
  for root in "file://$PWD/store/wal" "s3://$BUCKET/wal"; do
    archive "$root"
    plan --from "$root" --window 10d
    assert_status 0
    assert_equal "$(names)" "$(segment 1 1) $(segment 1 2).partial $(for i in 2 3 4; do segment 1 $i; done | xargs)"
    s3rm <<<"$output" >removed
    assert_equal "$(jq -r .outcome removed | sort -u)" deleted
    assert_equal "$(s3ls "$root/" | wc -l)" $((12 - 4 + 11 + 1))
    plan --from "$root" --window 10d
    assert_output ""
    # Nothing that is needed has gone: walcheck's question, asked by the plan itself.
    assert_status 0
  done
}

@test "the window keeps the newest backup before it" {
  in_directory 1 1 40
  backup a 1 5 10
  backup b 1 15 20
  backup c 1 25 30
  for case in 0:24 1d:24 26h:14 11d:14 12d:4 1000d:4; do
    plan -D wal --window "${case%:*}"
    assert_status 0
    assert_equal "$(names | wc -w)" "${case#*:}" "segments outside of a window of ${case%:*}"
  done
  plan -D wal --window 0 --keep-last 2 --backups
  assert_equal "$(jq -r 'select(.type == "backup") | .backup' <<<"$output")" a
  assert_equal "$(jq -r 'select(.type == "segment") | .segment' <<<"$output" | wc -l)" 14
}

@test "W9: timelines are related by their histories, not by the text of names" {
  # Timeline 1 goes on beside the one that left it, and has the newest backup. By text its segments lie before those
  # of timeline 2, which the older kept backup needs.
  in_directory 1 1 40
  printf '1\t0/A80000\tpromoted\n' >wal/00000002.history
  in_directory 2 10 30
  backup b 2 12 10
  backup c 1 20 20
  plan -D wal --keep-last 1
  assert_status 0
  assert_equal "$(names)" \
    "$({ for i in $(seq 1 19); do segment 1 "$i"; done && segment 2 10 && segment 2 11; } | xargs)"
}

@test "a backup of a standby that began before a promotion keeps the WAL of both timelines" {
  in_directory 1 1 7
  printf '1\t0/780000\tpromoted\n' >wal/00000002.history
  in_directory 2 7 20
  # It began at 0/500080.
  backup b 2 5 10
  jq -c '.stop_lsn = "0/880000"' backups >across
  mv across backups
  plan -D wal --keep-last 1
  assert_status 0
  assert_equal "$(names)" "$(for i in 1 2 3 4; do segment 1 $i; done | xargs)"
}

@test "no backup, no history, a gap: nothing is pruned, and the status is 1" {
  in_directory 1 1 40
  plan -D wal --keep-last 1
  assert_status 1
  assert_output ""
  assert_stderr_has 'there is no record of a backup'
  backup a 1 5 10
  backup b 1 20 20
  rm "wal/$(segment 1 30)"
  plan -D wal --keep-last 1
  assert_status 1
  assert_output ""
  assert_stderr_has "segment $(segment 1 30), which backup \"b\" needs, is missing"
  in_directory 1 30 30
  in_directory 2 35 36
  plan -D wal --keep-last 1
  assert_status 1
  assert_output ""
  assert_stderr_has 'the history of timeline 2'
  printf 'nonsense\n' >wal/00000002.history
  plan -D wal --keep-last 1
  assert_status 65
  assert_output ""
}

@test "the WAL of a backup that cannot be restored yet is left alone, and older ones count" {
  in_directory 1 1 30
  backup a 1 5 10
  backup b 1 20 20
  backup c 1 31 30
  plan -D wal --keep-last 1
  assert_status 0
  assert_equal "$(names | wc -w)" 19
}

@test "clusters are planned each by itself, and what is not asked about stays" {
  in_directory 1 1 10
  archive "file://$PWD/store"
  mkdir store/8 store/9
  cp -r store/7/00000001 store/8/
  cp -r store/7/00000001 store/9/
  backup a 1 5 10 7
  backup b 1 8 10 8
  plan --from "file://$PWD/store" --keep-last 1
  assert_status 0
  assert_equal "$(jq -r .key <<<"$output" | wc -l)" 11
  assert_equal "$(jq -r .url <<<"$output" | grep -c /store/9/)" 0
  rm "store/8/00000001/$(segment 1 9).zst"
  plan --from "file://$PWD/store" --keep-last 1
  assert_status 1
  assert_equal "$(jq -r .url <<<"$output" | grep -c /store/7/)" 4
  plan -D wal --keep-last 1
  assert_status 65
}

@test "what is another cluster's is not pruned: 78, and nothing is planned" {
  backup a 1 5 10
  backup b 1 20 20
  for system in 8 18446744073709551615; do
    in_directory 1 1 30 "$system"
    plan -D wal --keep-last 1
    assert_status 78
    assert_output ""
    assert_stderr_has "is of the system $system, the backups are of 7"
    rm wal/*
  done
  # Be it one that would stay.
  in_directory 1 1 30
  in_directory 1 31 31 8
  plan -D wal --keep-last 1
  assert_status 78
  assert_output ""
  header 1 31 7 16777216 >"wal/$(segment 1 31)"
  plan -D wal --keep-last 1
  assert_status 78
  assert_stderr_has 'with segments of 16777216 bytes'
  # What is at another place, or nobody's, is no link of a chain.
  in_directory 1 31 31
  cp "wal/$(segment 1 31)" "wal/$(segment 1 25)"
  plan -D wal --keep-last 1
  assert_status 1
  assert_stderr_has "segment $(segment 1 25), which backup"
  in_directory 1 25 25
  truncate -s 1M "wal/$(segment 1 0)"
  plan -D wal --keep-last 1
  assert_status 0
  assert_equal "$(names)" "$(for i in $(seq 1 19); do segment 1 "$i"; done | xargs)"
}

@test "the histories of an encrypted archive are decrypted" {
  in_directory 1 1 12
  printf '1\t0/A80000\tpromoted\n' >wal/00000002.history
  in_directory 2 10 20
  mkdir -p store/7/0000000{1,2}
  while read -r name; do zst <"wal/$name" | hide >"store/7/${name:0:8}/$name.zst"; done < <(ls wal)
  backup a 2 15 10
  plan --from "file://$PWD/store" --keep-last 1
  assert_status 65
  assert_output ""
  plan --from "file://$PWD/store" --keep-last 1 --decrypt 'openssl enc -d -aes-256-ctr -K 00 -iv 00 2>/dev/null'
  assert_status 0
  assert_equal "$(names | wc -w)" 5
}

hide() { openssl enc -aes-256-ctr -K 00 -iv 00 2>/dev/null; }

@test "wrong usage is 64, a malformed record 65, a store out of reach 69" {
  backup a 1 5 10
  for options in '' '-D wal' '--keep-last=1' '-D wal --keep-last=0' '-D wal --window=x' '-D wal --window=1d --at=yesterday' \
    '--from=ftp://x --keep-last=1' '-D wal --keep-last=1 more'; do
    # shellcheck disable=SC2086  # several words
    run --separate-stderr walprune $options <backups
    assert_status 64
  done
  run --separate-stderr walprune -D wal --keep-last 1 <<<'{"type":"object"}'
  assert_status 65
  run --separate-stderr walprune -D wal --keep-last 1 <<<'{"type":"backup"'
  assert_status 65
  jq -c '.start_lsn = "x"' backups >damaged
  run --separate-stderr walprune -D wal --keep-last 1 <damaged
  assert_status 65
  assert_stderr_has start_lsn
  AWS_ENDPOINT_URL=http://127.0.0.1:1 run --separate-stderr walprune --from "s3://$BUCKET/x" --retries 1 --keep-last 1 <backups
  assert_status 69
}
